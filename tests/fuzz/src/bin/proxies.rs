//! Fuzzes the proxy rules and the response to CONNECT. Every URL and list is accepted or rejected, without a panic; errors
//! contain no user name and no password. A response is parsed or rejected alike, wherever it is split.
#![no_main]

use glacier_mp::environment::Environment;
use glacier_mp::http::fuzzing::connect_response;
use glacier_mp::http::{Endpoint, ProxyRules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &str, u8, &[u8])| {
    let (proxy, list, host, size, response) = input;
    if let Err(error) = ProxyRules::default().set(Some(proxy)) {
        check_message(error.message(), proxy);
    }
    if let Ok(endpoint) = Endpoint::parse(&format!("https://{host}")) {
        let is_direct = |list: &str| proxy_for(proxy, list, &endpoint);
        // Another entry has no effect, except after the list that matches all hosts.
        if list != "*"
            && let (Some(is_alone), Some(is_with)) = (is_direct(list), is_direct(&format!("{list},192.0.2.255")))
        {
            assert!(is_alone == is_with || endpoint.host() == "192.0.2.255", "{list:?}");
        }
    }
    let pieces = response.chunks(usize::from(size) + 1);
    let (whole, pieces) = (connect_response([response]), connect_response(pieces));
    for rule in [&whole, &pieces].into_iter().filter_map(|result| result.as_ref().err()) {
        assert!(!rule.chars().any(char::is_control), "{rule:?}");
    }
    assert_eq!(whole.ok(), pieces.ok());
});

/// Returns whether an endpoint is reached without the proxy; `None` if the proxy is not valid.
fn proxy_for(proxy: &str, list: &str, endpoint: &Endpoint) -> Option<bool> {
    let variables = [("https_proxy", proxy), ("no_proxy", list)];
    match ProxyRules::from_environment(&Environment::from_pairs(variables)).proxy_for(endpoint) {
        Ok(found) => Some(found.is_none()),
        Err(error) => {
            check_message(error.message(), proxy);
            None
        }
    }
}

fn check_message(message: &str, proxy: &str) {
    assert!(!message.chars().any(char::is_control), "{message:?}");
    // The form of a URL is the only text with this sign.
    assert!(!proxy.contains('@') || !message.replace("user:password@", "").contains('@'), "{message:?}");
}

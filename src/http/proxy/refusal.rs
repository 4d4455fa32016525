//! The meaning of a proxy's response that opens no tunnel.

use super::url::Proxy;

/// Returns true if the same request may succeed later: the proxy is overloaded or has a defect, or it cannot reach the server.
pub(in crate::http) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// Returns what the status means and what to do. `schemes`: the authentication schemes that a 407 offers.
pub(in crate::http) fn hint(proxy: &Proxy, status: u16, schemes: &[String]) -> String {
    let offers_basic = schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
    let hint = match status {
        300..400 => "a redirect, which is not followed; check the proxy URL",
        401 | 407 if !offers_basic => {
            return format!(
                "it requires authentication by {}, but only Basic is supported; use a proxy that accepts Basic",
                schemes.join(" or ")
            );
        }
        401 | 407 if proxy.basic_token().is_some() => {
            "it rejected the user name and the password; correct them in the proxy URL, percent-encoded"
        }
        401 | 407 => {
            "it requires a user name and a password; add them to the proxy URL, http://user:password@host:port"
        }
        403 => {
            "it does not allow this connection; ask its administrator to allow it, or exclude the host from the proxy with \
             NO_PROXY"
        }
        408 | 429 => "it is overloaded",
        400..500 => "it does not accept this request; check that the proxy URL is that of an HTTP proxy",
        _ => "it has failed, or it cannot connect to the host",
    };
    hint.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::url::ProxySetting;
    use super::*;

    #[test]
    fn names_what_to_do() {
        let basic = ["Negotiate".to_owned(), "basic".to_owned()];
        let other = ["Negotiate".to_owned(), "NTLM".to_owned()];
        for (url, status, schemes, words) in [
            ("http://host", 407, &[][..], "add them to the proxy URL"),
            ("http://host", 407, &basic[..], "add them to the proxy URL"),
            ("http://user:hunter2@host", 407, &basic[..], "correct them in the proxy URL"),
            ("http://user:hunter2@host", 407, &other[..], "by Negotiate or NTLM, but only Basic"),
            ("http://host", 302, &[][..], "not followed"),
            ("http://host", 403, &[][..], "NO_PROXY"),
            ("http://host", 429, &[][..], "overloaded"),
            ("http://host", 405, &[][..], "HTTP proxy"),
            ("http://host", 502, &[][..], "has failed"),
        ] {
            let proxy = Proxy::parse(url, ProxySetting::Variable("https_proxy")).unwrap();
            let hint = hint(&proxy, status, schemes);
            assert!(hint.contains(words), "{status}: {hint}");
            assert!(!hint.contains("hunter2"), "{hint}");
        }
    }

    #[test]
    fn only_overload_and_errors_of_the_proxy_are_transient() {
        for status in [300, 302, 399, 400, 403, 404, 407, 499] {
            assert!(!is_transient(status), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 599, 999] {
            assert!(is_transient(status), "{status}");
        }
    }
}

//! Proxies that refuse a request or cannot reach the service.

use glacier_emulator::Emulator;
use glacier_mp::error::{ConnectFailure, Error, Kind};
use glacier_mp::log::Level;
use glacier_mp::retry::is_retryable;

use crate::program::{Access, Program, Proxy};
use crate::support::closed_port::ClosedPort;
use crate::support::glacier::{CapturedLog, VAULT, client};
use crate::{glacier, through};

const PROGRAMS: [Program; 3] = [Program::Tinyproxy, Program::Squid, Program::SquidTls];

/// Lists the uploads through a proxy. Returns the error and all lines of the log.
fn error_through(proxy: &Proxy, url: &str, glacier: &Emulator, endpoint: &str) -> (Error, String) {
    let mut config = through(proxy, url, glacier);
    config.set_endpoint(endpoint).unwrap();
    config.set_max_attempts(2).unwrap();
    let lines = CapturedLog::default();
    let error = client(config, &lines).list_uploads(VAULT).unwrap_err();
    let log = [Level::Debug, Level::Info, Level::Warn, Level::Error].map(|level| lines.of(level).join("\n")).join("\n");
    (error, log)
}

#[test]
fn missing_and_wrong_credentials_are_permanent() {
    for program in PROGRAMS {
        let proxy = Proxy::start(program, Access::Authenticated);
        for tls in [false, true] {
            let glacier = glacier(tls);
            for (user_info, words) in [
                ("", "requires a user name and a password"),
                ("backup:wrong-password@", "rejected the user name and the password"),
            ] {
                let is_wrong = !user_info.is_empty();
                // tinyproxy responds to wrong credentials with 401. For a forwarded request the service may have sent it.
                if is_wrong && !tls && program == Program::Tinyproxy {
                    continue;
                }
                let status = if is_wrong && program == Program::Tinyproxy { 401 } else { 407 };
                let (error, log) = error_through(&proxy, &proxy.url_with(user_info), &glacier, glacier.endpoint());
                let failure = (error.kind(), error.connect_failure(), error.http_status());
                assert_eq!(failure, (Kind::Network, Some(ConnectFailure::ProxyRefused), Some(status)), "{error}");
                assert!(!is_retryable(&error));
                let url = proxy.url_with("");
                for word in [words, &url, "glacier_config_set_proxy"] {
                    assert!(error.message().contains(word), "{program:?} {tls}: {error}");
                }
                assert!(!format!("{error:?} {log}").contains("wrong-password"), "{error:?} {log}");
                assert!(lines_of(&log, "retrying").is_empty(), "{log}");
            }
            assert!(glacier.requests().is_empty());
        }
    }
}

fn lines_of<'a>(log: &'a str, word: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(word)).collect()
}

#[test]
fn forbidden_tunnel_is_permanent() {
    for program in PROGRAMS {
        let (proxy, glacier) = (Proxy::start(program, Access::Denied), glacier(true));
        let (error, _) = error_through(&proxy, &proxy.url(), &glacier, glacier.endpoint());
        let failure = (error.kind(), error.connect_failure(), error.http_status());
        assert_eq!(failure, (Kind::Network, Some(ConnectFailure::ProxyRefused), Some(403)), "{error}");
        assert!(error.message().contains("does not allow this connection"), "{error}");
        assert_eq!(glacier.connections(), 0);
    }
}

#[test]
fn unreachable_service_is_transient() {
    for program in PROGRAMS {
        let (proxy, glacier) = (Proxy::start(program, Access::Open), glacier(true));
        let closed = ClosedPort::new();
        let (error, log) = error_through(&proxy, &proxy.url(), &glacier, &format!("https://{}", closed.address));
        assert_eq!((error.kind(), error.connect_failure()), (Kind::Network, Some(ConnectFailure::Proxy)), "{error}");
        assert!(error.http_status().is_some_and(|status| status >= 500), "{error}");
        assert!(is_retryable(&error));
        assert_eq!(lines_of(&log, "retrying").len(), 1, "{log}");
    }
}

//! How messages show a URL from the settings that is not allowed.

use std::net::Ipv6Addr;

use crate::sanitize::quoted;

/// Returns a rejected URL for a message: in quotes if it is certain that this shows no user name, no password and no token.
///
/// A URL with a mistake cannot be parsed, so the place of its password is unknown: the `@` can be percent-encoded, missing,
/// or another character. Only scheme, host and port in a strict form are shown. The text after them is cut, because paths
/// and queries can have tokens.
pub(crate) fn shown_url(url: &str) -> String {
    shown(url).unwrap_or_else(|| "(not shown, because it may contain a password)".to_owned())
}

fn shown(url: &str) -> Option<String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if url.contains('@')
        || !scheme.unwrap_or_default().trim_start().chars().all(is_of_scheme)
        || !is_host_and_port(authority.trim())
    {
        return None;
    }
    if matches!(path.trim_end(), "" | "/") {
        return Some(quoted(url));
    }
    // The first `/` can be part of a password before a character that stands for `@`. It can also be part of a secret key in
    // the place of the host. A redactor finds no secret that is cut.
    let is_host = authority.is_empty() || authority.contains(['.', ':']) || authority.eq_ignore_ascii_case("localhost");
    if scheme.is_none() || !is_host || path.contains('%') || !path.is_ascii() {
        return None;
    }
    let start = url.get(..url.len() - path.len()).unwrap_or_default();
    Some(format!("{}... ({} bytes)", quoted(start), url.len()))
}

/// Returns whether a text can only be a host, or a host and a port. Both may be empty or not allowed in another way.
fn is_host_and_port(text: &str) -> bool {
    let is_ipv6 = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    if is_ipv6(text) {
        return true;
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if is_ipv6(host) => ("", port),
        _ => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    // Longer numbers are not mistyped ports.
    let is_port = |digits: &str| digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_scheme_host_and_port() {
        for url in [
            "",
            "http://",
            "http:///",
            "://host",
            "http://proxy:99999",
            "ftp://host",
            "socks5h://host:1080/",
            "localhost:8080",
            " http://h\u{f6}st.example\n",
            "http://:80",
            "http://host:",
            "http://a..b",
            "http://::1",
            "http://[::1]:0",
        ] {
            assert_eq!(shown_url(url), quoted(url));
        }
    }

    #[test]
    fn cuts_the_text_after_the_port() {
        for (url, shown) in [
            ("http://host:80/path", r#""http://host:80"... (19 bytes)"#),
            ("http://localhost/path", r#""http://localhost"... (21 bytes)"#),
            ("http://a.example?token=hunter2", r#""http://a.example"... (30 bytes)"#),
            ("http://127.0.0.1/#", r#""http://127.0.0.1"... (18 bytes)"#),
            ("http:////", r#""http://"... (9 bytes)"#),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn hides_what_may_be_a_password() {
        for url in [
            "http://user:hunter2secret@proxy:3128",
            "http://user:hunter2secret%40proxy:3128",
            "http://user:hunter2secret",
            "user:hunter2secret",
            "http://user:hunter2secret\u{ff20}proxy:3128",
            "http://user\u{ff1a}hunter2secret",
            "socks5://user%3Ahunter2secret%40proxy",
            "user:hunter2secret://proxy",
            "http://user:123/hunter2secret@host",
            "http://user:123/hunter2secret%40host",
            "http://user:123/hunter2secret\u{ff20}host",
            "http://user:123456",
            "http://hunter2 secret",
            "http://[user:hunter2secret]",
            "http:hunter2secret",
            "hunter2/secret",
            "http://hunter2/secret",
        ] {
            assert!(shown_url(url).starts_with("(not shown"), "{url}");
        }
    }
}

//! The URL of a proxy: scheme, host, port, and the user name and password of Basic authentication.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::http::endpoint::Endpoint;
use crate::http::shown_url::shown_url;
use crate::sanitize::Redactor;

/// The setting that a proxy URL comes from, as messages name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySetting {
    /// The setter.
    Explicit,
    /// An environment variable.
    Variable(&'static str),
}

impl fmt::Display for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("glacier_config_set_proxy"),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// A proxy. `Display` shows its URL without user name and password.
pub struct Proxy {
    server: Endpoint,
    setting: ProxySetting,
    credentials: Option<BasicCredentials>,
}

/// The user name and the password for a proxy.
struct BasicCredentials {
    password: Zeroizing<Vec<u8>>,
    /// The user name and the password in base64 (RFC 7617).
    token: Zeroizing<String>,
}

impl Proxy {
    /// Parses `[http://|https://][user[:password]@]host[:port]`. Without a scheme, `http` applies. As in other clients, the
    /// path and the query are ignored.
    ///
    /// # Errors
    /// `Invalid` names the setting, the value, as `shown_url` shows it, and the rule.
    pub fn parse(text: &str, setting: ProxySetting) -> Result<Self> {
        let invalid = |rule: &str| {
            Error::invalid(format!(
                "the proxy URL {} of {setting} is not allowed: {rule}; it must be http://[user:password@]host[:port] or \
                 https://[user:password@]host[:port]",
                shown_url(text)
            ))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(invalid("its scheme is neither http nor https, and proxies of other kinds are not supported"));
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            return Err(invalid(ENCODE));
        }
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let server = Endpoint::try_parse(&format!("{scheme}://{host}")).map_err(invalid)?;
        let credentials = user_info.map(BasicCredentials::parse).transpose().map_err(invalid)?;
        Ok(Self { server, setting, credentials })
    }

    /// The host, the port, and whether the connection to the proxy is encrypted.
    pub(in crate::http) fn server(&self) -> &Endpoint {
        &self.server
    }

    /// The setting that the URL comes from.
    pub fn setting(&self) -> ProxySetting {
        self.setting
    }

    /// Returns the value of `Proxy-Authorization` without the word `Basic`, if the URL has a user name.
    pub(in crate::http) fn basic_token(&self) -> Option<&str> {
        self.credentials.as_ref().map(|credentials| credentials.token.as_str())
    }

    /// Adds the password, plain and as it is sent, to the secrets of a redactor.
    pub(super) fn register(&self, redactor: &Redactor) {
        let Some(credentials) = &self.credentials else { return };
        redactor.add(&credentials.token);
        if let Ok(password) = std::str::from_utf8(&credentials.password) {
            redactor.add(password);
        }
    }
}

const ENCODE: &str = "a special character in its user name or password is not percent-encoded (for example, / is %2F)";

impl BasicCredentials {
    fn parse(user_info: &str) -> std::result::Result<Self, &'static str> {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let (user, password) = (decoded(user), decoded(password));
        if user.contains(&b':') {
            return Err("its user name contains a colon, which Basic authentication does not allow");
        }
        if [&user, &password].iter().any(|part| part.iter().any(u8::is_ascii_control)) {
            return Err("its user name or password contains a control character");
        }
        // Allocated at full size: growing buffers would leave copies of the password in freed memory.
        let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
        pair.extend_from_slice(&user);
        pair.push(b':');
        pair.extend_from_slice(&password);
        let mut token = Zeroizing::new(String::with_capacity(pair.len() / 3 * 4 + 4));
        STANDARD.encode_string(&*pair, &mut token);
        Ok(Self { password, token })
    }
}

fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    bytes.extend(percent_decode_str(text));
    bytes
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.server.is_tls() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.server.address())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn parse(text: &str) -> Result<Proxy> {
        Proxy::parse(text, ProxySetting::Variable("https_proxy"))
    }

    #[test]
    fn parses_scheme_host_and_port() {
        for (text, url) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            ("HTTPS://Proxy.Example:8443/", "https://proxy.example:8443"),
            ("http://proxy.example", "http://proxy.example:80"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("http://[2001:DB8::1]:3128", "http://[2001:db8::1]:3128"),
            ("http://127.0.0.1:3128/path?query", "http://127.0.0.1:3128"),
            ("user@proxy.example:3128", "http://proxy.example:3128"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), url, "{text}");
        }
    }

    #[test]
    fn decodes_user_name_and_password() {
        for (text, pair) in [
            ("http://user:pw@host", "user:pw"),
            ("http://user@host", "user:"),
            ("http://user:@host", "user:"),
            ("http://:pw@host", ":pw"),
            ("http://@host", ":"),
            ("http://us%65r:p%40s%2Fs%3A%25@host", "user:p@s/s:%"),
            ("http://user:p@ss:word@host", "user:p@ss:word"),
            ("http://user:100%@host", "user:100%"),
            ("http://user:p\u{e4}ss@host", "user:p\u{e4}ss"),
        ] {
            let proxy = parse(text).expect(text);
            assert_eq!(STANDARD.decode(proxy.basic_token().unwrap()).unwrap(), pair.as_bytes(), "{text}");
        }
        assert_eq!(parse("http://host").unwrap().basic_token(), None);
    }

    #[test]
    fn rejects_other_urls() {
        for text in [
            "",
            "http://",
            "socks5://host:1080",
            "socks5h://host",
            "ftp://host",
            "://host",
            "http://host:0",
            "http://host:65536",
            "http://host:",
            "http://ho st",
            " http://host",
            "http://host\n",
            "http://h\u{f6}st",
            "host:port",
            "http://::1",
            "http://.host",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Invalid, "{text}");
            assert!(error.message().contains(&format!("the proxy URL {} of ", shown_url(text))), "{error}");
            assert!(error.message().contains("the environment variable https_proxy"), "{error}");
        }
    }

    #[test]
    fn does_not_repeat_a_password() {
        for text in [
            "http://user:hunter2@",
            "http://user:hunter/2@host",
            "http://user:hunter?2@host",
            "http://user:hunter#2@host",
            "http://user:hunter2@host:port",
            "http://user:hunter2%0a@host",
            "http://us%3aer:hunter2@host",
            "http://us%0d%0aer:hunter2@host",
            "socks5://user:hunter2@host",
            "http://user:hunter2%40host:3128",
            "http://user:hunter2",
            "http://user:hunter2\u{ff20}host:3128",
            "socks5://user%3Ahunter2%40host",
            "user:hunter2",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(!error.message().contains("hunter") && !error.message().contains("user:h"), "{error}");
        }
        let proxy = parse("http://user:hunter2@host").unwrap();
        assert_eq!(format!("{proxy} {proxy:?}"), "http://host:80 Proxy(http://host:80)");
    }

    #[test]
    fn registers_the_password_plain_and_as_it_is_sent() {
        let redactor = Redactor::default();
        parse("http://user:hunter2%2Fhunter2@host").unwrap().register(&redactor);
        assert!(redactor.contains_secret("the password is hunter2/hunter2"));
        assert!(redactor.contains_secret("Proxy-Authorization: Basic dXNlcjpodW50ZXIyL2h1bnRlcjI="));
        assert!(!redactor.contains_secret("http://user@host"));
    }
}

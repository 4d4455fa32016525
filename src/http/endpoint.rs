//! The endpoint of a service: scheme, host and port of a URL without path, query and credentials.

use std::fmt;
use std::net::Ipv6Addr;

use ureq::http::Uri;

use super::shown_url::shown_url;
use crate::decimal::parse_decimal;
use crate::error::{Error, Result};

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    is_tls: bool,
    /// In lower case. An IPv6 address has no brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    /// Parses `http://host[:port]` or `https://host[:port]`, with or without a slash at the end.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value, as `shown_url` shows it, and the rule.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('@') {
            return Err(Error::invalid("the endpoint is not allowed: it must not contain a user name or a password"));
        }
        Self::try_parse(text).map_err(|violation| {
            Error::invalid(format!(
                "endpoint {} is not allowed: {violation}; it must be http://host[:port] or https://host[:port]",
                shown_url(text)
            ))
        })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host name or IP address. An IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the value of the `Host` header, which is signed: the port is omitted if it is the default of the scheme.
    pub fn authority_for_host_header(&self) -> String {
        if self.port == default_port(self.is_tls) { self.bracketed_host() } else { self.address() }
    }

    /// Returns host and port, as error messages show them.
    pub fn address(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port)
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// As [`Endpoint::parse`], but the error is only the rule.
    pub(super) fn try_parse(text: &str) -> std::result::Result<Self, &'static str> {
        // `Uri` drops a fragment.
        if text.contains('#') {
            return Err("it has a fragment");
        }
        let uri: Uri = text.parse().map_err(|_| "it is not a valid URL")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err("its scheme is neither http nor https"),
            None => return Err("it has no scheme"),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err("it has a path or a query");
        }
        let authority = uri.authority().ok_or("it has no host")?;
        let host = parse_host(authority.host())?;
        // `Uri` accepts ports that are no numbers, and a sign before the number.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            None | Some("") => default_port(is_tls),
            Some(suffix) => {
                suffix.strip_prefix(':').and_then(parse_port).ok_or("its port is not a number from 1 to 65535")?
            }
        };
        Ok(Self { is_tls, host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority_for_host_header())
    }
}

fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}

/// Checks a host more strictly than `Uri` does, since it also names the server of a certificate.
fn parse_host(host: &str) -> std::result::Result<String, &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "the text in brackets is not an IPv6 address")?;
        return Ok(address.to_string());
    }
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let has_empty_label = host.starts_with('.') || host.contains("..");
    if host.is_empty() || host.len() > 253 || !host.bytes().all(is_allowed) || has_empty_label {
        return Err("its host is not a host name");
    }
    Ok(host.to_ascii_lowercase())
}

fn parse_port(port: &str) -> Option<u16> {
    parse_decimal(port).filter(|&port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn parses_scheme_host_and_port() {
        for (text, tls, host, port, header) in [
            ("http://localhost:8080", false, "localhost", 8080, "localhost:8080"),
            ("http://127.0.0.1/", false, "127.0.0.1", 80, "127.0.0.1"),
            ("http://example.com:80", false, "example.com", 80, "example.com"),
            ("http://example.com:443", false, "example.com", 443, "example.com:443"),
            ("https://example.com:80/", true, "example.com", 80, "example.com:80"),
            ("HTTPS://Glacier.US-east-1.amazonaws.com", true, "glacier.us-east-1.amazonaws.com", 443, {
                "glacier.us-east-1.amazonaws.com"
            }),
            ("https://[::1]", true, "::1", 443, "[::1]"),
            ("HTTP://host_1.example.", false, "host_1.example.", 80, "host_1.example."),
            ("http://[2001:DB8::1]:8443/", false, "2001:db8::1", 8443, "[2001:db8::1]:8443"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.is_tls(), endpoint.host(), endpoint.port()), (tls, host, port), "{text}");
            assert_eq!(endpoint.authority_for_host_header(), header, "{text}");
            assert_eq!(Endpoint::parse(&endpoint.to_string()).expect(text), endpoint, "{text}");
        }
    }

    #[test]
    fn rejects_other_urls() {
        for text in [
            "",
            "localhost",
            "localhost:8080",
            "ftp://localhost",
            "http://",
            "http:///",
            "http://:80",
            "http://host/path",
            "http://host//",
            "http://host?query",
            "http://host/?",
            "http://host/#",
            "//host",
            "http:host",
            " http://host",
            "http://host ",
            "http://host/\t",
            "http://host:8 0",
            "http://ho!st",
            "http://[::ffff:1.2.3.4%eth0]",
            "http://host#fragment",
            "http://host:",
            "http://host:0",
            "http://host:65536",
            "http://host:+80",
            "http://host:80:80",
            "http://ho st",
            "http://ho%73t",
            "http://höst",
            "http://.host",
            "http://a..b",
            "http://::1",
            "http://[::1",
            "http://[::1]80",
            "http://[fe80::1%25eth0]",
            "http://[localhost]",
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Invalid, "{text}");
            assert!(error.message().starts_with(&format!("endpoint {} is not allowed: ", shown_url(text))), "{error}");
        }
    }

    #[test]
    fn does_not_repeat_a_password() {
        for text in [
            "https://user:hunter2@host",
            "https://host/@hunter2",
            "https://user:hunter2%40host",
            "https://user:hunter2",
            "https://host?token=hunter2",
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}

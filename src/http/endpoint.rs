//! Where a service is: scheme, host and port, taken from a URL that may hold nothing else.

use std::fmt;
use std::net::Ipv6Addr;

use crate::decimal::parse_decimal;
use crate::error::{Error, Result};
use crate::limits::quoted;

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    /// In lower case, an IPv6 address without its brackets.
    host: String,
    port: u16,
}

impl Endpoint {
    /// Takes `http://host[:port]` or `https://host[:port]`, with or without a slash at the end.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) names the value and the rule; a value that may hold a password is
    /// not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('@') {
            return Err(Error::invalid("the endpoint is not allowed: it must not hold a user name or a password"));
        }
        Self::parts(text).map_err(|rule| {
            Error::invalid(format!(
                "endpoint {} is not allowed: {rule}; it must be http://host or https://host, with or without a :port",
                quoted(text)
            ))
        })
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` header says, and the signature with it: the port only where it is not the scheme's own.
    pub fn authority_for_host_header(&self) -> String {
        if self.port == default_port(self.tls) { self.bracketed() } else { self.address() }
    }

    /// Host and port, as messages name the endpoint.
    pub fn address(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    fn parts(text: &str) -> std::result::Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("its scheme is neither http nor https"),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err("it has a path, a query or a fragment");
        }
        let (host, port) = split_port(authority)?;
        Ok(Self { tls, host: checked_host(host)?, port: port.map_or(Ok(default_port(tls)), checked_port)? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority_for_host_header())
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn split_port(authority: &str) -> std::result::Result<(&str, Option<&str>), &'static str> {
    if !authority.starts_with('[') {
        return Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))));
    }
    let end = authority.find(']').ok_or("its IPv6 address has no closing bracket")?;
    let (host, rest) = authority.split_at(end + 1);
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err("something other than a port follows its IPv6 address"),
    }
}

fn checked_host(host: &str) -> std::result::Result<String, &'static str> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "what is in brackets is no IPv6 address")?;
        return Ok(address.to_string());
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(legal) || host.starts_with('.') || host.contains("..") {
        return Err("its host is no host name");
    }
    Ok(host.to_ascii_lowercase())
}

fn checked_port(port: &str) -> std::result::Result<u16, &'static str> {
    const RULE: &str = "its port is not a number from 1 to 65535";
    parse_decimal(port).filter(|&port| port != 0).ok_or(RULE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_is_allowed() {
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
            ("http://[2001:DB8::1]:8443/", false, "2001:db8::1", 8443, "[2001:db8::1]:8443"),
        ] {
            let endpoint = Endpoint::parse(text).expect(text);
            assert_eq!((endpoint.is_tls(), endpoint.host(), endpoint.port()), (tls, host, port), "{text}");
            assert_eq!(endpoint.authority_for_host_header(), header, "{text}");
            assert_eq!(Endpoint::parse(&endpoint.to_string()).expect(text), endpoint, "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
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
            assert!(error.message().contains(&quoted(text)), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for text in ["https://user:hunter2@host", "https://host/@hunter2"] {
            let error = Endpoint::parse(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }
}

//! The description of a certificate that is for other hosts, with its names.

use std::net::IpAddr;

use super::server_role::ServerRole;

/// Describes a certificate with these names, in the form of webpki, that is not for the host.
pub(super) fn describe(host: &str, presented: &[String], role: ServerRole) -> String {
    let names: Vec<Name<'_>> = presented.iter().map(|name| Name::parse(name)).collect();
    format!("it is not for the host {host}{}; {}", list(&names), advice(host, &names, role))
}

/// A name of a certificate.
#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    Dns(&'a str),
    Ip(&'a str),
    Uri(&'a str),
    /// A name that cannot be that of a host.
    Other,
}

impl<'a> Name<'a> {
    /// Parses the form of webpki, such as `DnsName("example.com")`.
    fn parse(text: &'a str) -> Self {
        let inner = |start: &str, end: &str| text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        None.or_else(|| inner("DnsName(\"", "\")").map(Self::Dns))
            .or_else(|| inner("IpAddress(", ")").map(Self::Ip))
            .or_else(|| inner("UniformResourceIdentifier(\"", "\")").map(Self::Uri))
            .unwrap_or(Self::Other)
    }

    fn shown(&self) -> &'a str {
        match self {
            Self::Dns(name) | Self::Ip(name) | Self::Uri(name) => name,
            Self::Other => "a name of another type",
        }
    }
}

/// Returns the advice for the owner of the certificate or of the endpoint. A host name only in the subject (CN) is not used:
/// RFC 9525 §2. Nor is an IP address that is a DNS name: RFC 9525 §6.2.
fn advice(host: &str, names: &[Name<'_>], role: ServerRole) -> String {
    let is_ip = host.parse::<IpAddr>().is_ok();
    let (noun, prefix) = if is_ip { ("IP address", "IP") } else { ("host name", "DNS") };
    let option = format!("(openssl req -addext subjectAltName={prefix}:{host})");
    if names.is_empty() {
        format!("create one with the {noun} in its subject alternative name {option}")
    } else if is_ip && names.contains(&Name::Dns(host)) {
        format!("it has this IP address only as a DNS name; create one with it as an IP address {option}")
    } else {
        role.check().to_owned()
    }
}

/// Lists the names of a certificate for a message.
fn list(names: &[Name<'_>]) -> String {
    const SHOWN: usize = 4;
    if names.is_empty() {
        return ", it has no subject alternative name".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN).map(Name::shown).collect();
    let more = if names.len() > SHOWN { ", and others" } else { "" };
    format!(", only for {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(host: &str, presented: &[&str]) -> String {
        let presented: Vec<String> = presented.iter().map(|name| (*name).to_owned()).collect();
        describe(host, &presented, ServerRole::Endpoint)
    }

    #[test]
    fn shows_names_of_each_type() {
        let names = [
            "DnsName(\"a.example\")",
            "IpAddress(10.0.0.1)",
            "UniformResourceIdentifier(\"https://b.example/\")",
            "DirectoryName",
        ];
        let text = described("localhost", &names);
        let list = "only for a.example, 10.0.0.1, https://b.example/, a name of another type;";
        assert!(text.contains(list), "{text}");
        let text = described("localhost", &["DnsName(\"a\")"; 5]);
        assert!(text.contains("only for a, a, a, a, and others;"), "{text}");
    }

    #[test]
    fn advises_the_type_of_the_name_that_the_host_has() {
        for (host, option) in [("localhost", "DNS:localhost"), ("127.0.0.1", "IP:127.0.0.1"), ("::1", "IP:::1")] {
            let text = described(host, &[]);
            assert!(text.ends_with(&format!("(openssl req -addext subjectAltName={option})")), "{text}");
        }
    }

    #[test]
    fn notes_an_ip_address_that_is_a_dns_name() {
        let text = described("10.0.0.1", &["DnsName(\"10.0.0.1\")"]);
        assert!(text.contains("only as a DNS name") && text.ends_with("subjectAltName=IP:10.0.0.1)"), "{text}");
        let text = described("10.0.0.1", &["DnsName(\"10.0.0.2\")"]);
        assert!(text.ends_with("check the endpoint (glacier_config_set_endpoint)"), "{text}");
    }
}

//! The hosts that are reached without a proxy, with the rules of curl for `NO_PROXY`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The value of `NO_PROXY`: a list of host names, domains, addresses and address ranges (CIDR), separated by commas or
/// spaces, or `*` for all hosts.
#[derive(Clone, Debug, Default)]
pub(super) struct NoProxy {
    is_all: bool,
    entries: Vec<String>,
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> Self {
        let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
        Self { is_all: text == "*", entries: entries.map(str::to_owned).collect() }
    }

    /// Returns true if the list contains a host. An IPv6 address has no brackets.
    pub(super) fn contains(&self, host: &str) -> bool {
        let address: Option<IpAddr> = host.parse().ok();
        let matches = |entry: &String| match address {
            Some(IpAddr::V4(address)) => matches_v4(entry, address),
            Some(IpAddr::V6(address)) => matches_v6(entry, address),
            None => matches_name(entry, host),
        };
        self.is_all || self.entries.iter().any(matches)
    }
}

/// Returns true for the domain itself and for names below it. A dot before the domain, and a dot after it or after the
/// host, change nothing.
fn matches_name(domain: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let Some(start) = host.len().checked_sub(domain.len()) else { return false };
    let is_suffix = host.get(start..).is_some_and(|suffix| suffix.eq_ignore_ascii_case(domain));
    is_suffix && (start == 0 || host.get(..start).is_some_and(|rest| rest.ends_with('.')))
}

fn matches_v4(range: &str, address: Ipv4Addr) -> bool {
    let Some((network, length)) = parse_range::<Ipv4Addr>(range, 32) else { return false };
    network.to_bits().checked_shr(32 - length) == address.to_bits().checked_shr(32 - length)
}

fn matches_v6(range: &str, address: Ipv6Addr) -> bool {
    let Some((network, length)) = parse_range::<Ipv6Addr>(range, 128) else { return false };
    network.to_bits().checked_shr(128 - length) == address.to_bits().checked_shr(128 - length)
}

/// Parses an address, or a range with the length of its prefix. Without a length, or with the length 0, the range is one
/// address: curl does not match all addresses with the length 0 either.
fn parse_range<A: std::str::FromStr>(text: &str, bits: u32) -> Option<(A, u32)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, crate::decimal::parse_decimal(length)?),
        None => (text, bits),
    };
    let length: u32 = if length == 0 { bits } else { length };
    Some((address.parse().ok()?, length)).filter(|_| length <= bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(list: &str, host: &str) -> bool {
        NoProxy::parse(list).contains(host)
    }

    #[test]
    fn matches_domains_on_a_label_boundary() {
        for (list, host) in [
            ("glacier.example", "glacier.example"),
            ("example", "glacier.example"),
            (".example", "glacier.example"),
            (".glacier.example", "glacier.example"),
            ("Example.", "glacier.EXAMPLE"),
            ("example", "glacier.example."),
            ("a,example", "glacier.example"),
            ("a, example", "glacier.example"),
            ("a example", "glacier.example"),
            (" ,\texample,,", "glacier.example"),
            ("*", "glacier.example"),
        ] {
            assert!(contains(list, host), "{list:?} {host}");
        }
        for (list, host) in [
            ("", "glacier.example"),
            ("ample", "glacier.example"),
            ("a.glacier.example", "glacier.example"),
            ("*.example", "glacier.example"),
            ("*,a", "glacier.example"),
            (" *", "glacier.example"),
            ("example:443", "glacier.example"),
            ("..example", "glacier.example"),
            ("\u{e4}.example", "b.example"),
        ] {
            assert!(!contains(list, host), "{list:?} {host}");
        }
    }

    #[test]
    fn matches_addresses_and_ranges() {
        for (list, host) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("128.0.0.0/1", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("2001:DB8:0:0::7", "2001:db8::7"),
            ("2001:db8::/32", "2001:db8::7"),
            ("2001:db8::6/127", "2001:db8::7"),
        ] {
            assert!(contains(list, host), "{list} {host}");
        }
        for (list, host) in [
            ("192.0.2.0/25", "192.0.2.128"),
            ("192.0.2.7/33", "192.0.2.7"),
            ("192.0.2.7/", "192.0.2.7"),
            ("192.0.2.7/x", "192.0.2.7"),
            ("0.0.0.0/0", "192.0.2.7"),
            ("2.7", "192.0.2.7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::6/128", "2001:db8::7"),
            ("2001:db8::7/129", "2001:db8::7"),
            ("192.0.2.7", "2001:db8::7"),
        ] {
            assert!(!contains(list, host), "{list} {host}");
        }
    }
}

//! Requests to an `http` endpoint through a proxy: the proxy forwards them, so their target is the absolute URL
//! (RFC 9112 §3.2.2).

use zeroize::Zeroizing;

use super::connect::authorization;
use super::url::Proxy;
use crate::http::endpoint::Endpoint;

/// Rewrites the beginning of a request: adds scheme and host to its target, and the credentials for the proxy. The `Host`
/// header, which is signed, is unchanged and equals the host of the URL. Returns `None` if the bytes do not contain the
/// complete request line.
pub(in crate::http) fn in_absolute_form(head: &[u8], endpoint: &Endpoint, proxy: &Proxy) -> Option<Zeroizing<Vec<u8>>> {
    let method_end = head.iter().position(|byte| *byte == b' ')? + 1;
    let line_end = head.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (method, target) = head.get(..line_end)?.split_at_checked(method_end)?;
    let headers = head.get(line_end..)?;
    let origin = endpoint.to_string();
    let authorization_length: usize = authorization(proxy).map(str::len).sum();
    // Allocated at full size: a growing vector would leave copies of the session token in freed memory.
    let mut request = Zeroizing::new(Vec::with_capacity(head.len() + origin.len() + authorization_length));
    for part in
        [method, origin.as_bytes(), target].into_iter().chain(authorization(proxy).map(str::as_bytes)).chain([headers])
    {
        request.extend_from_slice(part);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::super::url::ProxySetting;
    use super::*;

    fn rewritten(head: &str, endpoint: &str, proxy: &str) -> Option<String> {
        let proxy = Proxy::parse(proxy, ProxySetting::Explicit).unwrap();
        let bytes = in_absolute_form(head.as_bytes(), &Endpoint::parse(endpoint).unwrap(), &proxy)?;
        assert_eq!(bytes.len(), bytes.capacity());
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn adds_the_origin_and_the_credentials() {
        let head = "PUT /-/vaults/v%20v HTTP/1.1\r\nhost: glacier.example:8080\r\n\r\nbody";
        assert_eq!(
            rewritten(head, "http://glacier.example:8080", "http://user:pw@proxy").unwrap(),
            "PUT http://glacier.example:8080/-/vaults/v%20v HTTP/1.1\r\nProxy-Authorization: Basic dXNlcjpwdw==\r\n\
             host: glacier.example:8080\r\n\r\nbody"
        );
        assert_eq!(
            rewritten("GET / HTTP/1.1\r\nhost: [::1]\r\n\r\n", "http://[::1]:80", "http://proxy").unwrap(),
            "GET http://[::1]/ HTTP/1.1\r\nhost: [::1]\r\n\r\n"
        );
    }

    #[test]
    fn needs_the_complete_request_line() {
        for head in ["", "GET", "GET / HTTP/1.1", "GET / HTTP/1.1\r"] {
            assert_eq!(rewritten(head, "http://glacier.example", "http://proxy"), None, "{head:?}");
        }
    }
}

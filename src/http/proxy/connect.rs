//! The CONNECT request, which asks a proxy for a tunnel, and the response to it (RFC 9110 §9.3.6).

use httparse::{EMPTY_HEADER, Response, Status};
use zeroize::Zeroizing;

use super::url::Proxy;
use crate::http::response::{HEAD_MAX, HEADERS_MAX, INTERIM_MAX, head_parser, is_tls_record};

/// Returns the CONNECT request for a tunnel to `target`, which is `host:port`. It may contain the password.
pub(in crate::http) fn connect_request(proxy: &Proxy, target: &str, user_agent: &str) -> Zeroizing<Vec<u8>> {
    let user_agent = if user_agent.is_empty() { String::new() } else { format!("User-Agent: {user_agent}\r\n") };
    let start = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{user_agent}");
    // Allocated at full size: a growing vector would leave copies of the password in freed memory.
    let length = start.len() + authorization(proxy).map(str::len).sum::<usize>() + 2;
    let mut request = Zeroizing::new(Vec::with_capacity(length));
    for part in [start.as_str()].into_iter().chain(authorization(proxy)).chain(["\r\n"]) {
        request.extend_from_slice(part.as_bytes());
    }
    request
}

/// Returns the header line that authenticates a request, in pieces, or nothing if the proxy URL has no user name.
pub(super) fn authorization(proxy: &Proxy) -> impl Iterator<Item = &str> {
    proxy.basic_token().into_iter().flat_map(|token| ["Proxy-Authorization: Basic ", token, "\r\n"])
}

/// Reads the response to CONNECT up to the end of its header section. Skips interim responses.
#[derive(Debug, Default)]
pub(in crate::http) struct ConnectReader {
    head: Vec<u8>,
    interim: u32,
}

/// The response to CONNECT. Content-Length and Transfer-Encoding of a success have no meaning.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct ConnectResponse {
    pub(in crate::http) status: u16,
    /// The authentication schemes that a 407 offers.
    pub(in crate::http) schemes: Vec<String>,
    /// The bytes after the header section. After a success they come from the server behind the proxy.
    pub(in crate::http) rest: Vec<u8>,
}

/// The reason why bytes are not a response to CONNECT.
#[derive(Debug)]
pub(in crate::http) enum ConnectError {
    /// The bytes violate a rule of HTTP or exceed a limit.
    Malformed(String),
    /// The bytes are a TLS record.
    TlsRecord,
}

/// The header with which a proxy requires authentication.
pub(in crate::http) const PROXY_AUTHENTICATE: &str = "proxy-authenticate";

/// The maximum number of authentication schemes that a message lists, and the maximum length of each.
const SCHEMES_MAX: usize = 4;
const SCHEME_LENGTH_MAX: usize = 32;

impl ConnectReader {
    /// Processes the next bytes. Returns the response at the end of its header section.
    ///
    /// # Errors
    /// The bytes are not a response, or exceed a limit.
    pub(in crate::http) fn push(&mut self, bytes: &[u8]) -> Result<Option<ConnectResponse>, ConnectError> {
        self.head.extend_from_slice(bytes);
        loop {
            let mut headers = [EMPTY_HEADER; HEADERS_MAX];
            let mut response = Response::new(&mut headers);
            let parsed =
                head_parser().parse_response(&mut response, &self.head).map_err(|error| {
                    match is_tls_record(&self.head) {
                        true => ConnectError::TlsRecord,
                        false => ConnectError::Malformed(format!("the response is not HTTP: {error}")),
                    }
                })?;
            let (Status::Complete(length), Some(status)) = (parsed, response.code) else {
                // One read may add bytes after the header section, so only an incomplete section is measured.
                if self.head.len() > HEAD_MAX {
                    let text = format!("the header section of the response is longer than {HEAD_MAX} bytes");
                    return Err(ConnectError::Malformed(text));
                }
                return Ok(None);
            };
            if status < 100 || status == 101 {
                return Err(ConnectError::Malformed(format!("the status {status} is not allowed")));
            }
            if status >= 200 {
                let values =
                    response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(PROXY_AUTHENTICATE));
                let schemes = if status == 407 { schemes(values.map(|header| header.value)) } else { Vec::new() };
                let rest = self.head.get(length..).unwrap_or_default().to_vec();
                return Ok(Some(ConnectResponse { status, schemes, rest }));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(ConnectError::Malformed(format!(
                    "more than {INTERIM_MAX} interim responses were received"
                )));
            }
            self.head.drain(..length);
        }
    }
}

/// Returns the authentication schemes in the values of `Proxy-Authenticate`, for a message.
pub(in crate::http) fn schemes<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut schemes = Vec::new();
    for challenge in values.flat_map(challenges) {
        let scheme: String = challenge.iter().take_while(|b| is_token(**b)).map(|b| char::from(*b)).collect();
        if (1..=SCHEME_LENGTH_MAX).contains(&scheme.len()) && !schemes.contains(&scheme) && schemes.len() < SCHEMES_MAX
        {
            schemes.push(scheme);
        }
    }
    schemes
}

/// Returns the challenges of one header value (RFC 9110 §11.6.1). A value may have several, and a comma separates both
/// challenges and parameters of one challenge.
fn challenges(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut in_quotes, mut is_escaped) = (false, false);
    let elements = value.split(move |byte| {
        let is_quote = *byte == b'"' && !is_escaped;
        is_escaped = in_quotes && *byte == b'\\' && !is_escaped;
        in_quotes ^= is_quote;
        *byte == b',' && !in_quotes
    });
    elements.map(<[u8]>::trim_ascii).filter(|element| {
        let name = element.iter().take_while(|byte| is_token(**byte)).count();
        let rest = element.get(name..).unwrap_or_default().trim_ascii_start();
        // A parameter is "name=value".
        !rest.starts_with(b"=")
    })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::super::url::ProxySetting;
    use super::*;

    fn request(url: &str, user_agent: &str) -> String {
        let proxy = Proxy::parse(url, ProxySetting::Explicit).unwrap();
        String::from_utf8(connect_request(&proxy, "glacier.example:443", user_agent).to_vec()).unwrap()
    }

    #[test]
    fn names_the_target_and_the_credentials() {
        assert_eq!(
            request("http://user:pw@proxy", "tests/1"),
            "CONNECT glacier.example:443 HTTP/1.1\r\nHost: glacier.example:443\r\nUser-Agent: tests/1\r\n\
             Proxy-Authorization: Basic dXNlcjpwdw==\r\n\r\n"
        );
        assert_eq!(
            request("http://proxy", ""),
            "CONNECT glacier.example:443 HTTP/1.1\r\nHost: glacier.example:443\r\n\r\n"
        );
    }

    /// Pushes a response in pieces of one length.
    fn read(response: &[u8], piece: usize) -> Result<Option<ConnectResponse>, ConnectError> {
        let mut reader = ConnectReader::default();
        for bytes in response.chunks(piece) {
            if let Some(response) = reader.push(bytes)? {
                return Ok(Some(response));
            }
        }
        Ok(None)
    }

    fn status(status: u16, rest: &[u8]) -> ConnectResponse {
        ConnectResponse { status, schemes: Vec::new(), rest: rest.to_vec() }
    }

    #[test]
    fn ends_at_the_end_of_the_header_section() {
        for (response, code) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", 200),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
            ("HTTP/1.1 299\r\n\r\n", 299),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\nHTTP/1.1 204 \r\n\r\n", 204),
            ("HTTP/1.1 200 OK\nA: b\n\n", 200),
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 7\r\n\r\n", 502),
        ] {
            assert_eq!(read(response.as_bytes(), 1).unwrap(), Some(status(code, b"")), "{response:?}");
            let with_rest = [response.as_bytes(), b"tunnel"].concat();
            assert_eq!(read(&with_rest, with_rest.len()).unwrap(), Some(status(code, b"tunnel")), "{response:?}");
            assert_eq!(read(response.get(..response.len() - 1).unwrap().as_bytes(), 3).unwrap(), None, "{response:?}");
        }
    }

    #[test]
    fn lists_the_authentication_schemes() {
        let response = "HTTP/1.1 407 Authentication required\r\nProxy-Authenticate: Negotiate\r\n\
            proxy-authenticate: NTLM\r\nProxy-Authenticate: NTLM TlRMTVNTUAAC\r\nProxy-Authenticate: \x1b[31mred\r\n\r\n";
        let response = response.replace('\x1b', "\u{a0}");
        let schemes = read(response.as_bytes(), 10).unwrap().unwrap().schemes;
        assert_eq!(schemes, ["Negotiate", "NTLM"]);
    }

    #[test]
    fn a_value_may_have_several_challenges() {
        for (values, expected) in [
            (&["Negotiate, Basic realm=\"a, NTLM\""][..], &["Negotiate", "Basic"][..]),
            (
                &["NTLM, Digest realm=\"x\", nonce = \"a\\\", Other\", qop=auth, Basic realm=y"],
                &["NTLM", "Digest", "Basic"],
            ),
            (&[", ,Basic realm=x,,", "NTLM TlRMTVNTUAAC==, Negotiate"], &["Basic", "NTLM", "Negotiate"]),
            (&["Basic realm=\"never closed, NTLM"], &["Basic"]),
            (&["", "=", "realm=x"], &[]),
        ] {
            assert_eq!(schemes(values.iter().map(|value| value.as_bytes())), expected, "{values:?}");
        }
    }

    #[test]
    fn rejects_other_bytes() {
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "a".repeat(HEAD_MAX));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
        let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        for (response, word) in [
            ("SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
            ("<html>", "not HTTP"),
            ("HTTP/2 200\r\n\r\n", "not HTTP"),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "status 101"),
            ("HTTP/1.1 099 x\r\n\r\n", "status 99"),
            (endless.as_str(), "longer than"),
            (interim.as_str(), "interim responses"),
            (headers.as_str(), "too many headers"),
        ] {
            let Err(ConnectError::Malformed(text)) = read(response.as_bytes(), 1000) else { panic!("{response:?}") };
            assert!(text.contains(word), "{text}");
        }
        assert!(matches!(read(b"\x15\x03\x01\0\x02", 1), Err(ConnectError::TlsRecord)));
    }
}

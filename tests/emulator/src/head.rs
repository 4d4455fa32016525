//! The head of an HTTP/1.1 request: the request line and the headers.

use std::io;

use percent_encoding::percent_decode_str;

use crate::number;
use crate::wire::Wire;

/// The request line and the headers.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The path and the query, not decoded. A target in absolute form loses its scheme and host.
    pub(crate) target: String,
    /// Names in lower case, in the order of the request.
    pub(crate) headers: Vec<(String, String)>,
    /// Whether the version is HTTP/1.1, not 1.0.
    is_http_1_1: bool,
}

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The client closed the connection between two requests.
    Closed,
    /// The bytes are not an HTTP request.
    Malformed(String),
    /// Reading from the connection failed.
    Broken(io::Error),
}

impl Head {
    /// Reads the head of the next request. Bytes after the head stay in the buffer of `wire`.
    pub(crate) fn read(wire: &mut Wire) -> Result<Self, NoHead> {
        loop {
            if let Some((head, length)) = Self::parse(wire.pending())? {
                wire.take(length).map_err(NoHead::Broken)?;
                return Ok(head);
            }
            let before = wire.pending().len();
            if wire.read_more().map_err(NoHead::Broken)? == 0 {
                return Err(match before {
                    0 => NoHead::Closed,
                    _ => NoHead::Malformed("the request's head does not end".to_owned()),
                });
            }
        }
    }

    /// Returns the first value of the header `name`, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Returns the path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// Returns the decoded value of a query parameter. A `+` is a space, as in HTML forms.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let form = |text: &str| percent_decode(&text.replace('+', " "));
        pairs.into_iter().find(|(have, _)| form(have) == name).map(|(_, value)| form(value))
    }

    /// Changes a target in absolute form to path and query. Its host replaces `Host`, as RFC 9112 section 3.2.2 requires.
    fn resolve_absolute_target(&mut self) {
        let Some((scheme, rest)) = self.target.split_once("://") else { return };
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return;
        }
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let slash = if path.starts_with('/') { "" } else { "/" };
        if let Some((_, value)) = self.headers.iter_mut().find(|(name, _)| name == "host") {
            host.clone_into(value);
        }
        self.target = format!("{slash}{path}");
    }

    /// Rejects a request with more than one `Host`, as RFC 9112 section 3.2 requires. A missing one is an error of the
    /// signature.
    pub(crate) fn check_host(&self) -> Result<(), String> {
        match self.headers.iter().filter(|(name, _)| name == "host").count() {
            0 | 1 => Ok(()),
            _ => Err("The request has more than one Host".to_owned()),
        }
    }

    /// Returns the length of the body. After an error the connection is unusable: the end of the request is unknown.
    pub(crate) fn body_length(&self) -> Result<Option<u64>, String> {
        if self.header("transfer-encoding").is_some() {
            return Err("Transfer-Encoding is not supported, send Content-Length".to_owned());
        }
        let mut lengths = self.headers.iter().filter(|(name, _)| name == "content-length").map(|(_, value)| value);
        match (lengths.next(), lengths.next()) {
            (None, _) => Ok(None),
            (Some(length), None) => match number::unsigned(length) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("Invalid Content-Length: {length}")),
            },
            (Some(length), Some(_)) => Err(format!("Invalid Content-Length: {length}")),
        }
    }

    /// Whether the connection can carry another request after this one.
    pub(crate) fn keeps_alive(&self) -> bool {
        let values = self.headers.iter().filter(|(name, _)| name == "connection").map(|(_, value)| value);
        let mut options = values.flat_map(|value| value.split(','));
        self.is_http_1_1 && !options.any(|option| option.trim().eq_ignore_ascii_case("close"))
    }

    /// Whether the client waits for `100 Continue` before it sends the body. A client of HTTP/1.0 does not understand
    /// it (RFC 9110 section 10.1.1).
    pub(crate) fn expects_continue(&self) -> bool {
        self.is_http_1_1 && self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// Parses a head at the start of `bytes`. Returns the head and its length, or `None` if the head is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, u64)>, NoHead> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes).map_err(|e| NoHead::Malformed(e.to_string()))? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(length) => length as u64,
        };
        let headers = request.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect();
        let mut head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            headers,
            is_http_1_1: request.version == Some(1),
        };
        head.resolve_absolute_target();
        Ok(Some((head, length)))
    }
}

/// Decodes a header value. Bytes that are not UTF-8 become characters outside ASCII, which later checks reject.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Decodes each `%XX` to a byte. A `%` without two hex digits after it stays unchanged.
pub(crate) fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) -> Head {
        let mut text = format!("GET {target} HTTP/1.1\r\n");
        headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        Head::parse(format!("{text}\r\nrest").as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn decodes_query_parameters() {
        let head = head("/-/vaults/v/multipart-uploads?limit=3&marker=a%2Bb%2fc%3D+d&x", &[]);
        assert_eq!(head.query("marker").as_deref(), Some("a+b/c= d"));
        assert_eq!(head.query("limit").as_deref(), Some("3"));
        assert_eq!(head.query("x").as_deref(), Some(""));
        assert_eq!(head.query("y"), None);
        assert_eq!(head.path(), "/-/vaults/v/multipart-uploads");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn rejects_ambiguous_body_lengths() {
        assert_eq!(head("/", &[]).body_length(), Ok(None));
        assert_eq!(head("/", &[("Content-Length", "12")]).body_length(), Ok(Some(12)));
        for bad in [
            &[("Content-Length", "+12")][..],
            &[("Content-Length", "1"), ("Content-Length", "1")],
            &[("Transfer-Encoding", "chunked")],
        ] {
            assert!(head("/", bad).body_length().is_err(), "{bad:?}");
        }
    }
}

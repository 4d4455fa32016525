//! Requests and responses.

use zeroize::Zeroize;

/// The methods that Glacier uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

impl Method {
    /// Returns the name in the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request without its payload. The headers include `Host`, but not `Content-Length`, which comes from `length`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path and query as in the request line, percent-encoded.
    pub target: String,
    /// The headers. Names are in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The length of the payload, in bytes. With 0, GET and DELETE have no body, POST and PUT have an empty one.
    pub length: u64,
}

// The headers of a signed request contain the session token.
impl Drop for Request {
    fn drop(&mut self) {
        for (_, value) in &mut self.headers {
            value.zeroize();
        }
    }
}

/// A complete response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in order. Names are in lower case. Bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, of at most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
}

/// The maximum size of a body, in bytes. A page of 50 entries takes at most about 70 KiB.
pub const BODY_MAX: usize = 1 << 20;

impl Response {
    /// Returns the value of the first header with that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Returns the value of the first header with that name. All names are in lower case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
}

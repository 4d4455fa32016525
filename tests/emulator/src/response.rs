//! An HTTP response and its default form on the wire.

use std::fs::File;
use std::io::{self, Read};

use crate::head::Head;
use crate::wire::Wire;

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// Whether it imitates a proxy, which sends no `x-amzn-RequestId`.
    pub(crate) from_proxy: bool,
}

/// The content of a response.
#[derive(Debug)]
pub(crate) enum Content {
    /// Bytes, sent with `Content-Length`. A 204 has neither bytes nor length.
    Bytes(Vec<u8>),
    /// A file and its length.
    File(File, u64),
    /// Content of this length, which a response to HEAD does not have.
    Omitted(u64),
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) | Self::Omitted(length) => *length,
        }
    }
}

impl Response {
    /// A response without content.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()), from_proxy: false }
    }

    /// A response with a JSON document.
    pub(crate) fn json(status: u16, document: &impl serde::Serialize) -> Self {
        // Serialization fails only for keys that are not text; these documents have none.
        let bytes = serde_json::to_vec(document).unwrap_or_default();
        Self { content: Content::Bytes(bytes), ..Self::empty(status) }.with("Content-Type", "application/json")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Returns the response to this request: a response to HEAD has no content (RFC 9110 section 9.3.2).
    pub(crate) fn to(mut self, head: &Head) -> Self {
        if head.method == "HEAD" {
            self.content = Content::Omitted(self.content.len());
        }
        self
    }

    /// Returns the first value of the header `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// Returns the status line and the headers as sent. `with_length` adds `Content-Length` if the status allows it.
    pub(crate) fn head(&self, with_length: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let has_length = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if with_length && self.status != 204 && !has_length {
            text.push_str(&format!("Content-Length: {}\r\n", self.content.len()));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Sends the whole response.
    pub(crate) fn send(self, wire: &mut Wire) -> io::Result<()> {
        let mut head = self.head(true);
        match self.content {
            Content::Bytes(bytes) => {
                head.extend(bytes);
                wire.send(&head)
            }
            Content::Omitted(_) => wire.send(&head),
            Content::File(mut file, _) => {
                wire.send(&head)?;
                let mut buffer = vec![0; 256 * 1024];
                loop {
                    match file.read(&mut buffer)? {
                        0 => return Ok(()),
                        length => wire.send(&buffer[..length])?,
                    }
                }
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

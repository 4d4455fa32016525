//! The response reader: parses the bytes of a connection into one response (RFC 9110, RFC 9112).
//!
//! It does no I/O and has no clock. The result depends on the bytes alone, not on how they are split. The reader skips
//! interim responses, unfolds header lines, decodes chunks, and limits everything that a server could send without end.

mod body;
mod error;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

pub use self::body::ERROR_BODY_MAX;
use self::body::{BodyReader, Framing, content_length};
pub use self::error::ParseError;
use self::error::{Result, malformed, quoted_start};
use crate::limits::quoted;

/// The maximum size of one header section, also of an interim response, in bytes.
pub const HEAD_MAX: usize = 32 << 10;
/// The maximum number of interim responses before the final one.
pub const INTERIM_MAX: u32 = 8;
/// The maximum number of header lines. ureq accepts 128, and `normalized` adds one.
pub(super) const HEADERS_MAX: usize = 100;
/// The part of a response that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the header section was received.
    Waiting,
    /// The header section, after its first byte.
    Head,
    /// The header section is complete. No byte of the body was received.
    BodyStart,
    /// The body, after its first byte.
    Body,
    /// Nothing more belongs to the response.
    Complete,
}

/// Reads one response.
#[derive(Debug)]
pub struct ResponseReader {
    state: State,
    /// The incomplete header section.
    line: Vec<u8>,
    received: u64,
    /// The number of bytes received before the current header section.
    start: u64,
    /// The number of interim responses.
    interim: u32,
    /// The status line of the current header section was parsed.
    has_status_line: bool,
    /// The status of the final response.
    status: Option<u16>,
    /// The header lines for ureq, each with CRLF.
    headers: Vec<u8>,
    body: BodyReader,
    persistent: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Body { started: bool },
    Complete,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            state: State::Head,
            line: Vec::new(),
            received: 0,
            start: 0,
            interim: 0,
            has_status_line: false,
            status: None,
            headers: Vec::new(),
            body: BodyReader::default(),
            persistent: true,
        }
    }
}

impl ResponseReader {
    /// Processes the next bytes of the connection.
    ///
    /// # Errors
    /// The bytes are not a response, or exceed a limit.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let used = match &self.state {
                State::Head => self.push_head(bytes)?,
                State::Body { .. } => self.push_body(bytes)?,
                State::Complete => {
                    self.persistent = false;
                    bytes.len()
                }
            };
            self.received += used as u64;
            if matches!(self.state, State::Head) && self.line.is_empty() {
                self.start = self.received;
            }
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Processes the end of the connection. `is_clean`: the peer closed it properly. Returns true if the response is
    /// complete enough to use.
    pub fn end(&mut self, is_clean: bool) -> bool {
        self.persistent = false;
        match self.state {
            State::Complete => return true,
            State::Body { .. } if is_clean && self.body.ends_with_connection() => {}
            _ if self.is_body_optional() => {}
            _ => return false,
        }
        self.state = State::Complete;
        true
    }

    /// Returns the part of the response that the next byte belongs to.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Head if self.line.is_empty() => Phase::Waiting,
            State::Head => Phase::Head,
            State::Body { started: false } => Phase::BodyStart,
            State::Body { started: true } => Phase::Body,
            State::Complete => Phase::Complete,
        }
    }

    /// Returns the number of interim responses that were skipped.
    pub fn interim(&self) -> u32 {
        self.interim
    }

    /// Returns the status of the final response. It is known before the end of the header section.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the number of bytes processed.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the number of bytes before the final response.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Returns true if the header section is complete and the body is not needed. With 201 and 204 all results are in the
    /// header section. An error body only explains the error.
    pub fn is_body_optional(&self) -> bool {
        !matches!(self.state, State::Head) && self.status.is_some_and(needs_no_body)
    }

    /// Returns true if the connection can be reused: the response is complete, no byte follows it, and the server keeps the
    /// connection open.
    pub fn is_persistent(&self) -> bool {
        self.persistent && matches!(self.state, State::Complete)
    }

    /// Returns the response in one form for ureq: with unfolded header lines, a decoded body and its length.
    ///
    /// # Errors
    /// Out of memory.
    pub fn normalized(&self) -> Result<Vec<u8>> {
        let status = self.status.unwrap_or_default();
        let mut bytes = Vec::new();
        let body = self.body.bytes();
        bytes.try_reserve(self.headers.len() + body.len() + 64)?;
        bytes.extend_from_slice(format!("HTTP/1.1 {status} \r\n").as_bytes());
        bytes.extend_from_slice(&self.headers);
        if !matches!(status, 204 | 304) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    /// Processes bytes of the header section. Returns their number.
    fn push_head(&mut self, bytes: &[u8]) -> Result<usize> {
        let before = self.line.len();
        let limit = (HEAD_MAX + 1).saturating_sub(before);
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        self.line.try_reserve(bytes.len())?;
        self.line.extend_from_slice(bytes);
        // A header section ends with a line end. Earlier only the status line is of interest.
        if !bytes.contains(&b'\n') && self.has_status_line {
            return self.check_head_length(bytes.len());
        }
        let line = std::mem::take(&mut self.line);
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = head_parser().parse_response(&mut response, &line).map_err(|error| match error {
            httparse::Error::TooManyHeaders => {
                malformed(format!("the response has more than {HEADERS_MAX} header lines"))
            }
            _ if is_tls_record(&line) => malformed(TLS_ON_PLAIN_PORT.to_owned()),
            error => malformed(format!("the response is not HTTP: {error}: {}", quoted_start(&line))),
        })?;
        match response.code {
            Some(101 | ..=99) => return Err(malformed(format!("the response is not HTTP: {}", quoted_start(&line)))),
            Some(code @ 200..) => self.status = Some(code),
            _ => {}
        }
        // The parser sets the reason, which may be empty, at the end of the status line.
        self.has_status_line = response.reason.is_some();
        match parsed {
            Status::Partial => {
                self.line = line;
                self.check_head_length(bytes.len())
            }
            Status::Complete(length) => {
                self.has_status_line = false;
                match self.status {
                    None => self.interim += 1,
                    Some(status) => self.finish_head(status, response.version == Some(0), response.headers)?,
                }
                if self.interim > INTERIM_MAX {
                    return Err(malformed(format!("more than {INTERIM_MAX} interim responses were received")));
                }
                Ok(length.saturating_sub(before))
            }
        }
    }

    /// Processes bytes of the body. Returns their number.
    fn push_body(&mut self, bytes: &[u8]) -> Result<usize> {
        let used = self.body.push(bytes)?;
        self.persistent &= !self.body.is_cut();
        self.state = if self.body.is_complete() { State::Complete } else { State::Body { started: true } };
        Ok(used)
    }

    /// Checks the size of an incomplete header section, to which `length` bytes were added.
    fn check_head_length(&self, length: usize) -> Result<usize> {
        if self.line.len() > HEAD_MAX {
            return Err(malformed(format!("the header section of the response is longer than {HEAD_MAX} bytes")));
        }
        Ok(length)
    }

    fn finish_head(&mut self, status: u16, is_http_1_0: bool, headers: &[Header<'_>]) -> Result<()> {
        let values = |name: &'static str| {
            let of_name = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
            of_name.flat_map(|header| header.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
        };
        let has = |name, value: &[u8]| values(name).any(|have| have.eq_ignore_ascii_case(value));
        // Empty list elements are ignored (RFC 9110 §5.6.1).
        let codings = |name| values(name).filter(|coding| !coding.is_empty());
        let transfer_codings: Vec<_> = codings("transfer-encoding").collect();
        self.persistent = !has("connection", b"close") && (!is_http_1_0 || has("connection", b"keep-alive"));
        self.headers.try_reserve(headers.iter().map(|header| header.name.len() + header.value.len() + 4).sum())?;
        for header in headers {
            if !["content-length", "transfer-encoding", "trailer"].contains(&header.name.to_ascii_lowercase().as_str())
            {
                self.headers.extend_from_slice(header.name.as_bytes());
                self.headers.extend_from_slice(b": ");
                unfold(header.value, &mut self.headers);
                self.headers.extend_from_slice(b"\r\n");
            }
        }
        let is_bodiless = matches!(status, 204 | 304);
        let length = match content_length(values("content-length")) {
            // The response ends with its header section, whatever the length is (RFC 9112 §6.3).
            Err(_) if is_bodiless && values("content-length").count() == 1 => Some(u64::MAX),
            length => length?,
        };
        let framing = if is_bodiless {
            // The peer may send a body after all, and after the next request was sent.
            self.persistent &= length.unwrap_or(0) == 0 && transfer_codings.is_empty();
            Framing::Length(0)
        } else if !transfer_codings.is_empty() {
            // A length as well, or an HTTP/1.0 sender, makes the framing unreliable (RFC 9112 §6.1).
            self.persistent &= length.is_none() && !is_http_1_0;
            match transfer_codings[..] {
                [coding] if coding.eq_ignore_ascii_case(b"chunked") => Framing::CHUNKED,
                // The obsolete name for no coding (RFC 2616 §3.6). Something between may frame the body in another way, so
                // the connection is not used again.
                [coding] if coding.eq_ignore_ascii_case(b"identity") => {
                    self.persistent = false;
                    length.map_or(Framing::Close, Framing::Length)
                }
                _ => self.reject_coding(
                    "transfer coding",
                    &transfer_codings.join(&b", "[..]),
                    "only chunked, once, is supported",
                    status,
                )?,
            }
        } else {
            length.map_or(Framing::Close, Framing::Length)
        };
        if let Some(coding) = codings("content-encoding").find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            self.reject_coding("content coding", coding, "the request accepts only identity", status)?;
        }
        self.body = BodyReader::new(framing, needs_no_body(status));
        self.state = State::Body { started: false };
        self.persistent &= !matches!(framing, Framing::Close);
        if matches!(framing, Framing::Length(0)) {
            self.state = State::Complete;
        }
        Ok(())
    }

    /// Handles a coding that the request did not accept: an error if the body is needed.
    fn reject_coding(&self, what: &str, coding: &[u8], rule: &str, status: u16) -> Result<Framing> {
        if needs_no_body(status) {
            return Ok(Framing::Close);
        }
        let coding = quoted(&String::from_utf8_lossy(coding)).to_string();
        Err(malformed(format!("the response has the {what} {coding}, but {rule}")))
    }
}

/// Returns the parser of header sections, which accepts what lenient servers send.
pub(super) fn head_parser() -> ParserConfig {
    let mut parser = ParserConfig::default();
    parser
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true);
    parser
}

/// Returns true if the bytes begin like a TLS record. The content types of RFC 8446 §5.1 are control characters, which
/// begin no text.
pub(super) fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

/// Returns true if the results are in the header section. An error body only explains the error.
fn needs_no_body(status: u16) -> bool {
    matches!(status, 201 | 204 | 300..)
}

const TLS_ON_PLAIN_PORT: &str = "the server expects TLS on this port: the response is a TLS record, not HTTP; set an \
    endpoint that begins with https:// (glacier_config_set_endpoint)";

/// Appends a header value, and replaces each fold by one space (RFC 9112 §5.2).
fn unfold(value: &[u8], into: &mut Vec<u8>) {
    let mut pieces = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty());
    into.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        into.push(b' ');
        into.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests;

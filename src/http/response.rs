//! The response reader: bytes of a connection in, one response out (RFC 9110, RFC 9112).
//!
//! It does no I/O and has no clock. The result depends on the bytes alone, not on how they are split. It skips interim
//! responses, unfolds header lines, decodes chunks, and bounds all_parts that a server could make endless.

use std::collections::TryReserveError;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Status};

use super::BODY_MAX;
use crate::limits::quoted;

/// The maximum size of one header section in bytes, interim ones included.
pub const HEAD_MAX: usize = 32 << 10;
/// The maximum number of interim responses before the final one.
pub const INTERIM_MAX: u32 = 8;
/// How much of an error body is kept, in bytes.
pub const ERROR_BODY_MAX: usize = 64 << 10;
/// The maximum number of lines of one header section. ureq accepts 128, and one is added for it.
const HEADERS_MAX: usize = 100;
/// The maximum length of a chunk size line with its extensions, in bytes.
const CHUNK_LINE_MAX: usize = 1 << 10;
/// The maximum size of the trailers behind the last chunk, in bytes.
const TRAILERS_MAX: usize = 16 << 10;

/// The part of a response that the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the header section has come.
    Waiting,
    /// The header section, after its first byte.
    Head,
    /// The header section is complete. No byte of the body has come.
    BodyStart,
    /// The body, after its first byte.
    Body,
    /// Nothing more belongs to the response.
    Complete,
}

/// Why bytes are not a response.
#[derive(Debug)]
pub enum ParseError {
    /// They break a rule of HTTP, or a limit.
    Malformed(String),
    /// Out of memory.
    Memory(TryReserveError),
}

impl From<TryReserveError> for ParseError {
    fn from(error: TryReserveError) -> Self {
        Self::Memory(error)
    }
}

type Result<T> = std::result::Result<T, ParseError>;

/// Reads one response.
#[derive(Debug)]
pub struct ResponseReader {
    state: State,
    /// The bytes of the header section or line that is being read.
    line: Vec<u8>,
    received: u64,
    /// How many bytes had been received when the current header section began.
    start: u64,
    interim: u32,
    /// The status line of the current header section was parsed.
    has_status_line: bool,
    /// The status of the final response.
    status: Option<u16>,
    /// The header lines that ureq gets, each with its CRLF.
    headers: Vec<u8>,
    body: Vec<u8>,
    persistent: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Body { framing: Framing, started: bool },
    Complete,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunked(Chunk),
    Close,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers { read: usize },
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
            body: Vec::new(),
            persistent: true,
        }
    }
}

impl ResponseReader {
    /// Takes the next bytes of the connection.
    ///
    /// # Errors
    /// The bytes are no response, or exceed a limit.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let used = match &self.state {
                State::Head => self.push_head(bytes)?,
                State::Body { framing, .. } => self.push_body(*framing, bytes)?,
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

    /// Takes the end of the connection. `clean` says that the peer closed it properly; otherwise it was cut. Returns
    /// whether the response can be used.
    pub fn end(&mut self, clean: bool) -> bool {
        self.persistent = false;
        match self.state {
            State::Complete => return true,
            State::Body { framing: Framing::Close, .. } if clean => {}
            _ if self.is_body_optional() => {}
            _ => return false,
        }
        self.state = State::Complete;
        true
    }

    /// The part that the next byte belongs to.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Head if self.line.is_empty() => Phase::Waiting,
            State::Head => Phase::Head,
            State::Body { started: false, .. } => Phase::BodyStart,
            State::Body { started: true, .. } => Phase::Body,
            State::Complete => Phase::Complete,
        }
    }

    /// The number of interim responses that were skipped.
    pub fn interim(&self) -> u32 {
        self.interim
    }

    /// The status of the final response, as soon as it is known: before the end of its header section.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The number of bytes taken.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The number of bytes that came before the final response.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Whether the header section is complete and suffices. The header section of 201 and 204 has all that Glacier
    /// promises. The body of an error only explains it.
    pub fn is_body_optional(&self) -> bool {
        !matches!(self.state, State::Head) && self.status.is_some_and(|status| matches!(status, 201 | 204 | 300..))
    }

    /// Whether the connection can carry another exchange: the response is complete, nothing follows it, and the server
    /// keeps the connection open.
    pub fn is_persistent(&self) -> bool {
        self.persistent && matches!(self.state, State::Complete)
    }

    /// The response in the one form that ureq gets: header lines unfolded, the body decoded and its length announced.
    ///
    /// # Errors
    /// Out of memory.
    pub fn normalized(&self) -> Result<Vec<u8>> {
        let status = self.status.unwrap_or_default();
        let mut bytes = Vec::new();
        bytes.try_reserve(self.headers.len() + self.body.len() + 64)?;
        bytes.extend_from_slice(format!("HTTP/1.1 {status} \r\n").as_bytes());
        bytes.extend_from_slice(&self.headers);
        if !matches!(status, 204 | 304) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        Ok(bytes)
    }

    /// Returns how many of the bytes belong to the header section.
    fn push_head(&mut self, bytes: &[u8]) -> Result<usize> {
        let before = self.line.len();
        let room = (HEAD_MAX + 1).saturating_sub(before);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        self.line.try_reserve(bytes.len())?;
        self.line.extend_from_slice(bytes);
        // A header section ends with a line. Its status is wanted earlier.
        if !bytes.contains(&b'\n') && self.has_status_line {
            return self.within_head(bytes.len());
        }
        let line = std::mem::take(&mut self.line);
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let mut parser = ParserConfig::default();
        parser
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true);
        let parsed = parser.parse_response(&mut response, &line).map_err(|error| match error {
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
        self.has_status_line = response.code.is_some();
        match parsed {
            Status::Partial => {
                self.line = line;
                self.within_head(bytes.len())
            }
            Status::Complete(length) => {
                self.has_status_line = false;
                match self.status {
                    None => self.interim += 1,
                    Some(status) => self.finish_head(status, response.version == Some(0), response.headers)?,
                }
                if self.interim > INTERIM_MAX {
                    return Err(malformed(format!("more than {INTERIM_MAX} interim responses came")));
                }
                Ok(length.saturating_sub(before))
            }
        }
    }

    /// `length` bytes that did not complete the header section.
    fn within_head(&self, length: usize) -> Result<usize> {
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
        let length = content_length(values("content-length"))?;
        let framing = if matches!(status, 204 | 304) {
            Framing::Length(0)
        } else if let Some(coding) = values("transfer-encoding").next() {
            // A length beside it, or an HTTP/1.0 sender, makes the framing doubtful (RFC 9112 §6.1).
            self.persistent &= length.is_none() && !is_http_1_0;
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked") && values("transfer-encoding").count() == 1;
            if is_chunked {
                Framing::Chunked(Chunk::Size)
            } else {
                self.undecodable("transfer coding", coding, status)?
            }
        } else {
            length.map_or(Framing::Close, Framing::Length)
        };
        if let Some(coding) = values("content-encoding").find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            self.undecodable("content coding", coding, status)?;
        }
        self.state = State::Body { framing, started: false };
        self.persistent &= !matches!(framing, Framing::Close);
        if matches!(framing, Framing::Length(0)) {
            self.state = State::Complete;
        }
        Ok(())
    }

    /// A body in a coding that was not asked for, which nothing here decodes. It is an error where the body is needed.
    fn undecodable(&self, what: &str, coding: &[u8], status: u16) -> Result<Framing> {
        if matches!(status, 201 | 204 | 300..) {
            return Ok(Framing::Close);
        }
        let coding = quoted(&String::from_utf8_lossy(coding)).to_string();
        Err(malformed(format!("the response has the {what} {coding}, but the request accepts only identity")))
    }

    /// Returns how many of the bytes were taken.
    fn push_body(&mut self, framing: Framing, bytes: &[u8]) -> Result<usize> {
        let (used, next) = match framing {
            Framing::Close => (self.keep(bytes)?, Some(Framing::Close)),
            Framing::Length(left) => {
                let used = self.keep(within(bytes, left))?;
                (used, Some(left - used as u64).filter(|left| *left > 0).map(Framing::Length))
            }
            Framing::Chunked(chunk) => {
                let (used, chunk) = self.push_chunk(chunk, bytes)?;
                (used, chunk.map(Framing::Chunked))
            }
        };
        // `keep` completes a response whose body has reached its limit.
        if !matches!(self.state, State::Complete) {
            self.state = match next {
                Some(framing) => State::Body { framing, started: true },
                None => State::Complete,
            };
        }
        Ok(used)
    }

    /// Returns how many of the bytes were taken, and what follows them; `None`: the end of the body.
    fn push_chunk(&mut self, chunk: Chunk, bytes: &[u8]) -> Result<(usize, Option<Chunk>)> {
        let (limit, what) = match chunk {
            Chunk::Data(left) => {
                let used = self.keep(within(bytes, left))?;
                let left = left - used as u64;
                return Ok((used, Some(if left > 0 { Chunk::Data(left) } else { Chunk::DataEnd })));
            }
            Chunk::Size => (CHUNK_LINE_MAX, "a chunk size line"),
            Chunk::DataEnd => (2, "the end of a chunk"),
            Chunk::Trailers { read } => (TRAILERS_MAX.saturating_sub(read), "the trailer section"),
        };
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|position| position + 1);
        let used = end.unwrap_or(bytes.len());
        if self.line.len() + used > limit {
            return Err(malformed(format!("{what} of the response is longer than {limit} bytes")));
        }
        self.line.try_reserve(used)?;
        self.line.extend_from_slice(within(bytes, used as u64));
        if end.is_none() {
            return Ok((used, Some(chunk)));
        }
        let line = std::mem::take(&mut self.line);
        let next = match chunk {
            Chunk::Size => match chunk_size(&line)? {
                0 => Some(Chunk::Trailers { read: 0 }),
                size => Some(Chunk::Data(size)),
            },
            Chunk::Trailers { .. } if line.trim_ascii().is_empty() => None,
            Chunk::Trailers { read } => Some(Chunk::Trailers { read: read + line.len() }),
            _ if line == b"\r\n" => Some(Chunk::Size),
            _ => return Err(malformed("a chunk of the response is longer than its announced size".to_owned())),
        };
        Ok((used, next))
    }

    /// Keeps bytes of the body, and returns how many of them were taken. An optional body ends at its limit.
    fn keep(&mut self, bytes: &[u8]) -> Result<usize> {
        let room = if self.is_body_optional() { ERROR_BODY_MAX } else { BODY_MAX } - self.body.len();
        let kept = bytes.get(..room).unwrap_or(bytes);
        if kept.len() < bytes.len() && !self.is_body_optional() {
            return Err(malformed(format!("the body of the response is longer than {BODY_MAX} bytes")));
        }
        self.body.try_reserve(kept.len())?;
        self.body.extend_from_slice(kept);
        if kept.len() < bytes.len() {
            self.persistent = false;
            self.state = State::Complete;
        }
        Ok(kept.len())
    }
}

fn malformed(text: String) -> ParseError {
    ParseError::Malformed(text)
}

const TLS_ON_PLAIN_PORT: &str = "the server expects TLS on this port, its response is a TLS record and not HTTP; set an \
    endpoint that begins with https:// (glacier_config_set_endpoint)";

/// Whether what the peer sent begins like a TLS record: the content types of RFC 8446 §5.1, none of which begins a text.
fn is_tls_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

fn quoted_start(line: &[u8]) -> String {
    let start = String::from_utf8_lossy(within(line, 80));
    quoted(start.trim()).to_string()
}

/// The first `length` bytes, or all.
fn within(bytes: &[u8], length: u64) -> &[u8] {
    usize::try_from(length).ok().and_then(|length| bytes.get(..length)).unwrap_or(bytes)
}

/// The one length that all values announce; `None` without any.
fn content_length<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<Option<u64>> {
    let mut length = None;
    for value in values {
        let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let announced: u64 = text.and_then(|text| text.parse().ok()).ok_or_else(|| {
            malformed(format!(
                "content-length {} of the response is not a length",
                quoted(&String::from_utf8_lossy(value))
            ))
        })?;
        if *length.get_or_insert(announced) != announced {
            return Err(malformed("the response has content-length twice, with different values".to_owned()));
        }
    }
    Ok(length)
}

fn chunk_size(line: &[u8]) -> Result<u64> {
    let starts_with_digit = line.first().is_some_and(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(line) {
        Ok(Status::Complete((_, size))) if starts_with_digit => Ok(size),
        _ => Err(malformed(format!("the response has a bad chunk size line: {}", quoted_start(line)))),
    }
}

/// Appends a header value with each fold replaced by one space (RFC 9112 §5.2).
fn unfold(value: &[u8], into: &mut Vec<u8>) {
    let mut pieces = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|piece| !piece.is_empty());
    into.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        into.push(b' ');
        into.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

    /// What came of the bytes of one connection.
    #[derive(Debug, PartialEq, Eq)]
    struct Outcome {
        response: Option<String>,
        error: Option<String>,
        phase: Phase,
        start: u64,
        is_persistent: bool,
    }

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut reader = ResponseReader::default();
        let error = pieces.into_iter().find_map(|piece| reader.push(piece).err());
        let is_complete = reader.phase() == Phase::Complete;
        Outcome {
            response: is_complete.then(|| String::from_utf8(reader.normalized().unwrap()).unwrap()),
            error: error.map(|error| match error {
                ParseError::Malformed(text) => text,
                ParseError::Memory(error) => error.to_string(),
            }),
            phase: reader.phase(),
            start: reader.start(),
            is_persistent: reader.is_persistent(),
        }
    }

    /// The outcome, which must be the same however the bytes are split.
    #[track_caller]
    fn outcome(bytes: impl AsRef<[u8]>) -> Outcome {
        let bytes = bytes.as_ref();
        let whole = read([bytes]);
        if bytes.len() < 2000 {
            for split in 1..bytes.len() {
                let (start, rest) = bytes.split_at(split);
                let halves = read([start, rest]);
                assert_eq!(halves.response, whole.response, "split at byte {split}");
                assert_eq!(halves.error.is_some(), whole.error.is_some(), "split at byte {split}");
                if whole.error.is_none() {
                    assert_eq!(halves, whole, "split at byte {split}");
                }
            }
        }
        let single = read(bytes.chunks(1));
        assert_eq!(single.response, whole.response, "single bytes");
        assert_eq!(single.error.is_some(), whole.error.is_some(), "single bytes: {:?}", single.error);
        whole
    }

    #[track_caller]
    fn response(bytes: impl AsRef<[u8]>) -> String {
        let outcome = outcome(bytes);
        assert_eq!(outcome.error, None);
        outcome.response.expect("incomplete")
    }

    #[track_caller]
    fn error(bytes: impl AsRef<[u8]>) -> String {
        outcome(bytes).error.expect("no error")
    }

    #[test]
    fn reads_bodies_by_length_chunks_and_close() {
        let by_length = "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello";
        let normalized = "HTTP/1.1 200 \r\nA: b\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(response(by_length), normalized);
        let chunked = "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: Chunked\r\n\r\n\
                       2\r\nhe\r\n0003;name=\"a;b\"\r\nllo\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n";
        assert_eq!(response(chunked), normalized);
        assert!(outcome(by_length).is_persistent && outcome(chunked).is_persistent);

        let by_close = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello";
        let mut reader = ResponseReader::default();
        reader.push(by_close.as_bytes()).unwrap();
        assert_eq!(reader.phase(), Phase::Body);
        assert!(reader.end(true));
        assert_eq!(reader.normalized().unwrap(), normalized.as_bytes());
        assert!(!reader.is_persistent());
    }

    #[test]
    fn reads_no_body_where_the_status_allows_none() {
        for status in [204, 304] {
            let bytes = format!("HTTP/1.1 {status} x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
            assert_eq!(response(&bytes), format!("HTTP/1.1 {status} \r\n\r\n"));
            assert!(outcome(&bytes).is_persistent);
            assert!(!outcome(bytes + "x").is_persistent, "bytes follow the response");
        }
    }

    #[test]
    fn skips_interim_responses() {
        let last = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let early_hints = format!("HTTP/1.1 103 Early Hints\r\nLink: <{}>\r\n\r\n", "x".repeat(5000));
        for interim in [
            "",
            INTERIM,
            "HTTP/1.0 100\r\n\r\n",
            "HTTP/1.1 102 Processing\r\nA: b\r\n c\r\n\r\nHTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n",
            &INTERIM.repeat(8),
            &early_hints,
        ] {
            let outcome = outcome(format!("{interim}{last}"));
            assert_eq!(outcome.response.as_deref(), Some("HTTP/1.1 403 \r\ncontent-length: 0\r\n\r\n"), "{interim:?}");
            assert_eq!(outcome.start, interim.len() as u64);
            assert!(outcome.is_persistent);
        }
        assert_eq!(error(INTERIM.repeat(9)), "more than 8 interim responses came");
        assert_eq!(outcome(INTERIM).phase, Phase::Waiting);
    }

    #[test]
    fn knows_the_status_before_the_end_of_the_header_section() {
        for (bytes, status) in [
            ("HTTP/1.1 4", None),
            ("HTTP/1.1 403", Some(403)),
            ("HTTP/1.1 403 Forbid", Some(403)),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", None),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204", Some(204)),
        ] {
            let mut reader = ResponseReader::default();
            reader.push(bytes.as_bytes()).unwrap();
            assert_eq!(reader.status(), status, "{bytes:?}");
        }
    }

    #[test]
    fn unfolds_header_lines() {
        for folded in
            ["a:b\r\n\tc\r\n  d\r\n", "a: b  \r\n c  \r\n   \r\n \t d\r\n", "a:\r\n b c\r\n d\r\n", "a: b\n c\n d\n"]
        {
            let bytes = format!("HTTP/1.1 204 No Content\r\n{folded}X-Next: 1\r\n\r\n");
            assert_eq!(response(bytes), "HTTP/1.1 204 \r\na: b c d\r\nX-Next: 1\r\n\r\n", "{folded:?}");
        }
        let folded_length = "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok";
        assert_eq!(response(folded_length), "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok");
    }

    #[test]
    fn keeps_the_connection_only_where_the_response_allows_it() {
        for (head, is_persistent) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: keep-alive, Close\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1", false),
        ] {
            let outcome = outcome(head);
            assert_eq!((outcome.phase, outcome.is_persistent), (Phase::Complete, is_persistent), "{head:?}");
        }
    }

    #[test]
    fn a_cut_response_counts_only_where_its_body_is_optional() {
        for (bytes, counts) in [
            ("", false),
            ("HTTP/1.1 204 No Content\r\nA: b\r\n", false),
            ("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{", true),
            ("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("HTTP/1.1 403 Forbidden\r\n\r\nhalf of", true),
            ("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\nhalf of", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", false),
            ("HTTP/1.1 200 OK\r\n\r\nhalf of", false),
        ] {
            let mut reader = ResponseReader::default();
            reader.push(bytes.as_bytes()).unwrap();
            assert_eq!(reader.end(false), counts, "{bytes:?}");
            assert!(!reader.is_persistent());
        }
    }

    #[test]
    fn bounds_everything_that_could_be_endless() {
        const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let long = "x".repeat(HEAD_MAX);
        assert!(error(format!("HTTP/1.1 200 OK\r\na: {long}")).contains("header section of the response is longer"));
        assert!(error(format!("{INTERIM}HTTP/1.1 103 {long}")).contains("header section of the response is longer"));
        assert!(error("\r\n".repeat(HEAD_MAX)).contains("header section of the response is longer"));
        assert!(error(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101))).contains("100 header lines"));
        assert!(error(format!("{CHUNKED}1;{}", "x".repeat(CHUNK_LINE_MAX))).contains("chunk size line"));
        assert!(error(format!("{CHUNKED}0\r\n{}", "a: b\r\n".repeat(3000))).contains("trailer section"));
        assert!(error(format!("{CHUNKED}0\r\n{long}")).contains("trailer section"));
        let body = "x".repeat(BODY_MAX + 1);
        let head = "HTTP/1.1 200 OK\r\n";
        for bytes in [
            format!("{head}\r\n{body}"),
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
            format!("{CHUNKED}{:x}\r\n{body}", body.len()),
        ] {
            let outcome = read([bytes.as_bytes()]);
            assert!(outcome.error.unwrap().contains("longer than 1048576 bytes"));
        }
    }

    #[test]
    fn the_body_of_an_error_ends_at_its_limit() {
        let body = "x".repeat(ERROR_BODY_MAX);
        for head in ["", "Content-Length: 99999999999\r\n", "Transfer-Encoding: chunked\r\n"] {
            let chunk = if head.starts_with('T') { "fffffff\r\n" } else { "" };
            let bytes = format!("HTTP/1.1 500 Oops\r\n{head}\r\n{chunk}{body}");
            assert_eq!(read([bytes.as_bytes()]).phase, Phase::Body);
            let outcome = read([bytes.as_bytes(), b"x"]);
            assert!(outcome.response.unwrap().ends_with(&format!("content-length: 65536\r\n\r\n{body}")));
            assert!(!outcome.is_persistent);
        }
    }

    #[test]
    fn differing_lengths_are_malformed_and_equal_ones_are_not() {
        for same in ["Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: 2, 02\r\n"] {
            assert!(response(format!("HTTP/1.1 200 OK\r\n{same}\r\nok")).ends_with("content-length: 2\r\n\r\nok"));
        }
        for status in [200, 201, 204, 403] {
            let twice = format!("HTTP/1.1 {status} x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok");
            assert!(error(twice).contains("content-length twice"), "{status}");
        }
    }

    #[test]
    fn numbers_are_digits_only() {
        for length in ["+2", "-2", "0x2", "2 2", "", "99999999999999999999"] {
            let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nok");
            assert!(error(bytes).contains("is not a length"), "{length:?}");
        }
        for size in ["", "+2", "0x2", ";a", "x", "2\n", "10000000000000000"] {
            let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nok\r\n0\r\n\r\n");
            assert!(error(bytes).contains("chunk size line"), "{size:?}");
        }
    }

    #[test]
    fn tells_tls_from_other_text_that_is_not_http() {
        let (alert, hello) = ([21, 3, 1, 0, 2, 2, 22], [22, 3, 3, 0, 90, 2]);
        for record in [alert.as_slice(), &hello] {
            for end in 1..record.len() {
                assert!(error(record.get(..end).unwrap()).contains("https://"), "{end}");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_http() {
        for bytes in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        ] {
            error(bytes);
        }
        assert_eq!(
            error("\u{1b}[31m\r\n"),
            r#"the response is not HTTP: invalid HTTP version: "\x1b[31m""#,
            "text of the peer is escaped"
        );
    }

    #[test]
    fn a_body_in_a_coding_is_refused_where_it_is_needed() {
        for (coding, what) in [("Content-Encoding", "content coding"), ("Transfer-Encoding", "transfer coding")] {
            let text = error(format!("HTTP/1.1 200 OK\r\n{coding}: gzip\r\n\r\n"));
            assert_eq!(text, format!("the response has the {what} \"gzip\", but the request accepts only identity"));
            let error = outcome(format!("HTTP/1.1 403 Forbidden\r\n{coding}: gzip\r\n\r\nx"));
            assert_eq!((error.error, error.phase), (None, Phase::Body));
        }
        response("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 0\r\n\r\n");
    }
}

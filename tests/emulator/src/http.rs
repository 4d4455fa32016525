//! HTTP/1.1 on a [`Wire`]: the head of a request, its body piece by piece, and the answer.

use std::fs::File;
use std::io::{self, Read};
use std::time::Instant;

use crate::hash::{Digest, Hasher};
use crate::number;
use crate::pace::Pace;
use crate::stop::Stop;
use crate::wire::Wire;

/// The request line and the headers.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Path and query, as they came.
    pub(crate) target: String,
    /// In the order they came, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// HTTP/1.1 rather than 1.0.
    keeps_alive: bool,
}

/// What can stand in place of a head.
#[derive(Debug)]
pub(crate) enum NoHead {
    /// The client closed the connection between two requests.
    Closed,
    /// These bytes are no request.
    Malformed(String),
    /// The connection broke.
    Broken(io::Error),
}

impl Head {
    /// Reads the next request's head. What follows it stays in the wire's buffer.
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

    /// The first value under this name, which is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The value of a query parameter, decoded as a form is: a bare `+` is a space.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let form = |text: &str| percent_decode(&text.replace('+', " "));
        pairs.into_iter().find(|(have, _)| form(have) == name).map(|(_, value)| form(value))
    }

    /// How long the body is; an error says why that cannot be told, after which the connection is of no more use.
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

    /// Whether another request may follow on the connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keeps_alive && !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// Whether the client waits to be asked for the body.
    fn expects_continue(&self) -> bool {
        self.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// The head that these bytes begin with, and its length, if it is whole.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, u64)>, NoHead> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes).map_err(|e| NoHead::Malformed(e.to_string()))? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(length) => length as u64,
        };
        let headers = request.headers.iter().map(|h| (h.name.to_ascii_lowercase(), text(h.value))).collect();
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            headers,
            keeps_alive: request.version == Some(1),
        };
        Ok(Some((head, length)))
    }
}

/// A header's value. Bytes that are not UTF-8 become characters outside ASCII, to be refused as such.
fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    }
}

/// Replaces each `%XX` by its byte; what is no such triple stays.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        match escaped.as_deref() {
            Some([byte]) => {
                bytes.push(*byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request's body, read from the wire as it is asked for.
pub(crate) struct Body<'a> {
    wire: &'a mut Wire,
    stop: &'a Stop,
    remaining: u64,
    read: u64,
    continue_first: bool,
    pace: Option<(Pace, Instant)>,
    moments: Vec<Moment<'a>>,
    hasher: Option<Hasher>,
    hashes: Option<(Digest, Digest)>,
}

type Act<'a> = Box<dyn FnOnce(&mut Wire) -> io::Result<()> + 'a>;

/// What is done once so many bytes are read.
struct Moment<'a> {
    after_bytes: u64,
    act: Act<'a>,
}

impl<'a> Body<'a> {
    /// The body that follows this head.
    pub(crate) fn new(wire: &'a mut Wire, stop: &'a Stop, head: &Head, length: u64) -> Self {
        Self {
            wire,
            stop,
            remaining: length,
            read: 0,
            continue_first: length > 0 && head.expects_continue(),
            pace: None,
            moments: Vec::new(),
            hasher: None,
            hashes: None,
        }
    }

    /// Hashes what is read from now on.
    pub(crate) fn hash(&mut self) {
        self.hasher = Some(Hasher::default());
    }

    /// The linear hash and the tree hash, once it has come to its end; none of an empty one, or one not hashed.
    pub(crate) fn hashes(&self) -> Option<(Digest, Digest)> {
        self.hashes
    }

    /// The bytes still to come.
    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The bytes read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Whether the client still waits to be asked for it.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.continue_first
    }

    /// Reads no faster than this from now on.
    pub(crate) fn slow_down(&mut self, bytes_per_second: u64) {
        self.pace = Some((Pace::new(bytes_per_second.max(1)), Instant::now()));
    }

    /// Calls `act` once this many bytes are read; `None`, or more than there are, means all.
    pub(crate) fn meanwhile(&mut self, after_bytes: Option<u64>, act: impl FnOnce(&mut Wire) -> io::Result<()> + 'a) {
        let after_bytes = after_bytes.unwrap_or(u64::MAX).min(self.read + self.remaining);
        self.moments.push(Moment { after_bytes, act: Box::new(act) });
        self.moments.sort_by_key(|moment| moment.after_bytes);
    }

    /// What it comes over, for the answer.
    pub(crate) fn wire(&mut self) -> &mut Wire {
        self.wire
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.next_up_to(u64::MAX)
    }

    /// Reads this many bytes, or to the end if that comes first, and forgets them.
    pub(crate) fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        while let Some(piece) = self.next_up_to(bytes)? {
            bytes -= piece.len() as u64;
        }
        Ok(())
    }

    fn next_up_to(&mut self, most: u64) -> io::Result<Option<&[u8]>> {
        while self.moments.first().is_some_and(|moment| moment.after_bytes <= self.read) {
            (self.moments.remove(0).act)(self.wire)?;
        }
        let until = self.moments.first().map_or(u64::MAX, |moment| moment.after_bytes - self.read);
        let mut most = most.min(self.remaining).min(until);
        if most == 0 {
            return Ok(None);
        }
        if std::mem::take(&mut self.continue_first) {
            self.wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if let Some((pace, _)) = &self.pace {
            most = most.min(pace.at_once());
        }
        let piece = self.wire.take(most)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.remaining -= piece.len() as u64;
        self.read += piece.len() as u64;
        if let Some((pace, began)) = &mut self.pace {
            self.stop.wait(pace.wait(piece.len() as u64, began.elapsed(), self.remaining == 0));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if self.remaining == 0 {
            self.hashes = self.hasher.take().map(Hasher::finish);
        }
        Ok(Some(piece))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
    /// Whether a proxy sends it, which knows no `x-amzn-RequestId`.
    pub(crate) from_proxy: bool,
}

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Content {
    /// These bytes, with their length; a 204 carries neither.
    Bytes(Vec<u8>),
    /// A file of this length.
    File(File, u64),
}

impl Response {
    /// An answer without content.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()), from_proxy: false }
    }

    /// An answer that carries a document.
    pub(crate) fn json(status: u16, document: &impl serde::Serialize) -> Self {
        // The documents have text keys and no way to fail.
        let bytes = serde_json::to_vec(document).unwrap_or_default();
        Self { content: Content::Bytes(bytes), ..Self::empty(status) }.with("Content-Type", "application/json")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The first value under this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The status line and headers as they go on the wire; `with_length` adds `Content-Length` where there may be one.
    pub(crate) fn head(&self, with_length: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let has_length = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        if with_length && self.status != 204 && !has_length {
            let length = match &self.content {
                Content::Bytes(bytes) => bytes.len() as u64,
                Content::File(_, length) => *length,
            };
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Sends it all.
    pub(crate) fn send(self, wire: &mut Wire) -> io::Result<()> {
        let mut head = self.head(true);
        match self.content {
            Content::Bytes(bytes) => {
                head.extend(bytes);
                wire.send(&head)
            }
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn head(target: &str, headers: &[(&str, &str)]) -> Head {
        let mut text = format!("GET {target} HTTP/1.1\r\n");
        headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        Head::parse(format!("{text}\r\nrest").as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn query_is_decoded() {
        let head = head("/-/vaults/v/multipart-uploads?limit=3&marker=a%2Bb%2fc%3D+d&x", &[]);
        assert_eq!(head.query("marker").as_deref(), Some("a+b/c= d"));
        assert_eq!(head.query("limit").as_deref(), Some("3"));
        assert_eq!(head.query("x").as_deref(), Some(""));
        assert_eq!(head.query("y"), None);
        assert_eq!(head.path(), "/-/vaults/v/multipart-uploads");
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn moments_come_between_the_bytes_they_are_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(&[7; 30]).unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0, None).unwrap();
        let (stop, seen) = (Stop::default(), RefCell::new(Vec::new()));
        let mut body = Body::new(&mut wire, &stop, &head("/", &[]), 30);
        for (after_bytes, name) in [(None, "end"), (Some(99), "beyond"), (Some(20), "20"), (Some(0), "0")] {
            let seen = &seen;
            body.meanwhile(after_bytes, move |_| {
                seen.borrow_mut().push(name);
                Ok(())
            });
        }
        body.skip(20).unwrap();
        assert_eq!(*seen.borrow(), ["0", "20"]);
        body.meanwhile(Some(25), |_| {
            seen.borrow_mut().push("25");
            Ok(())
        });
        assert_eq!(body.next().unwrap(), Some(&[7; 5][..]));
        assert_eq!(*seen.borrow(), ["0", "20"]);
        assert_eq!(body.next().unwrap(), Some(&[7; 5][..]));
        assert_eq!(body.next().unwrap(), None);
        assert_eq!(*seen.borrow(), ["0", "20", "25", "end", "beyond"]);
    }

    #[test]
    fn body_lengths() {
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

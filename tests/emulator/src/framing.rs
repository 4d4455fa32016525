//! The form in which a response is sent.

use std::io;
use std::time::Duration;

use crate::action::ResponsePrefix;
use crate::response::{Content, Response};
use crate::stop::Stop;
use crate::wire::Wire;

/// The form of a response. By default it is sent at once, unfolded, with `Content-Length`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    /// Whether each header is folded over two lines.
    pub(crate) folded: bool,
    /// Whether `Content-Length` is omitted.
    pub(crate) close_delimited: bool,
    pub(crate) segments: Option<Segments>,
}

/// Writes of a limited length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    pub(crate) bytes: usize,
    /// The pause after each segment.
    pub(crate) pause: Duration,
}

impl Segments {
    /// Sends the bytes in segments. Fails if the emulator stops meanwhile.
    pub(crate) fn send(&self, bytes: &[u8], wire: &mut Wire, stop: &Stop) -> io::Result<()> {
        for segment in bytes.chunks(self.bytes.max(1)) {
            wire.send(segment)?;
            if stop.wait(self.pause) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        Ok(())
    }
}

impl Framing {
    /// Sends a response, or only its prefix `sent`.
    pub(crate) fn send(
        &self,
        response: &Response,
        sent: Option<ResponsePrefix>,
        wire: &mut Wire,
        stop: &Stop,
    ) -> io::Result<()> {
        let mut bytes = self.header_section(response);
        let status_line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let headers = bytes.len();
        if let Content::Bytes(content) = &response.content {
            bytes.extend_from_slice(content);
        }
        let end = match sent {
            None => bytes.len(),
            Some(ResponsePrefix::HalfStatusLine) => status_line / 2,
            Some(ResponsePrefix::HalfHeaders) => usize::midpoint(status_line, headers),
            Some(ResponsePrefix::Headers) => headers,
            Some(ResponsePrefix::HalfContent) => usize::midpoint(headers, bytes.len()),
        };
        bytes.truncate(end);
        match self.segments {
            None => wire.send(&bytes),
            Some(segments) => segments.send(&bytes, wire, stop),
        }
    }

    fn header_section(&self, response: &Response) -> Vec<u8> {
        let section = response.head(!self.close_delimited);
        if self.folded { fold(&section) } else { section }
    }
}

/// Folds each header over two lines: at the first space of its value, or before a value without a space.
fn fold(section: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(section);
    let mut lines = text.split_terminator("\r\n");
    let mut folded = format!("{}\r\n", lines.next().unwrap_or_default());
    for line in lines {
        let line = match line.split_once(": ") {
            None => line.to_owned(),
            Some((name, value)) => match value.split_once(' ') {
                None => format!("{name}:\r\n {value}"),
                Some((start, rest)) => format!("{name}: {start}\r\n {rest}"),
            },
        };
        folded.push_str(&line);
        folded.push_str("\r\n");
    }
    folded.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_each_header_once() {
        let response = Response::empty(400).with("Date", "Tue, 20 Mar 2012").with("x-id", "abc");
        let framing = Framing { folded: true, ..Framing::default() };
        let text = String::from_utf8(framing.header_section(&response)).unwrap();
        assert_eq!(
            text,
            "HTTP/1.1 400 Bad Request\r\nDate: Tue,\r\n 20 Mar 2012\r\nx-id:\r\n abc\r\nContent-Length:\r\n 0\r\n\r\n"
        );
    }

    #[test]
    fn leaves_out_the_length_of_a_close_delimited_response() {
        let framing = Framing { close_delimited: true, ..Framing::default() };
        assert_eq!(framing.header_section(&Response::empty(404)), b"HTTP/1.1 404 Not Found\r\n\r\n");
    }
}

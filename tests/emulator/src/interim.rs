//! Interim responses (RFC 9110 section 15.2) that a fault sends before the response.

use std::io;
use std::time::Duration;

use crate::framing::Segments;
use crate::stop::Stop;
use crate::wire::Wire;

/// A sequence of equal interim responses.
#[derive(Clone, Debug)]
pub(crate) struct Interim {
    pub(crate) status: u16,
    pub(crate) http_1_0: bool,
    /// `None` means without end.
    pub(crate) count: Option<u64>,
    pub(crate) header_bytes: usize,
    pub(crate) segment_bytes: Option<usize>,
    pub(crate) pause: Duration,
}

impl Interim {
    /// Sends the interim responses. A sequence without end stops when the client closes the connection or the emulator stops.
    pub(crate) fn send(&self, wire: &mut Wire, stop: &Stop) -> io::Result<()> {
        let response = self.response();
        let segments = Segments { bytes: self.segment_bytes.unwrap_or(response.len()), pause: self.pause };
        let mut sent = 0;
        while self.count.is_none_or(|count| sent < count) {
            segments.send(&response, wire, stop)?;
            sent += 1;
        }
        Ok(())
    }

    fn response(&self) -> Vec<u8> {
        let version = if self.http_1_0 { "1.0" } else { "1.1" };
        let reason = match self.status {
            100 => "Continue",
            102 => "Processing",
            103 => "Early Hints",
            _ => "Unknown",
        };
        let mut text = format!("HTTP/{version} {} {reason}\r\n", self.status);
        if self.header_bytes > 0 {
            text.push_str(&format!("Link: {}\r\n", "x".repeat(self.header_bytes)));
        }
        (text + "\r\n").into_bytes()
    }
}

//! The payload as ureq reads it: exactly as long as announced, counted, no faster than the bandwidth limit lets it go, and
//! not read at all once an answer is there.

use std::io::{self, Read};

use super::Watch;
use super::line::{SharedLine, look};
use crate::error::{Error, Kind};

/// A reader of exactly `left` bytes.
pub(crate) struct Metered<'a> {
    line: SharedLine,
    watch: &'a Watch,
    reader: &'a mut dyn Read,
    left: u64,
}

impl<'a> Metered<'a> {
    /// Of a payload of that length, for an exchange on that line.
    pub(crate) fn new(line: SharedLine, watch: &'a Watch, reader: &'a mut dyn Read, length: u64) -> Self {
        Self { line, watch, reader, left: length }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = buf.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let buf = buf.get_mut(..most).unwrap_or_default();
        if buf.is_empty() {
            return Ok(0);
        }
        let length = match self.skip(buf.len())? {
            Some(skipped) => skipped,
            None => self.take_within_limit(buf)?,
        };
        self.left -= length as u64;
        Ok(length)
    }
}

impl Metered<'_> {
    /// Once an answer is there ureq still wants the rest, which goes nowhere: whatever lies in its buffer will do.
    fn skip(&self, length: usize) -> io::Result<Option<usize>> {
        let mut line = look(&self.line);
        if !line.is_answered_early() {
            return Ok(None);
        }
        line.check_cancel().map_err(io::Error::other)?;
        Ok(Some(length))
    }

    /// Takes as much as may go now. Waits for that with no lock held: other connections, and a cancel, go on.
    fn take_within_limit(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(bandwidth) = &self.watch.bandwidth else { return self.take(buf) };
        let may = bandwidth.take(buf.len(), &self.watch.cancel).map_err(io::Error::other)?;
        let length = self.take(buf.get_mut(..may).unwrap_or_default())?;
        bandwidth.give_back(may.saturating_sub(length));
        Ok(length)
    }

    fn take(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buf) {
                // ureq would ask again for ever.
                Ok(0) => return Err(io::Error::other(self.short())),
                Ok(length) => {
                    look(&self.line).add_payload(length);
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => return Err(error),
                Err(error) => return Err(io::Error::other(unreadable(error))),
            }
        }
    }

    fn short(&self) -> Error {
        Error::new(Kind::SourceShort, format!("the payload ended {} bytes before its announced length", self.left))
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::new(Kind::Io, format!("the payload could not be read: {error}")).caused_by(error)
}

//! The input and output buffers of ureq. Allocation can fail, and request heads are cleared after sending, because they contain
//! session tokens.

use ureq::unversioned::transport::Buffers;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Kind, Result};
use crate::sys::emergency_memory;

/// The size of ureq's output buffer, in bytes. It must hold the head of a request. It never holds payload, but it limits the
/// payload that is sent in one step.
pub(super) const SEND_BUFFER: usize = 128 << 10;

/// An output buffer, which is always written from its start, and an input buffer.
pub(crate) struct ExchangeBuffers {
    output: Zeroizing<Vec<u8>>,
    input: Zeroizing<Vec<u8>>,
    /// The end of the received input.
    filled: usize,
    /// The end of the input that ureq has consumed.
    consumed: usize,
    /// Whether ureq consumed anything at the last opportunity.
    has_progress: bool,
}

impl ExchangeBuffers {
    /// Allocates buffers of these sizes, in bytes.
    ///
    /// # Errors
    /// `Memory`.
    pub(crate) fn new(input: usize, output: usize) -> Result<Self> {
        emergency_memory::allocate_large(|| {
            let (output, input) = (zeros(output)?, zeros(input)?);
            Ok(Self { output, input, filled: 0, consumed: 0, has_progress: false })
        })
    }

    /// Clears the first bytes of the output after they were sent.
    pub(crate) fn clear_output(&mut self, length: usize) {
        if let Some(sent) = self.output.get_mut(..length) {
            sent.zeroize();
        }
    }
}

impl Buffers for ExchangeBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        self.input.get(self.consumed..self.filled).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        if self.consumed > 0 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        self.input.get_mut(self.filled..).unwrap_or_default()
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled = (self.filled + amount).min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.has_progress = amount > 0;
        self.consumed = (self.consumed + amount).min(self.filled);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let free = self.input.get_mut(self.filled..).unwrap_or_default();
        (free, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.consumed < self.filled && self.has_progress
    }
}

fn zeros(length: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    bytes.try_reserve_exact(length).map_err(|cause| {
        Error::new(Kind::Memory, format!("out of memory for a connection buffer of {length} bytes")).caused_by(cause)
    })?;
    bytes.resize(length, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumes_input_in_order() {
        let mut buffers = ExchangeBuffers::new(4, 4).unwrap();
        assert!(!buffers.can_use_input());
        buffers.input_append_buf().copy_from_slice(b"abcd");
        buffers.input_appended(4);
        assert!(buffers.input_append_buf().is_empty());
        buffers.input_consume(3);
        assert!(buffers.can_use_input());
        assert_eq!(buffers.input(), b"d");
        let free = buffers.input_append_buf();
        assert_eq!(free.len(), 3);
        free[..2].copy_from_slice(b"ef");
        buffers.input_appended(2);
        assert_eq!(buffers.input(), b"def");
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "more input is needed");
    }

    #[test]
    fn clears_output_after_sending() {
        let mut buffers = ExchangeBuffers::new(1, 4).unwrap();
        buffers.output().copy_from_slice(b"head");
        buffers.clear_output(3);
        assert_eq!(buffers.output(), b"\0\0\0d");
    }

    #[test]
    fn reports_out_of_memory() {
        let error = ExchangeBuffers::new(1, usize::MAX).err().unwrap();
        assert_eq!(error.kind(), Kind::Memory);
    }
}

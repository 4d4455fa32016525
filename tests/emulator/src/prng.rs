//! A pseudorandom number generator with text seeds.

use sha2::{Digest as _, Sha256};

/// Pseudorandom numbers. The same seed gives the same numbers.
#[derive(Debug)]
pub(crate) struct SeededDraws {
    from: Sha256,
    count: u64,
}

impl SeededDraws {
    pub(crate) fn new(from: &str) -> Self {
        Self { from: Sha256::new_with_prefix(from), count: 0 }
    }

    fn next(&mut self) -> u64 {
        let block = self.from.clone().chain_update(self.count.to_le_bytes()).finalize();
        self.count += 1;
        block.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Returns a number below `end`, which must not be zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, these: &[T; N]) -> T {
        let place = usize::try_from(self.below(N as u64)).unwrap_or(0);
        these[place]
    }

    /// Returns true with this probability.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        // 32 bits are precise enough for a probability.
        let digits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(digits) < share * (f64::from(u32::MAX) + 1.0)
    }
}

//! Identifiers in the service's form: long and random.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

/// A generator of unique identifiers. Two runs of the emulator share none.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    seed: [u8; 32],
    count: AtomicU64,
}

impl IdGenerator {
    /// A generator seeded by the operating system.
    pub(crate) fn new() -> Self {
        let mut seed = Sha256::new();
        for _ in 0..4 {
            // The standard library exposes the system's randomness only in this form.
            seed.update(RandomState::new().build_hasher().finish().to_le_bytes());
        }
        Self { seed: seed.finalize().into(), count: AtomicU64::new(0) }
    }

    /// Returns 92 characters. Every third ID begins with `-`, as real IDs can. This tests programs that pass an ID as an
    /// argument.
    pub(crate) fn upload_id(&self) -> String {
        self.url_safe(92)
    }

    /// Returns 138 characters. See [`Self::upload_id`].
    pub(crate) fn archive_id(&self) -> String {
        self.url_safe(138)
    }

    /// Returns 47 characters.
    pub(crate) fn request_id(&self) -> String {
        self.draw(47).1
    }

    /// Returns a marker with characters that are special in a query, so that a client must encode it.
    pub(crate) fn marker(&self) -> String {
        format!("{}+{}/{}&=", self.draw(12).1, self.draw(12).1, self.draw(12).1)
    }

    fn url_safe(&self, length: usize) -> String {
        let (number, text) = self.draw(length);
        if number % 3 == 0 { format!("-{}", &text[1..]) } else { text }
    }

    fn draw(&self, length: usize) -> (u64, String) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let block = |i: u64| {
            Sha256::new()
                .chain_update(self.seed)
                .chain_update(number.to_le_bytes())
                .chain_update(i.to_le_bytes())
                .finalize()
        };
        let letters = (0u64..).flat_map(block).map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
        (number, letters.take(length).collect())
    }
}

//! What an upload of the soak is, drawn from its seed.

use std::sync::Arc;

use fastrand::Rng;
use glacier_emulator::{Options, RandomFaults};
use glacier_mp::config::Config;

use crate::scene::{Content, MIB, credentials};

/// Everything that is decided before an upload begins.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) source: Source,
    pub(crate) journal: bool,
    /// Whether runs have a thread of their own.
    pub(crate) background: bool,
    /// The share of sessions that the caller stops.
    pub(crate) stops: f64,
    pub(crate) workers: u32,
    /// Whether there is somebody to ask for another key.
    pub(crate) provider: bool,
    /// In bytes a second; 0: none.
    bandwidth: u64,
    tls: bool,
    start: usize,
    size: usize,
    part: usize,
    faults: RandomFaults,
}

/// Where the bytes come from, and who sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File,
    Memory,
    /// In pieces of so many bytes at most; its length may be announced.
    Callback {
        piece: usize,
        announced: bool,
    },
    /// In pieces of so many bytes.
    WriteSession {
        piece: usize,
    },
    /// By several handles, each a range of parts.
    Ranges {
        handles: u32,
    },
    /// Part by part, by so many threads.
    ByHand {
        threads: u32,
    },
}

impl Course {
    pub(crate) fn draw(seed: u64, rng: &mut Rng) -> Self {
        let part = rng.choice([MIB, MIB, MIB, 2 * MIB, 4 * MIB]).unwrap();
        let parts = rng.usize(1..=6).min(12 * MIB / part);
        let last = if rng.bool() { part } else { rng.usize(1..=part) };
        let size = (parts - 1) * part + last;
        let piece = rng.usize(1000..=3 * MIB);
        let source = match rng.u32(0..8) {
            0..=2 => Source::File,
            3 => Source::Memory,
            4 => Source::Callback { piece, announced: rng.bool() },
            5 => Source::WriteSession { piece },
            6 => Source::Ranges { handles: rng.u32(1..=3) },
            _ => Source::ByHand { threads: rng.u32(1..=3) },
        };
        Self {
            source,
            journal: rng.bool(),
            background: rng.u32(0..3) == 0,
            stops: if rng.bool() { 0.0 } else { 0.4 },
            workers: rng.u32(1..=6),
            provider: rng.bool(),
            bandwidth: rng.choice([0, 0, 0, 8 << 20]).unwrap(),
            tls: rng.bool(),
            start: rng.usize(0..12 * MIB),
            size,
            part,
            faults: RandomFaults {
                probability: rng.choice([0.1, 0.2, 0.4]).unwrap(),
                in_a_row: rng.u32(1..=3),
                millis: 20,
                ..RandomFaults::new(seed)
            },
        }
    }

    pub(crate) fn options(&self) -> Options {
        Options { tls: self.tls, random_faults: Some(self.faults.clone()), ..Options::default() }
    }

    pub(crate) fn content(&self) -> Arc<Content> {
        Arc::new(Content::new(self.start, self.size, self.part))
    }

    pub(crate) fn settings(&self, config: &mut Config) {
        config.set_concurrency(self.workers).unwrap();
        config.set_bandwidth_limit(self.bandwidth).unwrap();
        if self.provider {
            config.set_credentials_provider(Some(Box::new(|| Ok(credentials())))).unwrap();
        }
    }
}

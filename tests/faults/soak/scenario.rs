//! The scenario of one upload of the soak.

use std::sync::Arc;

use fastrand::Rng;
use glacier_emulator::{Options, RandomFaults};
use glacier_mp::config::Config;

use crate::fixture::{Content, MIB, credentials};

/// The scenario of one upload. The seed determines it.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) method: UploadMethod,
    pub(crate) journal: bool,
    /// Whether runs are started in the background.
    pub(crate) background: bool,
    /// The share of sessions that the caller stops.
    pub(crate) stops: f64,
    pub(crate) workers: u32,
    /// Whether a credentials provider is set.
    pub(crate) provider: bool,
    /// The bandwidth limit in bytes per second. 0 means no limit.
    bandwidth: u64,
    tls: bool,
    start: usize,
    size: usize,
    part: usize,
    faults: RandomFaults,
}

/// How the bytes are supplied and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadMethod {
    File,
    Memory,
    /// By a callback with pieces of at most this size. The total length may be announced.
    Callback {
        piece: usize,
        announced: bool,
    },
    /// Written in pieces of this size.
    WriteSession {
        piece: usize,
    },
    /// By several handles with a part range each.
    Ranges {
        handles: u32,
    },
    /// Part by part on this number of threads.
    ByHand {
        threads: u32,
    },
}

impl Scenario {
    pub(crate) fn generate(seed: u64, rng: &mut Rng) -> Self {
        let part = rng.choice([MIB, MIB, MIB, 2 * MIB, 4 * MIB]).unwrap();
        let parts = rng.usize(1..=6).min(12 * MIB / part);
        let last = if rng.bool() { part } else { rng.usize(1..=part) };
        let size = (parts - 1) * part + last;
        let piece = rng.usize(1000..=3 * MIB);
        let method = match rng.u32(0..8) {
            0..=2 => UploadMethod::File,
            3 => UploadMethod::Memory,
            4 => UploadMethod::Callback { piece, announced: rng.bool() },
            5 => UploadMethod::WriteSession { piece },
            6 => UploadMethod::Ranges { handles: rng.u32(1..=3) },
            _ => UploadMethod::ByHand { threads: rng.u32(1..=3) },
        };
        Self {
            method,
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

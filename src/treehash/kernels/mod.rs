//! SHA-256 of several streams at once, or of one stream into two states.
//!
//! One SHA-256 waits for its own last result most of the time. A kernel fills that time with a second state or with
//! fifteen other streams, by instructions that not every processor has: which it has is found out at run time, once.
//!
//! Each kernel takes as many blocks as the shortest of its streams has.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use std::array;
use std::sync::OnceLock;

use super::sha256::{Block, State};

/// Kernels that go together: a way to hash that a processor has.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    name: &'static str,
    /// Lets two states take the same blocks.
    pub(super) dual: fn(&mut [State; 2], [&[Block]; 1]),
    /// Lets two states take blocks of their own.
    pub(super) pair: fn(&mut [State; 2], [&[Block]; 2]),
    pub(super) sixteen: Option<SixteenLanes>,
}

/// Sixteen streams at once, at a cost that does not depend on how many of them are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct SixteenLanes {
    /// From so many streams on, it is faster with one state each than the other kernels.
    pub(super) min_streams: usize,
    policy: BatchPolicy,
    /// Each stream has one state.
    pub(super) single_state: fn(&mut [States; 1], [&[Block]; LANES]),
    /// Each stream has two states, which take the same blocks.
    pub(super) dual_state: fn(&mut [States; 2], [&[Block]; LANES]),
}

/// How many streams a processor takes at once, at most.
pub(super) const LANES: usize = 16;

/// How many parts are hashed faster together than one after the other.
#[derive(Clone, Copy, Debug)]
pub struct BatchPolicy {
    /// From so many on, up to eight are: each of their two hashes has a lane of its own.
    pub(crate) min_half: usize,
    /// From so many on, up to sixteen are: both hashes of a part have one lane, which does more for each block.
    pub(crate) min_full: usize,
}

impl BatchPolicy {
    pub(crate) const NEVER: Self = Self { min_half: usize::MAX, min_full: usize::MAX };

    /// How many of so many parts that wait are best hashed now; one is hashed by itself.
    pub fn batch_size(self, waiting: usize) -> usize {
        match waiting {
            _ if waiting >= self.min_full => waiting.min(LANES),
            _ if waiting >= self.min_half => waiting.min(LANES / 2),
            _ => waiting.min(1),
        }
    }

    /// How many are hashed at a time, at most.
    pub fn max(self) -> usize {
        self.batch_size(LANES)
    }
}

impl Kernels {
    /// The fastest that this processor can run.
    pub fn best() -> &'static Self {
        Self::all().last().unwrap_or(&PORTABLE)
    }

    /// All that this processor can run, from the slowest to the fastest: for tests and measurements.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Kernels>> = OnceLock::new();
        ALL.get_or_init(detect)
    }

    /// What it is called in tests and measurements.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many parts it hashes faster together.
    pub fn batch_policy(&self) -> BatchPolicy {
        self.sixteen.map_or(BatchPolicy::NEVER, |sixteen| sixteen.policy)
    }

    /// How many leaves it takes to use the processor fully.
    pub(super) fn preferred_leaves(&self) -> usize {
        if self.sixteen.is_some() { LANES } else { 2 }
    }
}

const PORTABLE: Kernels = Kernels { name: "portable", dual: portable::dual, pair: portable::pair, sixteen: None };

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Vec<Kernels> {
    vec![PORTABLE]
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Vec<Kernels> {
    let mut all = vec![PORTABLE];
    let mut best = PORTABLE;
    // Where one alone takes seven times as long, two are enough.
    let (mut min_streams, mut policy) = (2, BatchPolicy { min_half: 2, min_full: 11 });
    if let Some((dual, pair)) = sha_ni::detect() {
        best = Kernels { name: "SHA-NI", dual, pair, sixteen: None };
        all.push(best);
        // Measured: five take about the same either way; and ten as eight together, and two by themselves.
        (min_streams, policy) = (8, BatchPolicy { min_half: 6, min_full: 11 });
    }
    if let Some((single_state, dual_state)) = avx512::detect() {
        all.push(Kernels {
            name: "AVX-512",
            sixteen: Some(SixteenLanes { min_streams, policy, single_state, dual_state }),
            ..best
        });
    }
    all
}

/// Sixteen states, word by word: the first words of all, then the second words, and so on.
pub(super) type States = [[u32; LANES]; 8];

/// What each lane takes, of at least one thing. Lanes that are left over take the first again.
pub(super) fn fill_lanes<T>(things: &[T]) -> [&T; LANES] {
    array::from_fn(|lane| things.get(lane).unwrap_or(&things[0]))
}

/// Sixteen times the same state.
pub(super) fn broadcast(state: State) -> States {
    state.map(|word| [word; LANES])
}

/// One of sixteen states.
pub(super) fn lane_state(states: &States, lane: usize) -> State {
    states.map(|words| words[lane])
}

fn shortest<const N: usize>(streams: &[&[Block]; N]) -> usize {
    streams.iter().map(|stream| stream.len()).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use fastrand::Rng;

    use super::*;
    use crate::treehash::sha256::compress;

    /// Sixteen streams of bytes, each at an address of its own kind.
    struct Streams([(usize, Vec<u8>); LANES]);

    impl Streams {
        fn random(random: &mut Rng, blocks: usize) -> Self {
            Self(array::from_fn(|_| {
                let skip = random.usize(..64);
                let mut bytes = vec![0; skip + blocks * 64];
                random.fill(&mut bytes);
                (skip, bytes)
            }))
        }

        fn blocks(&self) -> [&[Block]; LANES] {
            self.0.each_ref().map(|(skip, bytes)| bytes[*skip..].as_chunks().0)
        }
    }

    fn random_states(random: &mut Rng) -> [State; LANES] {
        array::from_fn(|_| array::from_fn(|_| random.u32(..)))
    }

    fn compressed(mut state: State, blocks: &[Block]) -> State {
        compress(&mut state, blocks);
        state
    }

    fn transpose(states: [State; LANES]) -> States {
        array::from_fn(|word| states.map(|state| state[word]))
    }

    #[test]
    fn every_kernel_compresses_as_the_portable_function() {
        let mut random = Rng::with_seed(0x6761_7263);
        for (kernels, count) in Kernels::all().iter().flat_map(|kernels| (0..=40).map(move |count| (kernels, count))) {
            let label = format!("{count} blocks, {}", kernels.name());
            let streams = Streams::random(&mut random, count);
            let (blocks, states) = (streams.blocks(), random_states(&mut random));
            let expected: [State; LANES] = array::from_fn(|lane| compressed(states[lane], blocks[lane]));

            let mut pair = [states[0], states[1]];
            (kernels.pair)(&mut pair, [blocks[0], blocks[1]]);
            assert_eq!(pair, expected[..2], "pair, {label}");

            let mut dual = [states[0], states[1]];
            (kernels.dual)(&mut dual, [blocks[0]]);
            assert_eq!(dual, [expected[0], compressed(states[1], blocks[0])], "dual, {label}");

            let Some(sixteen) = kernels.sixteen else { continue };
            let mut one = [transpose(states)];
            (sixteen.single_state)(&mut one, blocks);
            assert_eq!(array::from_fn(|lane| lane_state(&one[0], lane)), expected, "one state, {label}");

            let others = random_states(&mut random);
            let mut two = [transpose(states), transpose(others)];
            (sixteen.dual_state)(&mut two, blocks);
            assert_eq!(two[0], one[0], "first of two states, {label}");
            for (lane, stream) in blocks.into_iter().enumerate() {
                assert_eq!(lane_state(&two[1], lane), compressed(others[lane], stream), "lane {lane}, {label}");
            }
        }
    }

    #[test]
    fn the_shortest_stream_ends_them_all() {
        let mut random = Rng::with_seed(7);
        let streams = Streams::random(&mut random, 5);
        let states = random_states(&mut random);
        for (kernels, short) in Kernels::all().iter().flat_map(|kernels| (0..LANES).map(move |short| (kernels, short)))
        {
            let mut blocks = streams.blocks();
            blocks[short] = &blocks[short][..3];

            let length = if short < 2 { 3 } else { 5 };
            let mut pair = [states[0], states[1]];
            (kernels.pair)(&mut pair, [blocks[0], blocks[1]]);
            let expected: [State; 2] = array::from_fn(|i| compressed(states[i], &blocks[i][..length]));
            assert_eq!(pair, expected, "{} {short}", kernels.name());

            let Some(sixteen) = kernels.sixteen else { continue };
            let mut one = [transpose(states)];
            (sixteen.single_state)(&mut one, blocks);
            for lane in 0..LANES {
                assert_eq!(lane_state(&one[0], lane), compressed(states[lane], &blocks[lane][..3]), "{lane} {short}");
            }
        }
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    fn what_the_processor_can_do_is_used() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags: Vec<_> = info.lines().find(|line| line.starts_with("flags")).unwrap().split_whitespace().collect();
        let can = |needed: &[&str]| needed.iter().all(|flag| flags.contains(flag));
        let all = [("portable", true), ("SHA-NI", can(&["sha_ni", "avx"])), ("AVX-512", can(&["avx512f", "avx512bw"]))];
        for (name, by_flags) in all {
            let runs = Kernels::all().iter().any(|kernels| kernels.name() == name);
            // Replay the capture: whoever reads the log of a test run should know what was not tested there.
            writeln!(io::stderr(), "hash kernels, {name}: {}", if runs { "tested" } else { "skipped" }).unwrap();
            assert!(runs || !by_flags, "the processor can run {name}, but it was not found");
        }
    }
}

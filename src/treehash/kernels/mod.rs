//! SHA-256 kernels: compression of several streams at once, or of one stream into two states.
//!
//! A single SHA-256 is bound by latency: each round waits for the last one. A kernel uses this time for a second state or
//! for 15 other streams. It needs instructions that only some processors have, detected once at run time.
//!
//! Each kernel compresses as many blocks as its shortest stream has.

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
mod two_states;

use once_cell::race::OnceBox;

use self::lanes::{LANES, States};
use super::sha256::{Block, State};

/// Compresses the blocks of one stream into both states, or those of two streams into one state each.
type Kernel<const STREAMS: usize> = fn(&mut [State; 2], [&[Block]; STREAMS]);

/// A set of kernels for one kind of processor.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    name: &'static str,
    /// Compresses the same blocks into two states.
    pub(super) dual: Kernel<1>,
    /// Compresses two streams into one state each.
    pub(super) pair: Kernel<2>,
    pub(super) sixteen: Option<SixteenLanes>,
}

/// Kernels for 16 streams at once. The cost does not depend on the number of streams in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct SixteenLanes {
    /// The smallest number of streams for which `single_state` is faster than the other kernels.
    pub(super) min_streams: usize,
    policy: BatchPolicy,
    /// Compresses each stream into one state.
    pub(super) single_state: fn(&mut [States; 1], [&[Block]; LANES]),
    /// Compresses each stream into two states.
    pub(super) dual_state: fn(&mut [States; 2], [&[Block]; LANES]),
}

/// The numbers of parts that are hashed faster at once than one at a time.
#[derive(Clone, Copy, Debug)]
pub struct BatchPolicy {
    /// From this number on, up to 8 parts are hashed at once: each of their two hashes uses its own lane.
    pub(crate) min_half: usize,
    /// From this number on, up to 16 parts are hashed at once: both hashes of a part share a lane, at a higher cost per
    /// block.
    pub(crate) min_full: usize,
}

impl BatchPolicy {
    /// One part at a time.
    pub(crate) const NEVER: Self = Self { min_half: usize::MAX, min_full: usize::MAX };

    /// Returns how many of the waiting parts to hash at once.
    pub fn batch_size(self, waiting: usize) -> usize {
        match waiting {
            _ if waiting >= self.min_full => waiting.min(LANES),
            _ if waiting >= self.min_half => waiting.min(LANES / 2),
            _ => waiting.min(1),
        }
    }

    /// Returns the largest batch.
    pub fn max(self) -> usize {
        self.batch_size(LANES)
    }
}

impl Kernels {
    /// Returns the fastest kernels for this processor.
    pub fn best() -> &'static Self {
        Self::all().last().unwrap_or(&PORTABLE)
    }

    /// Returns all kernels that this processor can run, slowest first. For tests and benchmarks.
    pub fn all() -> &'static [Self] {
        // No lock: a forked child could inherit it in its locked state. If several threads detect the kernels, one result is kept.
        static ALL: OnceBox<Vec<Kernels>> = OnceBox::new();
        ALL.get_or_init(|| Box::new(detect()))
    }

    /// Returns the name, for tests and benchmarks.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns how many parts to hash at once.
    pub fn batch_policy(&self) -> BatchPolicy {
        self.sixteen.map_or(BatchPolicy::NEVER, |sixteen| sixteen.policy)
    }

    /// Returns the number of leaves that uses the processor fully.
    pub(super) fn preferred_leaves(&self) -> usize {
        if self.sixteen.is_some() { LANES } else { 2 }
    }
}

const PORTABLE: Kernels = Kernels { name: "portable", dual: portable::dual, pair: portable::pair, sixteen: None };

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
fn detect() -> Vec<Kernels> {
    vec![PORTABLE]
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
fn detect() -> Vec<Kernels> {
    let armv8 = armv8::detect().map(|(dual, pair)| Kernels { name: "ARMv8", dual, pair, sixteen: None });
    [PORTABLE].into_iter().chain(armv8).collect()
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Vec<Kernels> {
    let mut all = vec![PORTABLE];
    let mut best = PORTABLE;
    // Without SHA-NI, a single stream takes about seven times as long, so 2 streams at once are faster already.
    let (mut min_streams, mut policy) = (2, BatchPolicy { min_half: 2, min_full: 11 });
    if let Some((dual, pair)) = sha_ni::detect() {
        best = Kernels { name: "SHA-NI", dual, pair, sixteen: None };
        all.push(best);
        // Measured: 5 parts take about the same time either way, as do 10 parts at once and 8 at once plus 2 single ones.
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

#[cfg(test)]
mod tests {
    use std::array;

    use fastrand::Rng;

    use super::lanes::lane_state;
    use super::*;
    use crate::treehash::sha256::compress;

    /// 16 streams of bytes at different alignments.
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
    fn every_kernel_matches_the_portable_compression() {
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
    fn stops_at_the_end_of_the_shortest_stream() {
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
    fn detects_the_features_of_the_processor() {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags: Vec<_> = info.lines().find(|line| line.starts_with("flags")).unwrap().split_whitespace().collect();
        let can = |needed: &[&str]| needed.iter().all(|flag| flags.contains(flag));
        assert_detected("portable", true);
        assert_detected("SHA-NI", can(&["sha_ni", "avx"]));
        assert_detected("AVX-512", can(&["avx512f", "avx512bw"]));
    }

    #[test]
    #[cfg(all(target_arch = "aarch64", target_endian = "little", target_os = "linux"))]
    #[allow(unsafe_code)]
    fn detects_the_features_of_the_processor() {
        // SAFETY: the function has no preconditions.
        let capabilities = unsafe { libc::getauxval(libc::AT_HWCAP) };
        assert_detected("portable", true);
        assert_detected("ARMv8", capabilities & libc::HWCAP_SHA2 != 0);
    }

    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_os = "linux"))]
    fn assert_detected(name: &str, has_features: bool) {
        use std::io::{self, Write};

        let runs = Kernels::all().iter().any(|kernels| kernels.name() == name);
        // Bypasses the capture of test output: the log of a test run must show which kernels were skipped.
        writeln!(io::stderr(), "hash kernels, {name}: {}", if runs { "tested" } else { "skipped" }).unwrap();
        assert!(runs || !has_features, "the processor supports {name}, but it was not detected");
    }
}

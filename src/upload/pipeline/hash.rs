//! The queue of parts that wait for their hashes. Waiting parts are hashed together if that is faster; no part waits for
//! others to arrive.

use std::collections::BTreeMap;

use super::part::{HASH_STEP, HashedPart, PartBytes, hash_by_window};
use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};
use crate::treehash::{BatchPolicy, Kernels, PartHasher, PartHashes};
use crate::upload::session::resume::PendingPart;

/// A bounded queue between the thread that reads parts and the threads that hash them step by step.
#[derive(Debug)]
pub(crate) struct HashQueue<'a> {
    policy: BatchPolicy,
    capacity: usize,
    state: Mutex<State<'a>>,
    /// Wakes the reading thread.
    has_room: Condvar,
    /// Wakes the hashing threads.
    has_work: Condvar,
}

#[derive(Debug, Default)]
struct State<'a> {
    /// By index: the first part of the archive is hashed first.
    waiting: BTreeMap<u32, HashingPart<'a>>,
    /// The number of parts that hashing threads have taken.
    taken: usize,
    /// Whether the last part was read.
    closed: bool,
}

/// A part that is being hashed.
#[derive(Debug)]
pub(crate) struct HashingPart<'a> {
    pending: PendingPart,
    bytes: PartBytes<'a>,
    hasher: PartHasher,
    /// The number of bytes in memory that are hashed.
    hashed: usize,
    hashes: Option<PartHashes>,
}

impl<'a> HashQueue<'a> {
    /// Creates a queue of `capacity` parts, or of as many as can be hashed together if that is more.
    pub(crate) fn new(policy: BatchPolicy, capacity: usize) -> Self {
        let capacity = capacity.max(policy.max());
        Self { policy, capacity, state: Mutex::default(), has_room: Condvar::new(), has_work: Condvar::new() }
    }

    /// Adds a part; waits while the queue is full.
    pub(crate) fn push(&self, part: HashingPart<'a>, cancel: &Cancel) -> Result<()> {
        let mut state = self.lock();
        while state.waiting.len() >= self.capacity {
            cancel.check()?;
            state = wait_at_most(&self.has_room, state, CANCEL_POLL_INTERVAL);
        }
        state.waiting.insert(part.pending.index, part);
        self.has_work.notify_one();
        Ok(())
    }

    /// Closes the queue: no more parts are added.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.has_work.notify_all();
    }

    /// Takes the parts of the next step; waits for one. Empty when the queue is closed and all parts are hashed.
    pub(crate) fn take(&self, cancel: &Cancel) -> Result<Vec<HashingPart<'a>>> {
        let mut state = self.lock();
        loop {
            cancel.check()?;
            let step = state.take_step(self.policy);
            if !step.is_empty() {
                self.has_room.notify_one();
                if !state.waiting.is_empty() {
                    self.has_work.notify_one();
                }
                return Ok(step);
            }
            if state.is_finished() {
                return Ok(step);
            }
            state = wait_at_most(&self.has_work, state, CANCEL_POLL_INTERVAL);
        }
    }

    /// Returns the parts of a step to the queue, and removes those that are completely hashed.
    pub(crate) fn give_back(&self, step: Vec<HashingPart<'a>>) -> Vec<HashedPart<'a>> {
        let mut state = self.lock();
        state.taken -= step.len();
        let mut hashed = Vec::new();
        for part in step {
            match part.hashes {
                Some(hashes) => hashed.push(HashedPart { pending: part.pending, bytes: part.bytes, hashes }),
                None => _ = state.waiting.insert(part.pending.index, part),
            }
        }
        if state.is_finished() {
            self.has_work.notify_all();
        } else if !hashed.is_empty() && !state.waiting.is_empty() {
            // The returning thread still has to queue its parts, so wake another hasher.
            self.has_work.notify_one();
        }
        hashed
    }

    /// Drops all waiting parts.
    pub(crate) fn clear(&self) {
        self.lock().waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        lock(&self.state)
    }
}

impl<'a> State<'a> {
    /// Takes the first part, with the others that can be hashed together with it, if they are enough.
    fn take_step(&mut self, policy: BatchPolicy) -> Vec<HashingPart<'a>> {
        let Some((first, length)) = self.waiting.first_key_value().map(|(index, part)| (*index, part.next().len()))
        else {
            return Vec::new();
        };
        let mut step = vec![first];
        // A part that is read twice has nothing in memory, and is hashed alone.
        if length > 0 {
            let alike = self.waiting.iter().filter(|(_, part)| part.next().len() == length);
            step = alike.map(|(index, _)| *index).collect();
            step.truncate(policy.batch_size(step.len()));
        }
        self.taken += step.len();
        step.into_iter().filter_map(|index| self.waiting.remove(&index)).collect()
    }

    fn is_finished(&self) -> bool {
        self.closed && self.waiting.is_empty() && self.taken == 0
    }
}

impl<'a> HashingPart<'a> {
    /// Creates a part that was read, or that is read twice.
    pub(crate) fn new(pending: PendingPart, bytes: PartBytes<'a>) -> Self {
        Self { pending, bytes, hasher: PartHasher::new(), hashed: 0, hashes: None }
    }

    /// Returns the bytes that are hashed next; none of a part that is read twice.
    fn next(&self) -> &[u8] {
        next_of(&self.bytes, self.hashed)
    }

    fn with_hasher(&mut self) -> (&mut PartHasher, &[u8]) {
        (&mut self.hasher, next_of(&self.bytes, self.hashed))
    }

    /// Records that the next bytes are hashed, and returns their number.
    fn advance(&mut self) -> u64 {
        let length = self.next().len();
        self.hashed += length;
        if self.next().is_empty() {
            self.hashes = Some(self.hasher.finish());
        }
        length as u64
    }
}

/// Hashes the parts of a step: 1 MiB of each, or all of one that is read twice. `hashed` gets the number of bytes.
pub(crate) fn hash_step(
    kernels: &Kernels,
    step: &mut [HashingPart<'_>],
    cancel: &Cancel,
    hashed: impl Fn(u64),
) -> Result<()> {
    if let [HashingPart { pending, bytes: PartBytes::ReadTwice(source, window), hashes, .. }] = step {
        let hashed = hash_by_window(source, pending.range, *window, cancel, hashed);
        *hashes = Some(hashed.map_err(|error| pending.in_part(error))?);
        return Ok(());
    }
    kernels.update_parts(&mut step.iter_mut().map(HashingPart::with_hasher).collect::<Vec<_>>());
    step.iter_mut().for_each(|part| hashed(part.advance()));
    Ok(())
}

fn next_of<'b>(bytes: &'b PartBytes<'_>, hashed: usize) -> &'b [u8] {
    let rest = &bytes.in_memory()[hashed..];
    &rest[..rest.len().min(HASH_STEP)]
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::error::Kind;
    use crate::limits::MIB;
    use crate::plan::ByteRange;
    use crate::source::Source;
    use crate::treehash::part_hashes;

    const LEAF: usize = 1 << 20;
    const TWO: BatchPolicy = BatchPolicy { min_half: 2, ..BatchPolicy::NEVER };

    fn part(index: u32, bytes: &[u8]) -> HashingPart<'_> {
        HashingPart::new(pending(index, bytes.len() as u64), PartBytes::Lent(bytes))
    }

    fn pending(index: u32, length: u64) -> PendingPart {
        PendingPart::new(index, ByteRange { first: 0, last: length - 1 })
    }

    /// Queues parts, with indexes from `first`.
    fn put<'a>(hashing: &HashQueue<'a>, first: u32, parts: &[&'a [u8]]) {
        for (index, bytes) in (first..).zip(parts) {
            hashing.push(part(index, bytes), &Cancel::default()).unwrap();
        }
    }

    /// Hashes one step. Returns the indexes of its parts, and the parts that are completely hashed after it.
    fn step<'a>(hashing: &HashQueue<'a>) -> (Vec<u32>, Vec<HashedPart<'a>>) {
        let cancel = Cancel::default();
        let mut step = hashing.take(&cancel).unwrap();
        let indexes = step.iter().map(|part| part.pending.index).collect();
        hash_step(Kernels::best(), &mut step, &cancel, |_| ()).unwrap();
        (indexes, hashing.give_back(step))
    }

    fn steps(hashing: &HashQueue<'_>) -> Vec<Vec<u32>> {
        hashing.close();
        std::iter::from_fn(|| Some(step(hashing).0).filter(|indexes| !indexes.is_empty())).collect()
    }

    #[test]
    fn hashes_waiting_parts_together_and_a_single_part_at_once() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy { min_half: 3, min_full: 12 }, 6);
        put(&hashing, 0, &[&data]);
        assert_eq!(step(&hashing).0, [0], "a single part does not wait");
        put(&hashing, 1, &[&data]);
        assert_eq!(step(&hashing).0, [0], "two parts are fewer than min_half");
        put(&hashing, 2, &[&data[..]; 9]);
        let (eight, two): (Vec<_>, _) = ((1..9).collect(), [9, 10]);
        assert_eq!(steps(&hashing), [&eight[..], &eight, &two[..1], &two[..1], &two[1..], &two[1..]]);
        let hashing = HashQueue::new(BatchPolicy { min_half: 3, min_full: 12 }, 6);
        put(&hashing, 0, &[&data[..LEAF]; 13]);
        assert_eq!(steps(&hashing), [(0..13).collect::<Vec<_>>()], "min_full parts are hashed together");
    }

    #[test]
    fn new_parts_join_parts_that_are_partly_hashed() {
        let data = vec![7; 3 * LEAF];
        let hashing = HashQueue::new(TWO, 4);
        put(&hashing, 0, &[&data[..]; 2]);
        assert_eq!(step(&hashing).0, [0, 1]);
        put(&hashing, 2, &[&data]);
        assert_eq!(steps(&hashing), [vec![0, 1, 2], vec![0, 1, 2], vec![2]]);
    }

    #[test]
    fn hashes_the_first_part_first_without_batches() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy::NEVER, 3);
        put(&hashing, 0, &[&data[..]; 3]);
        assert_eq!(steps(&hashing), [[0], [0], [1], [1], [2], [2]]);
    }

    #[test]
    fn hashes_short_ends_and_parts_read_twice_alone() {
        let data = vec![7; LEAF + 5].leak();
        let source = Source::Memory(data);
        let memory = std::sync::Arc::new(crate::memory::BufferPool::new(MIB));
        let window = super::super::part::ReadWindow { memory: &memory, length: 4096 };
        let hashing = HashQueue::new(TWO, 8);
        put(&hashing, 0, &[data, data, &data[..LEAF], &data[..7]]);
        for index in [4, 5] {
            let twice = HashingPart::new(pending(index, data.len() as u64), PartBytes::ReadTwice(&source, window));
            hashing.push(twice, &Cancel::default()).unwrap();
        }
        assert_eq!(steps(&hashing), [vec![0, 1, 2], vec![0, 1], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn every_kernel_computes_the_same_hashes() {
        let data: Vec<u8> = (0..=250).cycle().take(5 * LEAF).collect();
        let parts: Vec<_> = (0..18).map(|i| &data[i * 999..][..LEAF * (i % 4) + i * 1001 + 1]).collect();
        for kernels in Kernels::all() {
            let hashing = HashQueue::new(kernels.batch_policy(), 18);
            let (cancel, counted) = (Cancel::default(), std::cell::Cell::new(0));
            let mut all = Vec::new();
            put(&hashing, 0, &parts);
            hashing.close();
            loop {
                let mut step = hashing.take(&cancel).unwrap();
                if step.is_empty() {
                    break;
                }
                hash_step(kernels, &mut step, &cancel, |bytes| counted.set(counted.get() + bytes)).unwrap();
                all.extend(hashing.give_back(step));
            }
            all.sort_by_key(|part| part.pending.index);
            let hashes: Vec<_> = all.into_iter().map(|part| part.hashes).collect();
            let expected: Vec<_> = parts.iter().map(|part| part_hashes(part)).collect();
            assert_eq!(hashes, expected, "{}", kernels.name());
            assert_eq!(counted.get(), parts.iter().map(|part| part.len() as u64).sum::<u64>());
        }
    }

    #[test]
    fn push_waits_for_room_and_cancel_ends_both_waits() {
        let cancel = Cancel::default();
        let hashing = HashQueue::new(BatchPolicy::NEVER, 1);
        put(&hashing, 0, &[b"x"]);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| hashing.push(part(1, b"y"), &cancel));
            assert_eq!(step(&hashing).0, [0]);
            waiting.join().unwrap().unwrap();
        });
        cancel.raise();
        assert_eq!(hashing.push(part(2, b"z"), &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(hashing.take(&cancel).unwrap_err().kind(), Kind::Canceled);
    }

    #[test]
    fn take_waits_until_the_last_part_is_hashed() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy::NEVER, 1);
        put(&hashing, 0, &[&data]);
        hashing.close();
        let cancel = Cancel::default();
        let first = hashing.take(&cancel).unwrap();
        thread::scope(|scope| {
            let other = scope.spawn(|| hashing.take(&cancel).unwrap().len());
            hashing.give_back(first);
            assert_eq!(other.join().unwrap(), 1);
        });
    }
}

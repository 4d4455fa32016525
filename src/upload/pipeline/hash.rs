//! Where parts that were read wait for their hashes. Those that wait are hashed together where that is faster; none waits
//! for others to come.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::sync::cancel::{CANCEL_POLL_INTERVAL, Cancel};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait_at_most};
use crate::treehash::{BatchPolicy, Kernels, PartHasher, PartHashes};
use crate::upload::pipeline::send::{HASHED_AT_ONCE, PartBytes, hash_by_windows};
use crate::upload::resume::PendingPart;

/// Between the thread that reads parts and those that hash them step by step.
#[derive(Debug)]
pub(crate) struct HashQueue<'a> {
    together: BatchPolicy,
    capacity: usize,
    state: Mutex<State<'a>>,
    /// Tells the one that reads.
    room: Condvar,
    /// Tells those that hash.
    work: Condvar,
}

#[derive(Debug, Default)]
struct State<'a> {
    /// By their index: what comes first in the archive is hashed first.
    waiting: BTreeMap<u32, HashingPart<'a>>,
    /// How many parts are in the hands of those that hash.
    taken: usize,
    /// The last part was read.
    ended: bool,
}

/// A part on its way to its hashes.
#[derive(Debug)]
pub(crate) struct HashingPart<'a> {
    todo: PendingPart,
    bytes: PartBytes<'a>,
    hasher: PartHasher,
    /// How many of the bytes in memory are hashed.
    hashed: usize,
    hashes: Option<PartHashes>,
}

/// A part with its hashes.
#[derive(Debug)]
pub(crate) struct Hashed<'a> {
    pub(crate) todo: PendingPart,
    pub(crate) bytes: PartBytes<'a>,
    pub(crate) hashes: PartHashes,
}

impl<'a> HashQueue<'a> {
    /// A place for at most `capacity` parts to wait at, but at least for as many as are hashed together, if any number of
    /// them is hashed faster so.
    pub(crate) fn new(together: BatchPolicy, capacity: usize) -> Self {
        let capacity = capacity.max(together.max());
        Self { together, capacity, state: Mutex::default(), room: Condvar::new(), work: Condvar::new() }
    }

    /// Leaves a part to be hashed, waiting for room.
    pub(crate) fn put(&self, part: HashingPart<'a>, cancel: &Cancel) -> Result<()> {
        let mut state = self.lock();
        while state.waiting.len() >= self.capacity {
            cancel.check()?;
            state = wait_at_most(&self.room, state, CANCEL_POLL_INTERVAL);
        }
        state.waiting.insert(part.todo.index, part);
        self.work.notify_one();
        Ok(())
    }

    /// There will be no more parts.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.work.notify_all();
    }

    /// Takes the parts of the next step, waiting for one; none when there will be none any more.
    pub(crate) fn take(&self, cancel: &Cancel) -> Result<Vec<HashingPart<'a>>> {
        let mut state = self.lock();
        loop {
            cancel.check()?;
            let step = state.take_step(self.together);
            if !step.is_empty() {
                self.room.notify_one();
                if !state.waiting.is_empty() {
                    self.work.notify_one();
                }
                return Ok(step);
            }
            if state.is_over() {
                return Ok(step);
            }
            state = wait_at_most(&self.work, state, CANCEL_POLL_INTERVAL);
        }
    }

    /// Gives back what was taken, after the step. What has its hashes now comes out.
    pub(crate) fn give_back(&self, step: Vec<HashingPart<'a>>) -> Vec<Hashed<'a>> {
        let mut state = self.lock();
        state.taken -= step.len();
        let mut hashed = Vec::new();
        for part in step {
            match part.hashes {
                Some(hashes) => hashed.push(Hashed { todo: part.todo, bytes: part.bytes, hashes }),
                None => _ = state.waiting.insert(part.todo.index, part),
            }
        }
        if state.is_over() {
            self.work.notify_all();
        } else if !hashed.is_empty() && !state.waiting.is_empty() {
            // Whoever gave them back has other things to do first.
            self.work.notify_one();
        }
        hashed
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        lock(&self.state)
    }
}

impl<'a> State<'a> {
    /// The first part, and those beside it that can go on together with it, if they are enough.
    fn take_step(&mut self, together: BatchPolicy) -> Vec<HashingPart<'a>> {
        let Some((first, length)) = self.waiting.first_key_value().map(|(index, part)| (*index, part.next().len()))
        else {
            return Vec::new();
        };
        let mut step = vec![first];
        // What is read twice has nothing in memory, and goes by itself.
        if length > 0 {
            let alike = self.waiting.iter().filter(|(_, part)| part.next().len() == length);
            step = alike.map(|(index, _)| *index).collect();
            step.truncate(together.batch_size(step.len()));
        }
        self.taken += step.len();
        step.into_iter().filter_map(|index| self.waiting.remove(&index)).collect()
    }

    fn is_over(&self) -> bool {
        self.ended && self.waiting.is_empty() && self.taken == 0
    }
}

impl<'a> HashingPart<'a> {
    /// A part that was read, or is to be read twice.
    pub(crate) fn new(todo: PendingPart, bytes: PartBytes<'a>) -> Self {
        Self { todo, bytes, hasher: PartHasher::new(), hashed: 0, hashes: None }
    }

    /// The bytes in memory that are hashed next; none of a part that is read twice.
    fn next(&self) -> &[u8] {
        next_of(&self.bytes, self.hashed)
    }

    fn with_hasher(&mut self) -> (&mut PartHasher, &[u8]) {
        (&mut self.hasher, next_of(&self.bytes, self.hashed))
    }

    /// Records that the next bytes are hashed, and returns how many they were.
    fn went_on(&mut self) -> u64 {
        let length = self.next().len();
        self.hashed += length;
        if self.next().is_empty() {
            self.hashes = Some(self.hasher.finish());
        }
        length as u64
    }
}

/// Hashes the parts of a step: a MiB of each, or all of one that is read twice. `hashed` is told how many bytes.
pub(crate) fn hash_step(
    kernels: &Kernels,
    step: &mut [HashingPart<'_>],
    cancel: &Cancel,
    hashed: impl Fn(u64),
) -> Result<()> {
    if let [HashingPart { todo, bytes: PartBytes::ReadTwice(source, windows), hashes, .. }] = step {
        let hashed = hash_by_windows(source, todo.range, *windows, cancel, hashed);
        *hashes = Some(hashed.map_err(|error| todo.in_part(error))?);
        return Ok(());
    }
    kernels.update_parts(&mut step.iter_mut().map(HashingPart::with_hasher).collect::<Vec<_>>());
    step.iter_mut().for_each(|part| hashed(part.went_on()));
    Ok(())
}

fn next_of<'b>(bytes: &'b PartBytes<'_>, hashed: usize) -> &'b [u8] {
    let rest = &bytes.in_memory()[hashed..];
    &rest[..rest.len().min(HASHED_AT_ONCE)]
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
        HashingPart::new(todo(index, bytes.len() as u64), PartBytes::Lent(bytes))
    }

    fn todo(index: u32, length: u64) -> PendingPart {
        PendingPart::new(index, ByteRange { first: 0, last: length - 1 })
    }

    /// Puts parts of so many bytes, with indexes from `first` on.
    fn put<'a>(hashing: &HashQueue<'a>, first: u32, parts: &[&'a [u8]]) {
        for (index, bytes) in (first..).zip(parts) {
            hashing.put(part(index, bytes), &Cancel::default()).unwrap();
        }
    }

    /// Does a step, and returns the indexes of its parts, and what has its hashes after it.
    fn step<'a>(hashing: &HashQueue<'a>) -> (Vec<u32>, Vec<Hashed<'a>>) {
        let cancel = Cancel::default();
        let mut step = hashing.take(&cancel).unwrap();
        let indexes = step.iter().map(|part| part.todo.index).collect();
        hash_step(Kernels::best(), &mut step, &cancel, |_| ()).unwrap();
        (indexes, hashing.give_back(step))
    }

    fn steps(hashing: &HashQueue<'_>) -> Vec<Vec<u32>> {
        hashing.end();
        std::iter::from_fn(|| Some(step(hashing).0).filter(|indexes| !indexes.is_empty())).collect()
    }

    #[test]
    fn parts_that_wait_are_hashed_together_and_a_lone_one_at_once() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy { min_half: 3, min_full: 12 }, 6);
        put(&hashing, 0, &[&data]);
        assert_eq!(step(&hashing).0, [0], "nothing came, and nothing is waited for");
        put(&hashing, 1, &[&data]);
        assert_eq!(step(&hashing).0, [0], "two are hashed faster one after the other");
        put(&hashing, 2, &[&data[..]; 9]);
        let (eight, two): (Vec<_>, _) = ((1..9).collect(), [9, 10]);
        assert_eq!(steps(&hashing), [&eight[..], &eight, &two[..1], &two[..1], &two[1..], &two[1..]]);
        let hashing = HashQueue::new(BatchPolicy { min_half: 3, min_full: 12 }, 6);
        put(&hashing, 0, &[&data[..LEAF]; 13]);
        assert_eq!(steps(&hashing), [(0..13).collect::<Vec<_>>()], "so many go together as a whole");
    }

    #[test]
    fn what_comes_meanwhile_joins_in_the_middle_of_the_others() {
        let data = vec![7; 3 * LEAF];
        let hashing = HashQueue::new(TWO, 4);
        put(&hashing, 0, &[&data[..]; 2]);
        assert_eq!(step(&hashing).0, [0, 1]);
        put(&hashing, 2, &[&data]);
        assert_eq!(steps(&hashing), [vec![0, 1, 2], vec![0, 1, 2], vec![2]]);
    }

    #[test]
    fn where_none_go_together_the_first_part_is_hashed_first() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy::NEVER, 3);
        put(&hashing, 0, &[&data[..]; 3]);
        assert_eq!(steps(&hashing), [[0], [0], [1], [1], [2], [2]]);
    }

    #[test]
    fn a_short_end_and_what_is_read_twice_go_alone() {
        let data = vec![7; LEAF + 5].leak();
        let source = Source::Memory(data);
        let memory = std::sync::Arc::new(crate::memory::BufferPool::new(MIB));
        let windows = crate::upload::pipeline::send::ReadWindow { memory: &memory, length: 4096 };
        let hashing = HashQueue::new(TWO, 8);
        put(&hashing, 0, &[data, data, &data[..LEAF], &data[..7]]);
        for index in [4, 5] {
            let twice = HashingPart::new(todo(index, data.len() as u64), PartBytes::ReadTwice(&source, windows));
            hashing.put(twice, &Cancel::default()).unwrap();
        }
        assert_eq!(steps(&hashing), [vec![0, 1, 2], vec![0, 1], vec![3], vec![4], vec![5]]);
    }

    #[test]
    fn the_hashes_are_those_of_the_parts_by_every_kernel() {
        let data: Vec<u8> = (0..=250).cycle().take(5 * LEAF).collect();
        let parts: Vec<_> = (0..18).map(|i| &data[i * 999..][..LEAF * (i % 4) + i * 1001 + 1]).collect();
        for kernels in Kernels::all() {
            let hashing = HashQueue::new(kernels.batch_policy(), 18);
            let (cancel, counted) = (Cancel::default(), std::cell::Cell::new(0));
            let mut all = Vec::new();
            put(&hashing, 0, &parts);
            hashing.end();
            loop {
                let mut step = hashing.take(&cancel).unwrap();
                if step.is_empty() {
                    break;
                }
                hash_step(kernels, &mut step, &cancel, |bytes| counted.set(counted.get() + bytes)).unwrap();
                all.extend(hashing.give_back(step));
            }
            all.sort_by_key(|part| part.todo.index);
            let hashes: Vec<_> = all.into_iter().map(|part| part.hashes).collect();
            let expected: Vec<_> = parts.iter().map(|part| part_hashes(part)).collect();
            assert_eq!(hashes, expected, "{}", kernels.name());
            assert_eq!(counted.get(), parts.iter().map(|part| part.len() as u64).sum::<u64>());
        }
    }

    #[test]
    fn no_more_wait_than_there_is_room_for_and_cancel_ends_both_waits() {
        let cancel = Cancel::default();
        let hashing = HashQueue::new(BatchPolicy::NEVER, 1);
        put(&hashing, 0, &[b"x"]);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| hashing.put(part(1, b"y"), &cancel));
            assert_eq!(step(&hashing).0, [0]);
            waiting.join().unwrap().unwrap();
        });
        cancel.raise();
        assert_eq!(hashing.put(part(2, b"z"), &cancel).unwrap_err().kind(), Kind::Canceled);
        assert_eq!(hashing.take(&cancel).unwrap_err().kind(), Kind::Canceled);
    }

    #[test]
    fn who_hashes_stays_until_the_last_part_has_its_hashes() {
        let data = vec![7; 2 * LEAF];
        let hashing = HashQueue::new(BatchPolicy::NEVER, 1);
        put(&hashing, 0, &[&data]);
        hashing.end();
        let cancel = Cancel::default();
        let first = hashing.take(&cancel).unwrap();
        thread::scope(|scope| {
            let other = scope.spawn(|| hashing.take(&cancel).unwrap().len());
            hashing.give_back(first);
            assert_eq!(other.join().unwrap(), 1);
        });
    }
}

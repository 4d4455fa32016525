//! Both hashes of several parts, as many at a time as the processor takes.

use std::array;

use super::hasher::{LEAF, PartHasher, PartHashes};
use super::kernels::{Kernels, LANES, Sixteen, States, in_lanes, one_of};
use super::sha256::{BLOCK, Block, State};
use crate::error::Result;

impl Kernels {
    /// The hashes of parts that are in memory, in their order.
    ///
    /// Parts of one length are hashed together if they are as many as [`parts_at_once`](Self::parts_at_once) says, which
    /// takes less of the processor's time; all others, one after the other. `hashed` is told the bytes hashed since it
    /// was told last, at most 16 MiB; an error that it returns stops the work.
    ///
    /// # Errors
    /// Those of `hashed`.
    pub fn hash_parts(
        &'static self,
        parts: &[&[u8]],
        mut hashed: impl FnMut(u64) -> Result<()>,
    ) -> Result<Vec<PartHashes>> {
        let mut by_length: Vec<_> = (0..).zip(parts.iter().copied()).collect();
        by_length.sort_by_key(|(_, part)| part.len());
        let mut all = Vec::with_capacity(parts.len());
        for same_length in by_length.chunk_by(|(_, one), (_, next)| one.len() == next.len()) {
            for group in same_length.chunks(LANES) {
                let at_once = if self.sixteen_for(group.len()).is_some() { LANES } else { 1 };
                for group in group.chunks(at_once) {
                    let (places, parts): (Vec<usize>, Vec<_>) = group.iter().copied().unzip();
                    all.extend(places.into_iter().zip(self.hash_group(&parts, &mut hashed)?));
                }
            }
        }
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(all.into_iter().map(|(_, hashes)| hashes).collect())
    }

    /// Has hashers take bytes, each its own: together as far as they all have some, if they are as many as
    /// [`parts_at_once`](Self::parts_at_once) says, and else one after the other. Hashers that stand at the beginning of a
    /// MiB, with the same number of bytes to take, go together best; where in its part each stands does not matter.
    pub fn update_parts(&self, parts: &mut [(&mut PartHasher, &[u8])]) {
        for group in parts.chunks_mut(LANES) {
            if let Some(sixteen) = self.sixteen_for(group.len()) {
                update_together(sixteen, group);
            }
            for (hasher, rest) in group {
                hasher.update(rest);
            }
        }
    }

    /// At least one part, and at most sixteen if they are hashed together, all of one length.
    fn hash_group(
        &'static self,
        parts: &[&[u8]],
        hashed: &mut impl FnMut(u64) -> Result<()>,
    ) -> Result<Vec<PartHashes>> {
        let mut hashers = vec![PartHasher::by(self); parts.len()];
        let length = parts[0].len();
        for start in (0..length).step_by(LEAF) {
            let end = length.min(start + LEAF);
            let pieces = parts.iter().map(|part| &part[start..end]);
            self.update_parts(&mut hashers.iter_mut().zip(pieces).collect::<Vec<_>>());
            hashed((parts.len() * (end - start)) as u64)?;
        }
        Ok(hashers.iter_mut().map(PartHasher::finish).collect())
    }

    /// What is faster than to hash so many parts one after the other.
    fn sixteen_for(&self, parts: usize) -> Option<Sixteen> {
        self.sixteen.filter(|sixteen| parts >= sixteen.from)
    }
}

/// Has at most sixteen hashers take bytes, and at least one, until one of them has no whole block left.
fn update_together(sixteen: Sixteen, parts: &mut [(&mut PartHasher, &[u8])]) {
    loop {
        let count = parts.iter().map(|(hasher, bytes)| hasher.blocks_within_leaf(bytes.len())).min().unwrap_or(0);
        if count == 0 {
            return;
        }
        let blocks: Vec<&[Block]> = parts.iter().map(|(_, bytes)| &bytes.as_chunks().0[..count]).collect();
        let blocks = in_lanes(&blocks).map(|blocks| *blocks);
        let states: Vec<_> = parts.iter().map(|(hasher, _)| hasher.states()).collect();
        let [mut linear, mut leaf] = [0, 1].map(|which| in_words(in_lanes(&states).map(|states| states[which])));
        if parts.iter().all(|(hasher, _)| hasher.in_first_leaf()) {
            (sixteen.one)(array::from_mut(&mut leaf), blocks);
            linear = leaf;
        } else {
            let mut both = [linear, leaf];
            (sixteen.two)(&mut both, blocks);
            [linear, leaf] = both;
        }
        for (lane, (hasher, bytes)) in parts.iter_mut().enumerate() {
            hasher.advance([one_of(&linear, lane), one_of(&leaf, lane)], count);
            *bytes = &bytes[count * BLOCK..];
        }
    }
}

/// The states of all lanes, word by word.
fn in_words(states: [State; LANES]) -> States {
    array::from_fn(|word| states.map(|state| state[word]))
}

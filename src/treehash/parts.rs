//! Both hashes of several parts, as many at a time as the processor takes.

use super::fold::Fold;
use super::hasher::{LEAF, PartHasher, PartHashes};
use super::kernels::{Kernels, LANES, Sixteen, in_lanes, one_of, sixteen_times};
use super::sha256::{BLOCK, INITIAL, finish};
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
                let (places, parts): (Vec<usize>, Vec<_>) = group.iter().copied().unzip();
                let hashes = match self.sixteen {
                    Some(sixteen) if parts.len() >= sixteen.from => hash_together(sixteen, &parts, &mut hashed),
                    _ => parts.iter().map(|part| hash_alone(self, part, &mut hashed)).collect(),
                };
                all.extend(places.into_iter().zip(hashes?));
            }
        }
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(all.into_iter().map(|(_, hashes)| hashes).collect())
    }
}

/// At most sixteen parts, and at least one, of one length.
fn hash_together(
    sixteen: Sixteen,
    parts: &[&[u8]],
    hashed: &mut impl FnMut(u64) -> Result<()>,
) -> Result<Vec<PartHashes>> {
    let length = parts[0].len();
    let mut linear = sixteen_times(INITIAL);
    let mut folds = vec![Fold::default(); parts.len()];
    for start in (0..length).step_by(LEAF) {
        let leaves = in_lanes(parts).map(|part| &part[start..length.min(start + LEAF)]);
        let blocks = leaves.map(|leaf| leaf.as_chunks().0);
        let mut leaf = sixteen_times(INITIAL);
        if start == 0 {
            // Up to the end of the first leaf, both hashes are one.
            (sixteen.one)(std::array::from_mut(&mut leaf), blocks);
            linear = leaf;
        } else {
            let mut both = [linear, leaf];
            (sixteen.two)(&mut both, blocks);
            [linear, leaf] = both;
        }
        for (lane, fold) in folds.iter_mut().enumerate() {
            fold.push(finish(one_of(&leaf, lane), tail(leaves[lane]), leaves[lane].len() as u64));
        }
        hashed((parts.len() * leaves[0].len()) as u64)?;
    }
    let hashes = |(lane, mut fold): (usize, Fold)| PartHashes {
        linear: finish(one_of(&linear, lane), tail(parts[lane]), length as u64),
        tree: fold.tree_hash(),
    };
    Ok(folds.into_iter().enumerate().map(hashes).collect())
}

fn hash_alone(
    kernels: &'static Kernels,
    part: &[u8],
    hashed: &mut impl FnMut(u64) -> Result<()>,
) -> Result<PartHashes> {
    let mut hasher = PartHasher::by(kernels);
    for piece in part.chunks(LEAF) {
        hasher.update(piece);
        hashed(piece.len() as u64)?;
    }
    Ok(hasher.finish())
}

/// What remains after the last whole block.
fn tail(bytes: &[u8]) -> &[u8] {
    bytes.as_chunks::<BLOCK>().1
}

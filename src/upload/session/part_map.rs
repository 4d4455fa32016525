//! Maps and sets of part indexes, each in one block of memory. A tree makes one small allocation for each node, and small
//! allocations are infallible.

use crate::error::{Error, Kind, Result};

/// Values by part index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartMap<T> {
    /// Sorted by index.
    entries: Vec<(u32, T)>,
}

/// Part indexes.
#[derive(Clone, Debug, Default)]
pub(crate) struct PartSet {
    /// Bit `n % 64` of word `n / 64` is set if the set has index `n`.
    words: Vec<u64>,
}

impl<T> PartMap<T> {
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.position(index).ok().and_then(|at| self.entries.get(at)).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, index: u32, value: T) {
        match self.position(index) {
            Ok(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    entry.1 = value;
                }
            }
            Err(at) => self.entries.insert(at, (index, value)),
        }
    }

    /// As [`PartMap::insert`], for parts from outside.
    ///
    /// # Errors
    /// `Memory`.
    pub(crate) fn try_insert(&mut self, index: u32, value: T) -> Result<()> {
        self.entries.try_reserve(1).map_err(|cause| {
            Error::new(Kind::Memory, format!("out of memory for {} parts", self.entries.len() + 1)).caused_by(cause)
        })?;
        self.insert(index, value);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &u32> {
        self.entries.iter().map(|(index, _)| index)
    }

    /// Returns the values in the order of their indexes.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Returns where an index is, or where it belongs. Parts are mostly recorded in their order.
    fn position(&self, index: u32) -> std::result::Result<usize, usize> {
        match self.entries.last() {
            Some((last, _)) if *last < index => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&index, |(index, _)| *index),
        }
    }
}

impl<T> Default for PartMap<T> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<T> FromIterator<(u32, T)> for PartMap<T> {
    fn from_iter<I: IntoIterator<Item = (u32, T)>>(parts: I) -> Self {
        let mut map = Self::default();
        parts.into_iter().for_each(|(index, value)| map.insert(index, value));
        map
    }
}

impl PartSet {
    pub(crate) fn contains(&self, index: u32) -> bool {
        let (at, bit) = place(index);
        self.words.get(at).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn insert(&mut self, index: u32) {
        let (at, bit) = place(index);
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        if let Some(word) = self.words.get_mut(at) {
            *word |= bit;
        }
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let (at, bit) = place(index);
        if let Some(word) = self.words.get_mut(at) {
            *word &= !bit;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.words.clear();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}

impl PartialEq for PartSet {
    fn eq(&self, other: &Self) -> bool {
        // Zeros at the end mean nothing.
        let word = |set: &Self, at| set.words.get(at).copied().unwrap_or_default();
        (0..self.words.len().max(other.words.len())).all(|at| word(self, at) == word(other, at))
    }
}

impl Eq for PartSet {}

impl FromIterator<u32> for PartSet {
    fn from_iter<I: IntoIterator<Item = u32>>(indexes: I) -> Self {
        let mut set = Self::default();
        indexes.into_iter().for_each(|index| set.insert(index));
        set
    }
}

fn place(index: u32) -> (usize, u64) {
    (index as usize / 64, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn behaves_as_trees_do() {
        let (mut map, mut set) = (PartMap::default(), PartSet::default());
        let (mut tree, mut tree_set) = (BTreeMap::new(), BTreeSet::new());
        // All residues of 131, three times, in an order that is not sorted.
        for n in 0..393_u32 {
            let index = n * 53 % 131;
            map.try_insert(index, n).unwrap();
            tree.insert(index, n);
            if n % 3 == 0 {
                set.remove(index);
                tree_set.remove(&index);
            } else {
                set.insert(index);
                tree_set.insert(index);
            }
            assert!(map.keys().eq(tree.keys()));
            assert_eq!((map.len(), set.len()), (tree.len(), tree_set.len()));
        }
        for index in 0..200 {
            assert_eq!(map.get(index), tree.get(&index));
            assert_eq!(set.contains(index), tree_set.contains(&index));
        }
        assert_eq!(map, tree.into_iter().collect());
        assert_eq!(set, tree_set.into_iter().collect());
        set.clear();
        assert_eq!(set, PartSet::default());
    }
}

//! The lanes of the kernels for 16 streams: their states, and the assignment of items to lanes.

use std::array;

use crate::treehash::sha256::{Block, State};

/// The maximum number of streams at once.
pub(crate) const LANES: usize = 16;

/// 16 states, word by word: the first words of all states, then the second words, and so on.
pub(crate) type States = [[u32; LANES]; 8];

/// Assigns at least one item to the lanes. Unused lanes repeat the first item.
pub(crate) fn fill_lanes<T>(items: &[T]) -> [&T; LANES] {
    array::from_fn(|lane| items.get(lane).unwrap_or(&items[0]))
}

/// Returns 16 copies of a state.
pub(crate) fn broadcast(state: State) -> States {
    state.map(|word| [word; LANES])
}

/// Returns the state of one lane.
pub(crate) fn lane_state(states: &States, lane: usize) -> State {
    states.map(|words| words[lane])
}

/// Returns the number of blocks of the shortest stream.
pub(super) fn shortest<const N: usize>(streams: &[&[Block]; N]) -> usize {
    streams.iter().map(|stream| stream.len()).min().unwrap_or(0)
}

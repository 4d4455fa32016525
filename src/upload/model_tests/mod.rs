//! Model tests: random histories, and thread interleavings under a model checker.

mod random;
#[cfg(feature = "test-models")]
mod threads;

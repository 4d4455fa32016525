//! The local Glacier.

//! The local Glacier as a program.
fn main() {}

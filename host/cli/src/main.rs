//! Pilaster.
fn main() {}

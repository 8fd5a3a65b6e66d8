//! Expressions as WGSL.

//! Equality words.

/// Keys as words.
#[derive(Debug, Default)]
pub struct KeyEncoder {}

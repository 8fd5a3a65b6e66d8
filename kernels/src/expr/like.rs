//! LIKE with a constant pattern.

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LikePattern {}

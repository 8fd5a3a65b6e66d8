//! CPU path.

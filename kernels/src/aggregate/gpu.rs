//! GPU programs.

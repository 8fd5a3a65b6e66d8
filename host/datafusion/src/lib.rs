//! Pilaster.

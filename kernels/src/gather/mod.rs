//! The gather kernel.

//! The filter kernel.

//! The keys kernel.

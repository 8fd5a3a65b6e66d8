//! Estimates in bounded memory, the same whatever the order of rows and merges.

mod distinct;
mod histogram;
mod hyperloglog;
mod murmur;

pub(super) use distinct::ApproxDistinct;
pub(super) use histogram::ApproxPercentile;

//! Programs on a real or software adapter, per profile and shader mode.

mod faults;
mod integers;
mod listing;
mod programs;
pub(crate) mod support;

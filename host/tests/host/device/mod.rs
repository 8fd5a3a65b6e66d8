//! Programs on a real or software adapter, per profile and shader mode.

mod faults;
mod programs;
mod support;

//! Pilaster: a GPU-accelerated columnar execution library over Apache Arrow.
//!
//! A [`Session`] runs a [`plan::Plan`] on the CPU or on a GPU (any vendor's, through wgpu), says in a
//! [`place::Report`] what ran where and why, and falls back safely.

pub mod device;
pub mod memory;
pub mod place;
pub mod plan;
pub mod run;
pub mod scan;
mod session;

pub use pilaster_kernels::{Backend, Error, Result, aggregate, expr, join, sort};
pub use place::Report;
pub use plan::Plan;
pub use run::{Cancellation, Execution};
pub use session::{BackendChoice, Session, SessionConfig};

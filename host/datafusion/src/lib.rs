//! Pilaster as an execution backend of DataFusion: one line on the session.
//!
//! ```text
//! SessionStateBuilder::new_with_default_features()
//!     .with_pilaster(pilaster::SessionConfig::default())     // feature `session`
//!     .build()
//! ```
//! [`PilasterRule`] runs after DataFusion's own optimizer rules and hands the largest subtrees that Pilaster supports to
//! [`PilasterExec`] nodes. What it does not support stays with DataFusion: operators above and below feed our pipelines
//! as streams, functions without a kernel of ours are called batch by batch inside our CPU pipeline. `EXPLAIN` shows
//! where each operator is to run, `EXPLAIN ANALYZE` where it ran; `SET pilaster.backend = 'gpu'` and kin change it
//! ([`PilasterOptions`]).
//!
//! # Where the semantics page gives way to DataFusion
//! - Integer `+ - *`, negation and sums wrap on overflow, as DataFusion's do.
//! - Decimal quotients and averages are truncated, not rounded half away from zero.
//! - Casts between strings and other types, and those that lose digits of floats, decimals and timestamps, are DataFusion's
//!   own, called batch by batch.
//!
//! # Where DataFusion's answer is not followed
//! - A decimal result that does not fit its declared precision is an error; DataFusion hands on a value that its own type
//!   does not allow.
//! - In comparisons -0.0 equals 0.0 and every NaN equals every NaN; DataFusion's kernels tell their bits apart.

mod engine;
mod error;
mod exec;
mod input;
mod lower;
mod options;
mod rule;
#[cfg(feature = "session")]
mod session_ext;
mod stores;

pub use engine::Engine;
pub use error::to_datafusion;
pub use exec::PilasterExec;
pub use options::{BackendSetting, FloatSumSetting, PilasterOptions, PruningSetting};
pub use rule::PilasterRule;
#[cfg(feature = "session")]
pub use session_ext::PilasterSessionExt;

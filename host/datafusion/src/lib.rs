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
//! # Aggregates
//! Functions are recognised by their type, so that a user's function of the same name is not taken for a built-in one.
//! Result types, nulls and names are DataFusion's. `nth_value`, `approx_percentile_cont_with_weight` and functions of users
//! stay with DataFusion, and so does what a kernel refuses for the type of an operand; `EXPLAIN` says which.
//!
//! # Where DataFusion's answer is not followed
//! - `first_value`, `last_value`, `any_value`, `array_agg` and `string_agg` without an ORDER BY of their own, and ties under
//!   one: DataFusion's answer depends on timing, ours is that of the input's order (files, row groups, rows).
//! - `percentile_cont` interpolates with the whole fraction; DataFusion cuts it to six decimals.
//! - `approx_distinct`, `approx_median` and `approx_percentile_cont` are other estimates within their own bounds.
//! - `var`, `stddev`, `covar`, `corr` and `regr` may differ in the last places; where one side of `corr` is NaN, ours is NaN and
//!   DataFusion's may be null.
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

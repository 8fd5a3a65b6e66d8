//! Sinks: what a pipeline's workers do with chunks, on the CPU.

mod aggregate;
mod build;
mod collect;
mod limit;
mod partition;
mod sort;

pub(crate) use aggregate::{AggregateSink, Tables};
pub(crate) use build::{BuildSink, Divided};
pub(crate) use collect::{CollectSink, Receiver};
pub(crate) use limit::LimitSink;
pub(crate) use partition::PartitionSink;
pub(crate) use sort::{Gathered, SortSink, in_order, order};

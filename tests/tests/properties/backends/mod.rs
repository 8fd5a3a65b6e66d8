//! What a backend offers to the batteries.

mod cpu;
mod gpu;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pilaster_kernels::aggregate::AggregateSpec;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::sort::SortKey;
use pilaster_kernels::{Error, Result};
use pilaster_tests::compare::Got;
use pilaster_tests::strategies::Batches;

pub use cpu::{Cpu, aggregate_in_a_tree};
pub use gpu::{Gpu, Hostility};

/// The operators of a backend, over batches.
pub trait Backend {
    /// Expressions over the rows that `predicate` keeps, in order.
    fn project(&self, predicate: Option<&Expr>, exprs: &[Expr], input: &Batches) -> Result<Got>;
    /// Keys, then aggregates.
    fn aggregate(&self, spec: &AggregateSpec, input: &Batches) -> Result<Got>;
    /// Row numbers of the first batch, in order.
    fn sort(&self, keys: &[SortKey], fetch: Option<usize>, input: &Batches) -> Result<Vec<u32>>;
}

/// How many cases ran, and how many a backend has no kernel for.
#[derive(Debug, Default)]
pub struct Share {
    ran: AtomicUsize,
    refused: AtomicUsize,
}

impl Share {
    /// Counts a case; true where the backend ran it, well or badly.
    pub fn ran<T>(&self, result: &Result<T>) -> bool {
        let refused = matches!(result, Err(Error::Unsupported { .. }));
        if refused { &self.refused } else { &self.ran }.fetch_add(1, Relaxed);
        !refused
    }

    /// At least this many percent of all cases ran: otherwise the test says nothing.
    pub fn at_least(&self, percent: usize) {
        let (ran, refused) = (self.ran.load(Relaxed), self.refused.load(Relaxed));
        println!("{ran} cases ran, {refused} are not supported there");
        assert!(ran > 0 && ran * 100 >= percent * (ran + refused), "{ran} cases ran, {refused} did not");
    }
}

/// Columns that these expressions read.
pub fn columns_of<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Vec<usize> {
    let mut used = Vec::new();
    exprs.into_iter().for_each(|expr| expr.for_each_column(&mut |column| used.push(column)));
    used.sort_unstable();
    used.dedup();
    used
}

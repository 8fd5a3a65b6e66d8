//! Every operator again: naive, row by row, in exact arithmetic. The oracle of the property tests; the semantics page is
//! its specification. Slow on purpose.

mod aggregate;
mod arithmetic;
mod cast;
mod expr;
mod join;
mod like;
pub mod number;
mod relation;

pub use aggregate::{Grouping, aggregate, aggregate_sets};
pub use expr::evaluate;
pub use join::join;
pub use relation::{Row, Table, filter, limit, order, project, sort};

use std::collections::BTreeSet;

use pilaster_kernels::Error;

/// What kind of error: messages may differ between backends, kinds may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `Error::ArithmeticOverflow`
    Overflow,
    /// `Error::DivideByZero`
    DivideByZero,
    /// `Error::CastFailed`
    Cast,
    /// `Error::Unsupported`
    Unsupported,
    /// `Error::InvalidInput`
    Invalid,
    /// `Error::OutOfMemory`
    Memory,
    /// `Error::Device`, `Error::DeviceLost`
    Device,
    /// `Error::Cancelled`
    Cancelled,
    /// Any other.
    Other,
}

impl From<&Error> for Kind {
    fn from(error: &Error) -> Kind {
        match error {
            Error::ArithmeticOverflow { .. } => Kind::Overflow,
            Error::DivideByZero { .. } => Kind::DivideByZero,
            Error::CastFailed { .. } => Kind::Cast,
            Error::Unsupported { .. } => Kind::Unsupported,
            Error::InvalidInput(_) => Kind::Invalid,
            Error::OutOfMemory { .. } => Kind::Memory,
            Error::Device { .. } | Error::DeviceLost(_) => Kind::Device,
            Error::Cancelled => Kind::Cancelled,
            _ => Kind::Other,
        }
    }
}

/// The errors that active rows raise. A backend must fail with one of them: which one is met first depends on whether it
/// goes row by row or operator by operator.
pub type Kinds = BTreeSet<Kind>;

/// What a reference gives.
pub type Answer<T> = Result<T, Kinds>;

/// Just this error.
#[must_use]
pub fn fails(kind: Kind) -> Kinds {
    Kinds::from([kind])
}

/// Both, or the errors of both: operands are all evaluated.
fn both<A, B>(a: Answer<A>, b: Answer<B>) -> Answer<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(kinds), Ok(_)) | (Ok(_), Err(kinds)) => Err(kinds),
    }
}

/// All, or the errors of all.
fn all<T>(answers: impl IntoIterator<Item = Answer<T>>) -> Answer<Vec<T>> {
    let mut kinds = Kinds::new();
    let mut values = Vec::new();
    for answer in answers {
        match answer {
            Ok(value) => values.push(value),
            Err(more) => kinds.extend(more),
        }
    }
    if kinds.is_empty() { Ok(values) } else { Err(kinds) }
}

//! What can be computed over the rows of a group.

use std::fmt;

/// A number from 0 to 1: which part of the values lies below a percentile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fraction(u64);

impl Fraction {
    /// One half: the median.
    pub const HALF: Fraction = Fraction(0.5f64.to_bits());

    /// `value`, where it is from 0 to 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero turns -0.0 into 0.0, so that equal fractions have equal bits.
        (0.0..=1.0).contains(&value).then(|| Self((value + 0.0).to_bits()))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// `regr_...(y, x)`: least squares over the rows where neither operand is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Regression {
    /// Slope of the line.
    Slope,
    /// Where the line crosses x = 0.
    Intercept,
    /// Rows.
    Count,
    /// Square of the correlation.
    R2,
    /// Mean of x.
    AvgX,
    /// Mean of y.
    AvgY,
    /// Sum of squares of x about its mean.
    Sxx,
    /// Sum of squares of y about its mean.
    Syy,
    /// Sum of products about the means.
    Sxy,
}

/// What is computed over the rows of a group. Rows with a null operand are skipped, but for [`Self::CountRows`] and where
/// a function says so; over no rows all but the counts and [`Self::ApproxDistinct`] are null.
///
/// `distinct` is of use for count, sum, avg, the moments, bit_xor, array_agg, string_agg, mode and percentiles; the others
/// give the same answer with and without. Values are distinct as keys are, and show as keys do: one NaN, one zero. Lists
/// and strings of distinct values are in the order of the first row of each. Rows that an order leaves equal stand as they
/// do in the input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    /// `count(*)`: rows, whatever they hold.
    CountRows,
    /// `count(x)`: rows where `x` is not null; `count(x, y, ...)`: where none is.
    Count,
    /// `sum(x)`. Integers and decimals are summed exactly. Floats in `Float64`, see [`super::FloatSum`]; any NaN, or
    /// infinities of both signs, give NaN.
    Sum,
    /// `min(x)`, in the order of comparison expressions. All ordered types.
    Min,
    /// `max(x)`, likewise.
    Max,
    /// `avg(x)`: the sum over the count, divided once. Float64 for integers and floats, decimal for decimals.
    Avg,
    /// `var_pop(x)`, or `var_samp(x)`, which is null over one row.
    Variance {
        /// Divides by one less than the number of rows.
        sample: bool,
    },
    /// Square root of the variance.
    Stddev {
        /// Of `var_samp`.
        sample: bool,
    },
    /// `covar_pop(y, x)` or `covar_samp(y, x)`.
    Covariance {
        /// Divides by one less than the number of rows.
        sample: bool,
    },
    /// `corr(y, x)`: null where a side does not vary.
    Correlation,
    /// `regr_...(y, x)`.
    Regression(Regression),
    /// `bool_and(x)`.
    BoolAnd,
    /// `bool_or(x)`.
    BoolOr,
    /// `bit_and(x)` of integers.
    BitAnd,
    /// `bit_or(x)` of integers.
    BitOr,
    /// `bit_xor(x)` of integers; of the distinct ones where the aggregate is distinct.
    BitXor,
    /// `first_value(x)`: of the first row of the order. Nulls count unless they are ignored.
    First {
        /// The first value that is not null.
        ignore_nulls: bool,
    },
    /// `last_value(x)`: of the last row of the order. Nulls count unless they are ignored.
    Last {
        /// The last value that is not null.
        ignore_nulls: bool,
    },
    /// `any_value(x)`: the first value of the input that is not null.
    AnyValue,
    /// `percentile_cont(f)` within the order of x: between the two nearest values by linear interpolation. Numbers, as
    /// Float64, or decimals at their scale.
    PercentileCont(Fraction),
    /// `percentile_disc(f)` within the order of x: the first value whose share of the values up to it is at least `f`.
    /// All ordered types.
    PercentileDisc(Fraction),
    /// `mode()` within the order of x: the most frequent value, the smallest of several.
    Mode,
    /// `array_agg(x)`: all values as a list, nulls too unless they are ignored.
    ArrayAgg {
        /// Leaves nulls out.
        ignore_nulls: bool,
    },
    /// `string_agg(x, separator)`.
    StringAgg {
        /// Between two values.
        separator: String,
    },
    /// Estimate of `count(distinct x)` by HyperLogLog: standard error 1.7 %, exact up to some hundred values.
    ApproxDistinct,
    /// Estimate of a percentile by a sketch of bounded size: a value of the group, at most the exact one, exact up to 4096
    /// distinct values. Numbers, read as Float64.
    ApproxPercentile(Fraction),
}

impl AggregateFunction {
    /// How many operands it takes: from, to.
    #[must_use]
    pub fn operands(&self) -> (usize, usize) {
        match self {
            Self::CountRows => (0, 0),
            Self::Count => (1, usize::MAX),
            Self::Covariance { .. } | Self::Correlation | Self::Regression(_) => (2, 2),
            _ => (1, 1),
        }
    }

    /// True where the answer depends on the order of rows.
    #[must_use]
    pub fn ordered(&self) -> bool {
        use AggregateFunction as F;
        matches!(
            self,
            F::First { .. } | F::Last { .. } | F::AnyValue | F::ArrayAgg { .. } | F::StringAgg { .. }
        )
    }
}

impl fmt::Display for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AggregateFunction as F;
        let name = match self {
            F::CountRows | F::Count => "count",
            F::Sum => "sum",
            F::Min => "min",
            F::Max => "max",
            F::Avg => "avg",
            F::Variance { sample: false } => "var_pop",
            F::Variance { sample: true } => "var_samp",
            F::Stddev { sample: false } => "stddev_pop",
            F::Stddev { sample: true } => "stddev_samp",
            F::Covariance { sample: false } => "covar_pop",
            F::Covariance { sample: true } => "covar_samp",
            F::Correlation => "corr",
            F::Regression(Regression::Slope) => "regr_slope",
            F::Regression(Regression::Intercept) => "regr_intercept",
            F::Regression(Regression::Count) => "regr_count",
            F::Regression(Regression::R2) => "regr_r2",
            F::Regression(Regression::AvgX) => "regr_avgx",
            F::Regression(Regression::AvgY) => "regr_avgy",
            F::Regression(Regression::Sxx) => "regr_sxx",
            F::Regression(Regression::Syy) => "regr_syy",
            F::Regression(Regression::Sxy) => "regr_sxy",
            F::BoolAnd => "bool_and",
            F::BoolOr => "bool_or",
            F::BitAnd => "bit_and",
            F::BitOr => "bit_or",
            F::BitXor => "bit_xor",
            F::First { .. } => "first_value",
            F::Last { .. } => "last_value",
            F::AnyValue => "any_value",
            F::PercentileCont(Fraction::HALF) => "median",
            F::PercentileCont(fraction) => return write!(f, "percentile_cont[{}]", fraction.value()),
            F::PercentileDisc(fraction) => return write!(f, "percentile_disc[{}]", fraction.value()),
            F::Mode => "mode",
            F::ArrayAgg { .. } => "array_agg",
            F::StringAgg { .. } => "string_agg",
            F::ApproxDistinct => "approx_distinct",
            F::ApproxPercentile(fraction) => return write!(f, "approx_percentile[{}]", fraction.value()),
        };
        f.write_str(name)
    }
}

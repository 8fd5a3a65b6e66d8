//! Moments of floats in floats: sums of deviations from a centre, per group.
//!
//! ```text
//! per row:     d = x - centre;  sum += d;  squares += d * d
//! each time the count is a power of two, and before merging: the centre moves to the mean so far
//! ```
//! `squares - sum^2 / n` then cancels next to nothing, whatever the mean: when the count has reached `n`, the centre is the
//! mean of at least `n / 2` of the values, so `squares` is at most three times the sum of squares about the mean. Two
//! states merge about the centre of the larger one, with the same effect. The relative error of a variance is therefore
//! at most `(32 n + 128) * 2^-53` with no factor of how large the mean is, unlike that of Welford's recurrence, and no
//! division per row; a covariance has that error relative to the square root of the product of both variances. Squares
//! beyond the range are infinite (a covariance may be NaN then), below `2^-1022` they lose places.
//! (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983: shifted data and pairwise updating.)

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::Term;
use super::operand::Columns;
use super::result::Floats;
use crate::aggregate::cpu::fold::Target;
use crate::error::Result;
use crate::memory::Grant;

/// Rows summed in registers where all go to one group.
const BLOCK: usize = 1024;
const LANES: usize = 8;

/// A group's deviations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spread {
    count: u64,
    centre: f64,
    sum: f64,
    squares: f64,
}

/// Zero for a finite value, else NaN.
#[inline(always)]
fn poison(value: f64) -> f64 {
    value * 0.0
}

impl Spread {
    #[inline(always)]
    fn add(&mut self, value: f64) {
        if self.count & self.count.wrapping_sub(1) == 0 {
            if self.count == 0 { self.centre = value } else { self.centre_on(self.mean()) }
        }
        let deviation = value - self.centre;
        self.count += 1;
        self.sum += deviation;
        self.squares += deviation * deviation + poison(value);
    }

    fn mean(&self) -> f64 {
        self.centre + self.sum / self.count as f64
    }

    fn centre_on(&mut self, centre: f64) {
        // What has overflowed stays as it is.
        if !centre.is_finite() || !self.squares.is_finite() {
            return;
        }
        let step = centre - self.centre;
        let count = self.count as f64;
        self.squares += step * (count * step - 2.0 * self.sum);
        self.sum -= count * step;
        self.centre = centre;
    }

    fn merge(&mut self, mut other: Self) {
        if self.count == 0 || other.count == 0 {
            if self.count == 0 {
                *self = other;
            }
            return;
        }
        if self.count < other.count {
            std::mem::swap(self, &mut other);
        }
        self.centre_on(self.mean());
        other.centre_on(other.mean());
        other.centre_on(self.centre);
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// Sum of squares about the mean: never below zero, infinite where the squares overflowed.
    fn about_mean(&self) -> f64 {
        if self.squares == f64::INFINITY {
            return self.squares;
        }
        let about = self.squares - self.sum * (self.sum / self.count as f64);
        if about < 0.0 { 0.0 } else { about }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn spread_of(values: &[f64]) -> Spread {
    let Some(&centre) = values.first() else { return Spread::default() };
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let mut add = |at: usize, value: f64| {
        let deviation = value - centre;
        sums[at] += deviation;
        squares[at] += deviation * deviation + poison(value);
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (at, &value) in chunk.iter().enumerate() {
            add(at, value);
        }
    }
    rest.iter().for_each(|&value| add(0, value));
    Spread { count: values.len() as u64, centre, sum: sums.iter().sum(), squares: squares.iter().sum() }
}

/// Deviations per group; item 0 is the sink.
#[derive(Debug, Default)]
pub(super) struct Deviations<S> {
    groups: Vec<S>,
}

impl Deviations<Spread> {
    /// Of x or of y.
    pub(super) fn add(
        &mut self,
        (term, columns): (Term, &Columns),
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.groups, groups + 1, Spread::default())?;
        let values = columns.factors(term).0.floats();
        match target {
            Target::One => {
                values.chunks(BLOCK).for_each(|values| self.groups[1].merge(spread_of(values)));
            }
            Target::Each(numbers) => {
                for (&value, &number) in values.iter().zip(numbers) {
                    self.groups[number as usize].add(value);
                }
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, group: usize) -> Floats {
        let spread = self.groups.get(group).copied().unwrap_or_default();
        let about = spread.about_mean();
        Floats { xx: about, yy: about, ..Floats::default() }
    }
}

/// A group's deviations of two operands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pair {
    x: Spread,
    /// Its count is that of x.
    y: Spread,
    products: f64,
}

impl Pair {
    #[inline(always)]
    fn add(&mut self, x: f64, y: f64) {
        let count = self.x.count;
        if count & count.wrapping_sub(1) == 0 && count > 0 {
            self.centre_on(self.x.mean(), self.y.mean());
        }
        self.x.add_about(x);
        self.y.add_about(y);
        self.products += (x - self.x.centre) * (y - self.y.centre) + (poison(x) + poison(y));
    }

    fn centre_on(&mut self, x: f64, y: f64) {
        let (step_x, step_y) = (x - self.x.centre, y - self.y.centre);
        let count = self.x.count as f64;
        self.products += step_x * (count * step_y - self.y.sum) - step_y * self.x.sum;
        self.x.centre_on(x);
        self.y.centre_on(y);
    }

    fn merge(&mut self, mut other: Self) {
        if self.x.count == 0 || other.x.count == 0 {
            if self.x.count == 0 {
                *self = other;
            }
            return;
        }
        if self.x.count < other.x.count {
            std::mem::swap(self, &mut other);
        }
        self.centre_on(self.x.mean(), self.y.mean());
        other.centre_on(other.x.mean(), other.y.mean());
        other.centre_on(self.x.centre, self.y.centre);
        for (mine, theirs) in [(&mut self.x, other.x), (&mut self.y, other.y)] {
            mine.count += theirs.count;
            mine.sum += theirs.sum;
            mine.squares += theirs.squares;
        }
        self.products += other.products;
    }
}

impl Spread {
    /// Adds without moving a centre that there is.
    #[inline(always)]
    fn add_about(&mut self, value: f64) {
        if self.count == 0 {
            self.centre = value;
        }
        let deviation = value - self.centre;
        self.count += 1;
        self.sum += deviation;
        self.squares += deviation * deviation + poison(value);
    }
}

impl Deviations<Pair> {
    pub(super) fn add(
        &mut self,
        columns: &Columns,
        target: Target,
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.groups, groups + 1, Pair::default())?;
        let (x, y) = (columns.x().floats(), columns.y().floats());
        match target {
            Target::One => {
                let group = &mut self.groups[1];
                x.iter().zip(y).for_each(|(&x, &y)| group.add(x, y));
            }
            Target::Each(numbers) => {
                for ((&x, &y), &number) in x.iter().zip(y).zip(numbers) {
                    self.groups[number as usize].add(x, y);
                }
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, group: usize) -> Floats {
        let Pair { x, y, products } = self.groups.get(group).copied().unwrap_or_default();
        let xy = products - x.sum * (y.sum / x.count as f64);
        Floats { mean_x: x.mean(), mean_y: y.mean(), xx: x.about_mean(), yy: y.about_mean(), xy }
    }
}

/// A group's state as columns of floats, beside its count.
pub(super) trait State: Copy + Default {
    const COLUMNS: usize;

    fn column(&self, at: usize) -> f64;

    fn of_columns(count: u64, column: impl Fn(usize) -> f64) -> Self;

    fn join(&mut self, other: Self);
}

/// Centre, sum and squares.
impl State for Spread {
    const COLUMNS: usize = 3;

    fn column(&self, at: usize) -> f64 {
        [self.centre, self.sum, self.squares][at]
    }

    fn of_columns(count: u64, column: impl Fn(usize) -> f64) -> Self {
        Spread { count, centre: column(0), sum: column(1), squares: column(2) }
    }

    fn join(&mut self, other: Self) {
        self.merge(other);
    }
}

/// Those of x and of y, and the products.
impl State for Pair {
    const COLUMNS: usize = 7;

    fn column(&self, at: usize) -> f64 {
        match at {
            0..3 => self.x.column(at),
            3..6 => self.y.column(at - 3),
            _ => self.products,
        }
    }

    fn of_columns(count: u64, column: impl Fn(usize) -> f64) -> Self {
        let spread = |first: usize| Spread::of_columns(count, |at| column(first + at));
        Pair { x: spread(0), y: spread(3), products: column(6) }
    }

    fn join(&mut self, other: Self) {
        self.merge(other);
    }
}

impl<S: State> Deviations<S> {
    pub(super) fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Float64; S::COLUMNS]
    }

    /// Of groups `1..=groups`.
    pub(super) fn states(&self, groups: usize) -> Vec<ArrayRef> {
        let state = |group: usize| self.groups.get(group).copied().unwrap_or_default();
        let column = |at: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values((1..=groups).map(|group| state(group).column(at))))
        };
        (0..S::COLUMNS).map(column).collect()
    }

    /// Joins [`Deviations::states`] of other groups: row `i` to group `numbers[i]`.
    pub(super) fn merge(
        &mut self,
        states: &[ArrayRef],
        counts: &[u64],
        numbers: &[u32],
        groups: usize,
        grant: &mut Grant,
    ) -> Result<()> {
        grant.resize(&mut self.groups, groups + 1, S::default())?;
        for (row, (&count, &group)) in counts.iter().zip(numbers).enumerate() {
            let column = |at: usize| states[at].as_primitive::<Float64Type>().value(row);
            self.groups[group as usize].join(S::of_columns(count, column));
        }
        Ok(())
    }
}

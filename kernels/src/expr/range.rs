//! Interval arithmetic: which results cannot overflow.

/// Smallest and largest value of an integer-like column or expression (decimals unscaled), both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    /// No value is below.
    pub min: i128,
    /// No value is above.
    pub max: i128,
}

impl Range {
    /// One value.
    #[must_use]
    pub fn of(value: i128) -> Self {
        Self { min: value, max: value }
    }

    /// True where `value` lies within.
    #[must_use]
    pub fn contains(&self, value: i128) -> bool {
        self.min <= value && value <= self.max
    }

    /// True where every value of `self` lies within `bounds`.
    #[must_use]
    pub fn within(&self, bounds: &Range) -> bool {
        bounds.min <= self.min && self.max <= bounds.max
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn union(&self, other: &Range) -> Range {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

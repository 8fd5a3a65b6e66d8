//! Decisions as a list of numbers.

use proptest::prelude::*;

/// Decisions to be taken, one number each. Past the end every decision is zero: the simplest.
#[derive(Debug, Clone)]
pub struct Choices {
    numbers: Vec<u32>,
    next: usize,
}

impl Choices {
    /// Decisions by these numbers.
    #[must_use]
    pub fn new(numbers: Vec<u32>) -> Self {
        Choices { numbers, next: 0 }
    }

    /// A number from 0 to `count - 1`.
    pub fn pick(&mut self, count: usize) -> usize {
        let number = self.numbers.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        number as usize % count.max(1)
    }

    /// True once in `one_in`.
    pub fn rarely(&mut self, one_in: usize) -> bool {
        self.pick(one_in) == one_in - 1
    }

    /// One of these; the first is the simplest.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.pick(items.len())]
    }

    /// Decisions for something else: the second half of those that are left.
    #[must_use]
    pub fn split(&mut self) -> Choices {
        let half = self.next.min(self.numbers.len()).midpoint(self.numbers.len());
        Choices::new(self.numbers.split_off(half))
    }

    /// A seed for values whose shrinking is not worth it.
    pub fn seed(&mut self) -> u64 {
        self.pick(usize::MAX) as u64
    }
}

/// Up to `most` decisions.
pub fn choices(most: usize) -> impl Strategy<Value = Choices> {
    prop::collection::vec(any::<u32>(), most / 4..=most).prop_map(Choices::new)
}

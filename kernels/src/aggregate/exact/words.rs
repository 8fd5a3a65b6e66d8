//! Natural numbers as words, lowest first.

/// Without the zero words at the top.
pub(super) fn trimmed(words: &[u64]) -> &[u64] {
    let len = words.iter().rposition(|&word| word != 0).map_or(0, |at| at + 1);
    &words[..len]
}

/// Two's complement of the other sign.
pub(super) fn negate(words: &mut [u64]) {
    let mut carry = true;
    for word in words {
        (*word, carry) = (!*word).overflowing_add(carry.into());
    }
}

/// `a + b + carry`.
pub(crate) fn add_with_carry(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (sum, first) = a.overflowing_add(b);
    let (sum, second) = sum.overflowing_add(carry.into());
    (sum, first | second)
}

/// `into += other`, of the same length.
pub(super) fn add(into: &mut [u64], other: &[u64]) {
    let mut carry = false;
    for (word, &other) in into.iter_mut().zip(other) {
        (*word, carry) = add_with_carry(*word, other, carry);
    }
    debug_assert!(!carry, "the sum has more words");
}

/// `into -= other`, which is of the same length and not greater.
pub(super) fn subtract(into: &mut [u64], other: &[u64]) {
    let mut borrow = false;
    for (word, &other) in into.iter_mut().zip(other) {
        let (difference, first) = word.overflowing_sub(other);
        let (difference, second) = difference.overflowing_sub(borrow.into());
        (*word, borrow) = (difference, first | second);
    }
    debug_assert!(!borrow, "less than was taken");
}

/// Compares two numbers of the same length.
pub(super) fn is_less(left: &[u64], right: &[u64]) -> bool {
    left.iter().rev().lt(right.iter().rev())
}

/// `words * 2^bits` into `into`, which is zero and long enough.
pub(super) fn shift_left(words: &[u64], bits: usize, into: &mut [u64]) {
    let (skip, shift) = (bits / 64, bits % 64);
    debug_assert!(
        words.is_empty() || skip + words.len() <= into.len(),
        "a number of more words than there are"
    );
    let mut below = 0;
    for (into, &word) in into.iter_mut().skip(skip).zip(words.iter().chain([&0])) {
        *into = if shift == 0 { word } else { word << shift | below >> (64 - shift) };
        below = word;
    }
}

/// `words / 2^bits`, rounded down, into `into`, which is zero.
pub(super) fn shift_right(words: &[u64], bits: usize, into: &mut [u64]) {
    let (skip, shift) = (bits / 64, bits % 64);
    let words = words.get(skip..).unwrap_or_default();
    for (at, (into, &word)) in into.iter_mut().zip(words).enumerate() {
        let above = words.get(at + 1).copied().unwrap_or(0);
        *into = if shift == 0 { word } else { word >> shift | above << (64 - shift) };
    }
}

/// The product into `into`, which is zero and long enough.
pub(super) fn multiply(left: &[u64], right: &[u64], into: &mut [u64]) {
    debug_assert!(left.len() + right.len() <= into.len(), "a product of more words than there are");
    for (at, &a) in left.iter().enumerate() {
        let mut carry = 0;
        let (low, high) = into[at..].split_at_mut(right.len());
        for (into, &b) in low.iter_mut().zip(right) {
            let product = u128::from(a) * u128::from(b) + u128::from(*into) + u128::from(carry);
            (*into, carry) = (product as u64, (product >> 64) as u64);
        }
        if let Some(top) = high.first_mut() {
            *top = carry;
        }
    }
}

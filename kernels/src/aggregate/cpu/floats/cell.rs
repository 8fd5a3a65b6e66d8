//! Fixed-point cells: 128 or 256 bits of two's complement that stand at an anchor, the position of their lowest bit.

use arrow::datatypes::i256;

use super::extent::take_apart;

/// A group's sum within a window.
pub(super) trait Cell<const WORDS: usize>: Copy + Send + Sync + std::fmt::Debug + 'static {
    const ZERO: Self;
    fn from_words(words: [u64; WORDS]) -> Self;
    /// Wraps: that it does not is what a window sees to, for all but the sink.
    fn plus(self, other: Self) -> Self;
    fn wide(self) -> i256;
    /// The low bits.
    fn narrowed(value: i256) -> Self;
}

impl Cell<2> for i128 {
    const ZERO: Self = 0;
    #[inline(always)]
    fn from_words([low, high]: [u64; 2]) -> Self {
        (u128::from(high) << 64 | u128::from(low)) as i128
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn wide(self) -> i256 {
        i256::from_i128(self)
    }
    fn narrowed(value: i256) -> Self {
        value.as_i128()
    }
}

impl Cell<4> for i256 {
    const ZERO: Self = i256::ZERO;
    #[inline(always)]
    fn from_words([a, b, c, d]: [u64; 4]) -> Self {
        let pair = |low, high| u128::from(high) << 64 | u128::from(low);
        i256::from_parts(pair(a, b), pair(c, d) as i128)
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn wide(self) -> i256 {
        self
    }
    fn narrowed(value: i256) -> Self {
        value
    }
}

/// Rows converted at a time: at most 8 KiB of the first cache level.
const CHUNK: usize = 256;

/// Up to here each group has [`REPLICAS`] cells, so that equal neighbours do not wait for each other's store.
const REPLICATED_GROUPS: usize = 63;
const REPLICAS: usize = 4;

/// `number << by`, zero beyond 64 bits, a shift that vector units have.
#[inline(always)]
fn left(number: u64, by: u64) -> u64 {
    if by < 64 { number << by } else { 0 }
}

#[inline(always)]
fn right(number: u64, by: u64) -> u64 {
    if by < 64 { number >> by } else { 0 }
}

/// A finite value at its place. Its bits outside of the window are lost; the caller has ruled out that there are any.
#[inline(always)]
pub(super) fn place<const WORDS: usize>(value: f64, anchor: u64) -> [u64; WORDS] {
    let bits = value.to_bits();
    let (significand, position) = take_apart(bits);
    let shift = position.wrapping_sub(anchor);
    let sign = (bits as i64 >> 63) as u64;
    let mut carry = sign & 1;
    let mut words = [0; WORDS];
    for (word, at) in words.iter_mut().zip((0..).step_by(64)) {
        let by = shift.wrapping_sub(at);
        let magnitude = left(significand, by) | right(significand, by.wrapping_neg());
        // Two's complement: the carry goes on through zeros.
        *word = (magnitude ^ sign).wrapping_add(carry);
        carry &= u64::from(magnitude == 0);
    }
    words
}

/// The magnitude of a product, low and high, its position, and all ones where it is negative.
type Product = (u64, u64, u64, u64);

/// The product of two finite values.
#[inline(always)]
fn multiply(x: f64, y: f64) -> Product {
    let ((x_significand, x_position), (y_significand, y_position)) =
        (take_apart(x.to_bits()), take_apart(y.to_bits()));
    let product = u128::from(x_significand) * u128::from(y_significand);
    let sign = ((x.to_bits() ^ y.to_bits()) as i64 >> 63) as u64;
    (product as u64, (product >> 64) as u64, x_position + y_position, sign)
}

#[inline(always)]
fn place_product<const WORDS: usize>((low, high, position, sign): Product, anchor: u64) -> [u64; WORDS] {
    let shift = position.wrapping_sub(anchor);
    let mut carry = sign & 1;
    let mut words = [0; WORDS];
    for (word, at) in words.iter_mut().zip((0..).step_by(64)) {
        let by = shift.wrapping_sub(at);
        let above = by.wrapping_add(64);
        let magnitude = left(low, by)
            | right(low, by.wrapping_neg())
            | left(high, above)
            | right(high, above.wrapping_neg());
        *word = (magnitude ^ sign).wrapping_add(carry);
        carry &= u64::from(magnitude == 0);
    }
    words
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn place_products<const WORDS: usize>(products: &[Product], anchor: u64, into: &mut [[u64; WORDS]]) {
    for (into, &product) in into.iter_mut().zip(products) {
        *into = place_product(product, anchor);
    }
}

/// Adds the product of each row to the cell that `numbers` names, or all to that of group 1.
pub(super) fn add_products<const WORDS: usize, C: Cell<WORDS>>(
    numbers: Option<&[u32]>,
    (x, y): (&[f64], &[f64]),
    anchor: u64,
    cells: &mut [C],
) {
    const ROWS: usize = CHUNK / 2;
    let mut products = [(0, 0, 0, 0); ROWS];
    let mut placed = [[0; WORDS]; ROWS];
    let mut first = 0;
    for (x, y) in x.chunks(ROWS).zip(y.chunks(ROWS)) {
        for (product, (&x, &y)) in products.iter_mut().zip(x.iter().zip(y)) {
            *product = multiply(x, y);
        }
        place_products(&products[..x.len()], anchor, &mut placed);
        let placed = &placed[..x.len()];
        match numbers {
            None => cells[1] = placed.iter().fold(cells[1], |cell, &words| cell.plus(C::from_words(words))),
            Some(numbers) => {
                for (&words, &number) in placed.iter().zip(&numbers[first..]) {
                    let cell = &mut cells[number as usize];
                    *cell = cell.plus(C::from_words(words));
                }
            }
        }
        first += x.len();
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512dq+avx512bw+avx512vl", "x86_64+avx2"))]
fn place_all<const WORDS: usize>(values: &[f64], anchor: u64, into: &mut [[u64; WORDS]]) {
    for (into, &value) in into.iter_mut().zip(values) {
        *into = place(value, anchor);
    }
}

/// Adds each of `values` to the cell that `numbers` names. `cells` has one more item than there are groups.
pub(super) fn add_each<const WORDS: usize, C: Cell<WORDS>>(
    numbers: &[u32],
    values: &[f64],
    anchor: u64,
    cells: &mut [C],
) {
    let mut placed = [[0; WORDS]; CHUNK];
    if cells.len() > REPLICATED_GROUPS + 1 {
        for (values, numbers) in values.chunks(CHUNK).zip(numbers.chunks(CHUNK)) {
            place_all(values, anchor, &mut placed);
            for (&words, &number) in placed.iter().zip(numbers) {
                let cell = &mut cells[number as usize];
                *cell = cell.plus(C::from_words(words));
            }
        }
        return;
    }
    let mut replicas = [[C::ZERO; REPLICAS]; REPLICATED_GROUPS + 1];
    for (values, numbers) in values.chunks(CHUNK).zip(numbers.chunks(CHUNK)) {
        place_all(values, anchor, &mut placed);
        for (at, (&words, &number)) in placed.iter().zip(numbers).enumerate() {
            // The mask only tells the compiler what holds: numbers are below the count of replicas.
            let cell = &mut replicas[number as usize & REPLICATED_GROUPS][at % REPLICAS];
            *cell = cell.plus(C::from_words(words));
        }
    }
    for (cell, replicas) in cells.iter_mut().zip(replicas) {
        *cell = replicas.into_iter().fold(*cell, C::plus);
    }
}

/// Adds all of `values` to one cell.
pub(super) fn add_all<const WORDS: usize, C: Cell<WORDS>>(values: &[f64], anchor: u64, cell: &mut C) {
    let mut placed = [[0; WORDS]; CHUNK];
    let mut replicas = [C::ZERO; REPLICAS];
    for values in values.chunks(CHUNK) {
        place_all(values, anchor, &mut placed);
        for (at, &words) in placed[..values.len()].iter().enumerate() {
            replicas[at % REPLICAS] = replicas[at % REPLICAS].plus(C::from_words(words));
        }
    }
    *cell = replicas.into_iter().fold(*cell, C::plus);
}

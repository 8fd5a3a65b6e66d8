use arrow::array::{Array, AsArray};
use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

use super::*;

fn number_of(value: f64) -> Exact {
    Exact::from_f64(value)
}

/// A number as an integer times `2^exponent`.
fn big(number: &Exact) -> (BigInt, i32) {
    let bytes: Vec<u8> = number.used().iter().flat_map(|word| word.to_le_bytes()).collect();
    let sign = if number.negative { Sign::Minus } else { Sign::Plus };
    (BigInt::from_bytes_le(sign, &bytes), number.exponent)
}

/// As an integer times `2^-3000`.
fn fixed(number: &Exact) -> BigInt {
    let (value, exponent) = big(number);
    value << (exponent + 3000) as usize
}

fn number() -> impl Strategy<Value = Exact> {
    let words = proptest::collection::vec(
        prop_oneof![Just(0u64), Just(u64::MAX), Just(1), Just(1 << 63), any::<u64>()],
        0..8,
    );
    (any::<bool>(), words, -400i32..400)
        .prop_map(|(negative, words, exponent)| Exact::from_words(negative, &words, exponent))
}

/// The float nearest to `value / divisor * 2^-3000`, by trying its neighbours in exact arithmetic.
fn nearest(value: &BigInt, divisor: u64) -> f64 {
    let exact = |float: f64| fixed(&number_of(float)) * divisor;
    let distance = |float: f64| {
        let difference = exact(float) - value;
        BigInt::from(difference.magnitude().clone())
    };
    // Bisection over the ordered bits of the magnitude.
    let magnitude = BigInt::from(value.magnitude().clone());
    let (mut low, mut high) = (0u64, f64::MAX.to_bits());
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if exact(f64::from_bits(middle)) <= magnitude { low = middle } else { high = middle - 1 }
    }
    let sign = if value.sign() == Sign::Minus { -1.0 } else { 1.0 };
    let (down, up) = (f64::from_bits(low) * sign, f64::from_bits(low + 1) * sign);
    match distance(down).cmp(&distance(up)) {
        std::cmp::Ordering::Less => down,
        std::cmp::Ordering::Greater => up,
        std::cmp::Ordering::Equal => {
            if low % 2 == 0 {
                down
            } else {
                up
            }
        }
    }
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_integers(a in number(), b in number()) {
        prop_assert_eq!(fixed(&a.plus(&b)), fixed(&a) + fixed(&b));
        prop_assert_eq!(fixed(&a.minus(&b)), fixed(&a) - fixed(&b));
        prop_assert_eq!(fixed(&a.times(&b)) << 3000usize, fixed(&a) * fixed(&b));
        prop_assert!(a.minus(&a).is_zero() && !a.minus(&a).is_negative());
    }

    #[test]
    fn rounds_to_the_nearest(a in number(), down in 0i32..1500, divisor in prop_oneof![Just(1u64), Just(3), 1u64..1000, any::<u64>().prop_map(|d| d.max(1))]) {
        let a = Exact { exponent: a.exponent - down, ..a };
        prop_assert_eq!(a.over(divisor).to_bits(), nearest(&fixed(&a), divisor).to_bits());
        prop_assert_eq!(a.to_f64().to_bits(), nearest(&fixed(&a), 1).to_bits());
    }

    /// Cells, and sums about means in few words.
    #[test]
    fn short_ways_agree(low in any::<u128>(), high in any::<i128>(), up in 0u32..256, down in 0i32..1400, count in 1u64..) {
        let value = i256::from_parts(low, high) >> (up.min(255) as u8);
        let long: Exact = Exact::from_i256(value, -down);
        prop_assert_eq!(quotient(value, -down, count).to_bits(), long.over(count).to_bits());
        prop_assert_eq!(quotient(value, -down, 1).to_bits(), long.to_f64().to_bits());
    }

    #[test]
    fn short_spreads_agree(p in any::<i128>(), a in any::<i128>(), b in any::<i128>(), at in -300i32..300, count in 1u64..) {
        fn of<const N: usize>(p: i128, a: i128, b: i128, at: i32, count: u64) -> Option<Scaled> {
            let number = |value: i128, at| Exact::<N>::from_i256(i256::from_i128(value), at);
            spread(count, &number(p, at), &number(a, 0), &number(b, 7))
        }
        let long = of::<MOST_WORDS>(p, a, b, at, count);
        prop_assert!(long.is_some());
        let short = of::<12>(p, a, b, at, count);
        prop_assert!(short.is_none() || short == long);
        prop_assert!(short.is_some() || at.abs() > 60);
        let exact = |value: i128, up: i32| BigInt::from(value) << (3000 + up) as usize;
        let exact = exact(p, at) * count - (exact(a, 7) * b);
        prop_assert_eq!(long.map(|long| long.is_zero()), Some(exact == BigInt::from(0)));
    }

    #[test]
    fn floats_come_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(number_of(value).to_f64(), value);
    }

    #[test]
    fn encoding_is_one_form_and_comes_back(a in number(), shift in 0i32..70, flags in 0u8..8) {
        let (integer, exponent) = big(&a);
        let bytes: Vec<u64> = (integer << shift as usize).magnitude().to_u64_digits();
        let same = Exact::from_words(a.negative, &bytes, exponent - shift);
        let rows = encoded([(a, flags), (same, flags)].into_iter());
        let rows = rows.as_binary::<i64>();
        prop_assert_eq!(rows.value(0), rows.value(1));
        let (back, specials) = decode(rows.value(0), -2148, 2000).unwrap();
        prop_assert_eq!((fixed(&back), specials), (fixed(&a), flags));
    }

    #[test]
    fn scaled_is_within_its_bound(a in number(), b in number()) {
        prop_assume!(!a.is_zero() && !b.is_zero());
        let (x, y) = (Scaled::from(&a), Scaled::from(&b));
        let near = |found: Scaled, numerator: BigInt, denominator: BigInt| {
            // found within 2^-60 of numerator / denominator: all as multiples of 2^-3000.
            let (mantissa, exponent) = (BigInt::from(found.mantissa), found.exponent);
            let found: BigInt = (mantissa << (exponent + 3000) as usize) * if found.negative { -1 } else { 1 };
            let difference: BigInt = &found * &denominator - (&numerator << 3000usize);
            (difference.magnitude() << 60usize) <= (numerator << 3000usize).magnitude().clone()
        };
        prop_assert!(near(x.times(y), fixed(&a) * fixed(&b), BigInt::from(1) << 6000usize));
        prop_assert!(near(x.over(y), fixed(&a), fixed(&b)));
        let root = x.root();
        prop_assert!(near(root.times(root), fixed(&a).magnitude().clone().into(), BigInt::from(1) << 3000usize));
    }
}

#[test]
fn bytes_that_are_no_number_are_refused() {
    let good = encoded([(number_of(-1.5), 0)].into_iter());
    let good = good.as_binary::<i64>().value(0).to_vec();
    assert_eq!(decode(&good, -1074, 1100).unwrap().0.to_f64(), -1.5);
    let mut far = good.clone();
    far[2..6].copy_from_slice(&i32::MAX.to_le_bytes());
    let mut below = good.clone();
    below[2..6].copy_from_slice(&i32::MIN.to_le_bytes());
    let mut sign = good.clone();
    sign[1] = 2;
    let long = [good.clone(), vec![1; 8 * MOST_WORDS]].concat();
    for bytes in [vec![], good[..5].to_vec(), good[..9].to_vec(), far, below, sign, long] {
        assert!(decode(&bytes, -1074, 1100).is_err(), "{bytes:?}");
    }
    assert!(decode(&good, 0, 1100).is_err(), "a bit below the lowest");
}

#[test]
fn specials_of_the_range() {
    assert_eq!(number_of(f64::MAX).plus(&number_of(f64::MAX)).to_f64(), f64::INFINITY);
    assert_eq!(number_of(5e-324).over(2), 0.0, "a tie to even");
    assert_eq!(number_of(5e-324).plus(&number_of(1e-323)).over(2), 1e-323, "1.5 places");
    assert_eq!(Exact::<MOST_WORDS>::ZERO.to_f64().to_bits(), 0);
    assert_eq!(Exact::<MOST_WORDS>::ZERO.over(3).to_bits(), 0);
    assert!(encoded(std::iter::once((Exact::<MOST_WORDS>::ZERO, 1))).null_count() == 0);
}

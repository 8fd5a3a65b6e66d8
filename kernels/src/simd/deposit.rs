//! The low bits of a word, moved to the places of a mask's bits in order: `PDEP`, or a loop over the mask.

/// Bit `i` of `bits` at the place of the `i`-th set bit of `mask`; 0 elsewhere.
#[must_use]
pub(crate) fn deposit(bits: u64, mask: u64) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the feature is there.
        return unsafe { deposit_bmi2(bits, mask) };
    }
    deposit_scalar(bits, mask)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "bmi2")]
fn deposit_bmi2(bits: u64, mask: u64) -> u64 {
    std::arch::x86_64::_pdep_u64(bits, mask)
}

fn deposit_scalar(mut bits: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        out |= lowest * (bits & 1);
        bits >>= 1;
        mask ^= lowest;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{deposit, deposit_scalar};

    proptest! {
        // Proptest's own draws take Miri minutes.
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]

        #[test]
        fn bits_lie_where_the_mask_has_them(bits: u64, mask: u64) {
            let mut expected = 0;
            for (i, place) in (0..64).filter(|place| mask >> place & 1 == 1).enumerate() {
                expected |= (bits >> i & 1) << place;
            }
            prop_assert_eq!(deposit(bits, mask), expected);
            prop_assert_eq!(deposit_scalar(bits, mask), expected);
        }
    }
}

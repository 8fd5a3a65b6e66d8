//! The instruction sets that hand-written kernels exist for, found once at run time.

use std::sync::OnceLock;

/// A set of instructions that this CPU has. A value other than [`Level::SCALAR`] is proof: only detection makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// No more than the target's baseline.
    #[cfg(test)]
    pub(crate) const SCALAR: Level = Level(Set::Scalar);

    /// The best of this CPU; in tests, the one that [`Level::force`] holds.
    #[inline]
    pub(crate) fn detected() -> Level {
        #[cfg(test)]
        if let Some(level) = FORCED.get() {
            return level;
        }
        static DETECTED: OnceLock<Level> = OnceLock::new();
        *DETECTED.get_or_init(|| Level(detect()))
    }

    /// AVX2 with BMI1, BMI2, LZCNT and POPCNT: x86-64-v3 but for FMA.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) fn avx2(self) -> bool {
        self.0 >= Set::Avx2
    }

    /// AVX-512 F, BW, DQ, VL, VBMI and VBMI2 as well: Ice Lake, Zen 4.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) fn avx512(self) -> bool {
        self.0 >= Set::Avx512
    }

    /// All of this CPU's, slowest first.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Level> {
        #[cfg(target_arch = "x86_64")]
        let sets = [Set::Scalar, Set::Avx2, Set::Avx512];
        #[cfg(not(target_arch = "x86_64"))]
        let sets = [Set::Scalar];
        sets.into_iter().filter(|&set| set <= detect()).map(Level).collect()
    }

    /// Runs `f` with this level as the detected one of this thread.
    #[cfg(test)]
    pub(crate) fn force<R>(self, f: impl FnOnce() -> R) -> R {
        struct Restore(Option<Level>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FORCED.set(self.0);
            }
        }
        let _restore = Restore(FORCED.replace(Some(self)));
        f()
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Set {
    macro_rules! has {
        ($($feature:tt)*) => { true $(&& std::is_x86_feature_detected!($feature))* };
    }
    if !has!("avx2" "bmi1" "bmi2" "lzcnt" "popcnt") {
        return Set::Scalar;
    }
    match has!("avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vbmi" "avx512vbmi2") {
        true => Set::Avx512,
        false => Set::Avx2,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Set {
    Set::Scalar
}

//! Loops compiled once per instruction set and chosen at run time.
//!
//! The baseline of x86-64 is SSE2; each loop here is compiled for AVX-512 (as of Ice Lake), AVX2 and NEON as well. The
//! loops are plain Rust that the compiler vectorises; dispatch is one atomic load per call, so calls should cover
//! thousands of rows.

pub(crate) mod append;
pub mod bitmap;
pub(crate) mod compare;
pub(crate) mod deposit;
pub mod lanes;
pub(crate) mod level;
pub(crate) mod prefetch;
pub(crate) mod prefix;
mod room;
pub(crate) mod spread;
pub(crate) mod transpose;
pub(crate) mod unpack;
pub(crate) mod widen;
pub(crate) mod words;

/// Compiles the functions within once per instruction set, chosen at run time.
macro_rules! dispatched {
    ($($(#[$attr:meta])* $vis:vis fn $name:ident $([$($generics:tt)*])? ($($args:tt)*) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$attr])*
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
            "x86_64+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
            "aarch64+neon",
        ))]
        $vis fn $name $(<$($generics)*>)? ($($args)*) $(-> $ret)? $body
    )*};
}
pub(crate) use dispatched;

//! The simd kernel.

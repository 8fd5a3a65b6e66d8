//! Dense values to slots: the values that are there go to the valid slots in order, the others get the default.

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::ArrowNativeType;

use super::Malformed;
use crate::simd::level::Level;
use crate::simd::spread as simd;
use crate::simd::words::Words;

#[cfg(test)]
mod tests;

/// Writes `dense` to the slots of `out` that `validity` marks and zero to the others; gives how many values were used.
///
/// `dense` may be longer than that. `out` is overwritten as a whole; after an error it is unspecified.
///
/// # Errors
/// [`Malformed`] where `dense` holds fewer values than slots are valid, or `validity` and `out` differ in length.
pub fn spread<T: ArrowNativeType>(
    dense: &[T],
    validity: &BooleanBuffer,
    out: &mut [T],
) -> Result<usize, Malformed> {
    if validity.len() != out.len() {
        return Err(Malformed::new("validity and slots differ in length"));
    }
    let valid = Words::new(validity.values(), validity.offset(), validity.len());
    simd::spread(Level::detected(), dense, valid, out)
        .ok_or_else(|| Malformed::new("fewer values than valid slots"))
}

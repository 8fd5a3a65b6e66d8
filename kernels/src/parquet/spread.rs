//! Dense values to slots: the values that are there go to the valid slots in order, the others get the default.

use arrow::buffer::BooleanBuffer;

use super::Malformed;

#[cfg(test)]
mod tests;

/// Writes `dense` to the slots of `out` that `validity` marks and the default (zero) to the others; gives how many values
/// were used.
///
/// `dense` may be longer than that.
///
/// # Errors
/// [`Malformed`] where `dense` holds fewer values than slots are valid, or `validity` and `out` differ in length.
pub fn spread<T: Copy + Default>(
    dense: &[T],
    validity: &BooleanBuffer,
    out: &mut [T],
) -> Result<usize, Malformed> {
    if validity.len() != out.len() {
        return Err(Malformed::new("validity and slots differ in length"));
    }
    let mut used = 0;
    for (slots, word) in out.chunks_mut(64).zip(validity.bit_chunks().iter_padded()) {
        let count = word.count_ones() as usize;
        let Some(values) = dense.get(used..used + count) else {
            return Err(Malformed::new("fewer values than valid slots"));
        };
        used += count;
        if count == slots.len() {
            slots.copy_from_slice(values);
            continue;
        }
        slots.fill(T::default());
        let mut left = word;
        for &value in values {
            slots[left.trailing_zeros() as usize] = value;
            left &= left - 1;
        }
    }
    Ok(used)
}

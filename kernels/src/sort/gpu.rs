//! Stable order of small results on the GPU: one dispatch, no barriers.
//!
//! ```text
//! rank[row] = number of rows that come before it     (words less, or words equal and index smaller)
//! order[rank[row]] = row                             (ranks are distinct: nobody writes twice)
//! ```
//! Quadratic in rows, so it is for what is left after an aggregation or a top-k, where the cost of a dispatch outweighs
//! that of the comparisons. Bytes: the words once up, four per row down; compared words come from the cache.

use pilaster_shaders::{Request, Root, Tier, shader};

use crate::error::{Backend, Error, Result};
use crate::gpu::program::{BufferInit, Program, ProgramOutput, Workgroups};
use crate::keys::KeyWords;

/// Largest number of rows: beyond it a sort of another order is wanted.
pub const MOST_ROWS: usize = 4096;

/// The program that orders the rows of `keys`, which [`crate::keys::order_words`] made.
///
/// # Errors
/// [`Error::Unsupported`] for more than [`MOST_ROWS`] rows; [`Error::InvalidInput`] where `keys` contradicts itself;
/// [`Error::Device`] where the stage does not compose.
///
/// ```
/// use pilaster_kernels::{keys::KeyWords, sort::gpu};
/// use pilaster_shaders::Tier;
/// let keys = KeyWords { rows: 3, width: 1, bits: 32, words: vec![7, 5, 7] };
/// let program = gpu::program(&keys, &Tier::BASELINE)?;
/// assert_eq!((program.stages.len(), program.read_back_bytes()), (1, 12));
/// # Ok::<(), pilaster_kernels::Error>(())
/// ```
pub fn program(keys: &KeyWords, tier: &Tier) -> Result<Program> {
    let KeyWords { rows, width, words, .. } = keys;
    if *rows > MOST_ROWS {
        return Err(Error::unsupported(format!("a sort of {rows} rows"), Backend::Gpu));
    }
    if words.len() != rows * width {
        return Err(Error::invalid(format!("{} key words for {rows} rows of {width}", words.len())));
    }
    let label = "sort/rank";
    let request = Request { label, root: Root::Library(label), slots: &[], constants: &[], tier };
    let shader =
        shader(&request).map_err(|error| Error::Device { stage: label.into(), reason: error.to_string() })?;
    let mut program = Program::new("sort");
    let shape = program.upload_words("sort/shape", &[*rows as u32, *width as u32]);
    let keys = program.upload_words("sort/keys", words);
    let order = program.buffer("sort/order", *rows as u64 * 4, BufferInit::Zero);
    let workgroups = (*rows as u32).div_ceil(shader.workgroup_size[0]);
    if workgroups > 0 {
        program.stage(label, shader, vec![shape, keys, order], Workgroups::Direct([workgroups, 1, 1]));
    }
    program.read_back(order, 0, *rows as u64 * 4);
    Ok(program)
}

/// The order that a [`program`] over `rows` rows gave: indices of rows, first to last.
///
/// # Errors
/// [`Error::Device`] for a read-back that is no permutation.
pub fn decode(output: &ProgramOutput, rows: usize) -> Result<Vec<u32>> {
    let corrupt = |reason: String| Error::Device { stage: "sort/rank".into(), reason };
    let order = output.words.first().map_or(&[][..], Vec::as_slice).get(..rows);
    let order = order.ok_or_else(|| corrupt(format!("read back less than {rows} rows")))?;
    let mut seen = vec![false; rows];
    for &row in order {
        match seen.get_mut(row as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(corrupt(format!("row {row} of {rows} twice or out of bounds"))),
        }
    }
    Ok(order.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(words: Vec<u32>) -> ProgramOutput {
        ProgramOutput { words: vec![words] }
    }

    #[test]
    fn decodes_permutations_only() {
        assert_eq!(decode(&output(vec![2, 0, 1]), 3).unwrap(), [2, 0, 1]);
        assert_eq!(decode(&output(vec![]), 0).unwrap(), [0u32; 0]);
        for wrong in [vec![0, 0, 1], vec![0, 1, 3], vec![0, 1]] {
            assert!(matches!(decode(&output(wrong), 3), Err(Error::Device { .. })));
        }
    }

    #[test]
    fn refuses_what_it_is_not_for() {
        let keys = |rows, width, words| KeyWords { rows, width, bits: 32, words: vec![0; words] };
        assert!(matches!(program(&keys(4097, 1, 4097), &Tier::BASELINE), Err(Error::Unsupported { .. })));
        assert!(matches!(program(&keys(3, 2, 5), &Tier::BASELINE), Err(Error::InvalidInput(_))));
        assert!(program(&keys(4096, 0, 0), &Tier::BASELINE).is_ok());
        assert!(program(&keys(0, 1, 0), &Tier::BASELINE).is_ok_and(|program| program.stages.is_empty()));
    }
}

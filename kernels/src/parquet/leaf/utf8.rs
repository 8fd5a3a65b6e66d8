//! Strings are UTF-8, or the page is corrupt.

use crate::parquet::Malformed;

/// Checks one string, or several where no byte of another kind than ASCII is next to a border between them.
pub(super) fn check(bytes: &[u8]) -> Result<(), Malformed> {
    simdutf8::basic::from_utf8(bytes).map(|_| ()).map_err(|_| malformed())
}

/// Checks strings that lie one after another: all bytes as one string, then that each border is one between characters.
pub(super) fn check_adjacent(bytes: &[u8], lengths: impl Iterator<Item = usize>) -> Result<(), Malformed> {
    if bytes.is_ascii() {
        return Ok(());
    }
    let text = simdutf8::basic::from_utf8(bytes).map_err(|_| malformed())?;
    let mut at = 0;
    for length in lengths {
        at += length;
        if !text.is_char_boundary(at) {
            return Err(malformed());
        }
    }
    Ok(())
}

fn malformed() -> Malformed {
    Malformed::new("text is not UTF-8")
}

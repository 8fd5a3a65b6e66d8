//! Walks over headers, in untrusted bytes: runs of hybrids and miniblocks of deltas become table entries.

use crate::parquet::Malformed;

/// Marks a bit-packed run in its first output: `PARQUET_PACKED` of `parquet/source`.
pub(super) const PACKED: u32 = 1 << 31;

/// A place in bytes.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Malformed> {
        let byte = self.bytes.get(self.at).ok_or_else(|| Malformed::new("a header is cut off"))?;
        self.at += 1;
        Ok(*byte)
    }

    /// ULEB128, at most 64 bits.
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::new("a number of more than 64 bits"))
    }

    fn zigzag(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
}

/// What a hybrid is expected to hold.
pub(super) struct Expected {
    /// Bits of a value.
    pub width: u32,
    /// Values after which the walk ends.
    pub limit: usize,
    /// Number of its first output.
    pub first: usize,
    /// Position of its first byte in the upload.
    pub base: u64,
    /// Largest value that a repeated run may have.
    pub most: u32,
}

/// Appends the runs of a hybrid, two words each; gives the values that they hold, `limit` at most.
pub(super) fn hybrid(bytes: &[u8], expected: &Expected, out: &mut Vec<u32>) -> Result<usize, Malformed> {
    let &Expected { width, limit, first, base, most } = expected;
    if width > 32 {
        return Err(Malformed::new(format!("values of {width} bits")));
    }
    let mut reader = Reader { bytes, at: 0 };
    let mut done = 0;
    while done < limit && reader.left() > 0 {
        let header = reader.varint()?;
        let output = (first + done) as u32;
        let wanted = (limit - done) as u64;
        if header & 1 == 0 {
            let mut value = 0;
            for byte in 0..width.div_ceil(8) {
                value |= u32::from(reader.byte()?) << (8 * byte);
            }
            if value > most {
                return Err(Malformed::new(format!("a value of {value}, at most {most} expected")));
            }
            let len = (header >> 1).min(wanted);
            if len > 0 {
                out.extend([output, value]);
                done += len as usize;
            }
            continue;
        }
        let values = (header >> 1).saturating_mul(8);
        let there = match width {
            0 => values,
            width => values.min(reader.left() as u64 * 8 / u64::from(width)),
        };
        let len = there.min(wanted);
        if len > 0 {
            out.extend([output | PACKED, (base + reader.at as u64) as u32]);
            done += len as usize;
        }
        // The last group may be cut off behind the last value that is wanted.
        let used = (header >> 1).saturating_mul(u64::from(width));
        reader.at += used.min(reader.left() as u64) as usize;
    }
    Ok(done)
}

/// A walked `DELTA_BINARY_PACKED` page.
pub(super) struct Deltas {
    /// Values in it, the limit at most.
    pub values: usize,
    /// The first value.
    pub first: i64,
    /// Values of a miniblock.
    pub per_miniblock: u32,
}

/// Appends the miniblocks of a page, four words each: first byte, width, smallest delta.
pub(super) fn deltas(bytes: &[u8], base: u64, limit: usize, out: &mut Vec<u32>) -> Result<Deltas, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    let (block, miniblocks) = (reader.varint()?, reader.varint()?);
    let total = reader.varint()?;
    let first = reader.zigzag()?;
    let per_miniblock = block.checked_div(miniblocks).unwrap_or(0);
    let whole = miniblocks > 0 && block % miniblocks == 0 && per_miniblock > 0 && per_miniblock % 8 == 0;
    let fits = u32::try_from(per_miniblock).ok().filter(|_| whole && block <= u64::from(u32::MAX));
    let Some(per_miniblock) = fits else {
        return Err(Malformed::new(format!("blocks of {block} values in {miniblocks} miniblocks")));
    };
    let values = total.min(limit as u64) as usize;
    let mut left = values.saturating_sub(1) as u64;
    while left > 0 {
        let least = reader.zigzag()?;
        let widths_at = reader.at;
        let widths = usize::try_from(miniblocks).ok().filter(|widths| *widths <= reader.left());
        reader.at += widths.ok_or_else(|| Malformed::new("bit widths are cut off"))?;
        for miniblock in 0..miniblocks as usize {
            if left == 0 {
                break;
            }
            let width = bytes[widths_at + miniblock];
            if width > 64 {
                return Err(Malformed::new(format!("deltas of {width} bits")));
            }
            let here = left.min(u64::from(per_miniblock));
            let needed = (here * u64::from(width)).div_ceil(8);
            if needed > reader.left() as u64 {
                return Err(Malformed::new("a miniblock is cut off"));
            }
            let place = (base + reader.at as u64) as u32;
            out.extend([place, u32::from(width), least as u32, (least >> 32) as u32]);
            let whole = u64::from(per_miniblock) * u64::from(width) / 8;
            reader.at += whole.min(reader.left() as u64) as usize;
            left -= here;
        }
    }
    Ok(Deltas { values, first, per_miniblock })
}

/// The deprecated `BIT_PACKED` levels, most significant bit first, as a hybrid of one packed run.
pub(super) fn repacked(bytes: &[u8], width: u32, levels: usize) -> Result<Vec<u8>, Malformed> {
    let bits = levels as u64 * u64::from(width);
    if bits.div_ceil(8) > bytes.len() as u64 {
        return Err(Malformed::new("bit-packed levels are cut off"));
    }
    let groups = levels.div_ceil(8) as u64;
    let mut out = Vec::with_capacity(10 + (groups * u64::from(width)) as usize);
    let mut header = groups << 1 | 1;
    while header >= 0x80 {
        out.push(header as u8 | 0x80);
        header >>= 7;
    }
    out.push(header as u8);
    let start = out.len();
    out.resize(start + (groups * u64::from(width)) as usize, 0);
    for value in 0..levels as u64 {
        for bit in 0..u64::from(width) {
            let source = value * u64::from(width) + bit;
            let set = bytes[(source / 8) as usize] >> (7 - source % 8) & 1;
            let target = value * u64::from(width) + u64::from(width) - 1 - bit;
            out[start + (target / 8) as usize] |= set << (target % 8);
        }
    }
    Ok(out)
}

//! Pages decompressed.
//!
//! A page's header says how large it is once decompressed; the caller has checked that size, reserved it and made the
//! output of it. A page that decompresses to anything else is malformed, and nothing is ever written past the output: a
//! few bytes that would make gigabytes end where the output ends.
//!
//! | codec | crate | beyond the output, on each thread |
//! | --- | --- | --- |
//! | Snappy | `snap` | nothing |
//! | Gzip | `libdeflater`; `flate2` on `zlib-rs` for pages of several members | a context of 11 KiB, kept; 48 KiB |
//! | Zstd | `zstd` | a context of 160 KiB, kept |
//! | LZ4, LZ4_RAW | `lz4_flex` | nothing; two blocks of 4 MiB at most for the frame format |
//! | Brotli | `brotli-decompressor` | the window, 16 MiB at most, while a page is read |
//!
//! What each was measured against is in `bench-data/records/`.

use std::cell::RefCell;
use std::io;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::MultiGzDecoder;
use parquet::basic::Compression;
use pilaster_kernels::parquet::Malformed;
use pilaster_kernels::{Backend, Error, Result};

thread_local! {
    /// Made by the first page of Zstd that the thread reads.
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    /// The same for Gzip.
    static GZIP: RefCell<Option<libdeflater::Decompressor>> = const { RefCell::new(None) };
}

/// Whether pages of this codec can be read.
///
/// # Errors
/// [`Error::Unsupported`] for LZO, which no writer of today makes.
pub(super) fn check(codec: Compression) -> Result<()> {
    match codec {
        Compression::LZO => {
            Err(Error::Unsupported { what: "LZO compression".to_string(), on_backend: Backend::Cpu })
        }
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::BROTLI(_)
        | Compression::LZ4
        | Compression::ZSTD(_)
        | Compression::LZ4_RAW => Ok(()),
    }
}

/// Decompresses a page into exactly `output`. A page of no bytes is nothing in every codec.
///
/// # Errors
/// [`Malformed`] where `input` is not of that codec, or makes less or more than `output`. What the output then holds is
/// not said. LZO, which [`check`] refuses, is malformed too.
pub(super) fn decompress(codec: Compression, input: &[u8], output: &mut [u8]) -> Result<(), Malformed> {
    if input.is_empty() && output.is_empty() {
        return Ok(());
    }
    let len = output.len();
    let (name, made) = match codec {
        Compression::UNCOMPRESSED => return copy(input, output),
        Compression::SNAPPY => ("Snappy", snappy(input, output)),
        Compression::GZIP(_) => ("Gzip", gzip(input, output)),
        Compression::BROTLI(_) => ("Brotli", brotli(input, output)),
        Compression::LZ4 => ("LZ4", lz4(input, output)),
        Compression::ZSTD(_) => ("Zstd", zstd(input, output)),
        Compression::LZ4_RAW => ("LZ4_RAW", lz4_raw(input, output)),
        Compression::LZO => ("LZO", Err("it is not supported".to_string())),
    };
    match made {
        Ok(made) if made == len => Ok(()),
        Ok(made) => Err(Malformed::new(format!("a {name} page of {made} bytes where its header says {len}"))),
        Err(reason) => Err(Malformed::new(format!("a {name} page that cannot be decompressed: {reason}"))),
    }
}

/// Bytes made, or what the codec complains about.
type Made = Result<usize, String>;

fn copy(input: &[u8], output: &mut [u8]) -> Result<(), Malformed> {
    if input.len() != output.len() {
        return Err(Malformed::new("an uncompressed page whose two sizes differ"));
    }
    output.copy_from_slice(input);
    Ok(())
}

fn snappy(input: &[u8], output: &mut [u8]) -> Made {
    snap::raw::Decoder::new().decompress(input, output).map_err(|error| error.to_string())
}

fn zstd(input: &[u8], output: &mut [u8]) -> Made {
    ZSTD.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?),
        };
        // All frames of the page, one after another.
        context.decompress_to_buffer(input, output).map_err(|error| error.to_string())
    })
}

/// One member ends with its size: where that is the page's, it is tried as one. A page of several members, or with
/// bytes after the last, has another end, or members that are too small.
fn gzip(input: &[u8], output: &mut [u8]) -> Made {
    let size = u32::try_from(output.len()).ok().map(u32::to_le_bytes);
    if size.is_some_and(|size| input.ends_with(&size)) {
        let whole = GZIP.with_borrow_mut(|context| {
            context.get_or_insert_with(libdeflater::Decompressor::new).gzip_decompress(input, output)
        });
        if whole == Ok(output.len()) {
            return Ok(output.len());
        }
    }
    fill(MultiGzDecoder::new(input), output)
}

fn lz4_raw(input: &[u8], output: &mut [u8]) -> Made {
    lz4_flex::block::decompress_into(input, output).map_err(|error| error.to_string())
}

/// What the name LZ4 stands for depends on the writer: Hadoop's framing, by the specification; the LZ4 frame format in
/// early files of the `parquet` crate; a bare block in early files of parquet-cpp.
fn lz4(input: &[u8], output: &mut [u8]) -> Made {
    let len = output.len();
    let full = |made: &Made| matches!(made, Ok(made) if *made == len);
    let hadoop = lz4_hadoop(input, output);
    if full(&hadoop) {
        return hadoop;
    }
    if input.starts_with(&LZ4_FRAME_MAGIC) {
        let framed = fill(lz4_flex::frame::FrameDecoder::new(input), output);
        if full(&framed) {
            return framed;
        }
    }
    lz4_raw(input, output)
}

const LZ4_FRAME_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Hadoop's framing: any number of
/// ```text
/// size decompressed (u32, big-endian) | { size compressed (u32, big-endian) | block }, until that size is made
/// ```
fn lz4_hadoop(mut input: &[u8], output: &mut [u8]) -> Made {
    let mut made = 0;
    while !input.is_empty() {
        let frame = size(&mut input)?;
        let end = made + frame;
        if end > output.len() {
            return Err("more than the page's size".to_string());
        }
        while made < end {
            let compressed = size(&mut input)?;
            let (block, rest) = input.split_at_checked(compressed).ok_or("a block that is cut short")?;
            // A block of nothing would not bring the frame nearer to its end.
            match lz4_raw(block, &mut output[made..end])? {
                0 => return Err("an empty block".to_string()),
                bytes => made += bytes,
            }
            input = rest;
        }
    }
    Ok(made)
}

fn size(input: &mut &[u8]) -> Made {
    let (bytes, rest) = input.split_first_chunk::<4>().ok_or("a size that is cut short")?;
    *input = rest;
    usize::try_from(u32::from_be_bytes(*bytes)).map_err(|error| error.to_string())
}

fn brotli(input: &[u8], output: &mut [u8]) -> Made {
    let alloc = StandardAlloc::default;
    // Strict: without the extension for windows of a gigabyte, which Parquet does not have.
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut unread, mut read) = (input.len(), 0);
    let (mut room, mut made, mut total) = (output.len(), 0, 0);
    let result = BrotliDecompressStream(
        &mut unread,
        &mut read,
        input,
        &mut room,
        &mut made,
        output,
        &mut total,
        &mut state,
    );
    match result {
        BrotliResult::ResultSuccess if unread == 0 => Ok(made),
        BrotliResult::ResultSuccess => Err("bytes after its end".to_string()),
        BrotliResult::NeedsMoreInput => Err("it is cut short".to_string()),
        BrotliResult::NeedsMoreOutput => Err("more than the page's size".to_string()),
        BrotliResult::ResultFailure => Err("not a Brotli stream".to_string()),
    }
}

/// Reads `from` to its end, which must be that of `output`.
fn fill(mut from: impl io::Read, output: &mut [u8]) -> Made {
    from.read_exact(output).map_err(|error| error.to_string())?;
    match from.read(&mut [0]) {
        Ok(0) => Ok(output.len()),
        Ok(_) => Err("more than the page's size".to_string()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;

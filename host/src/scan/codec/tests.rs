use std::io::Write as _;

use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};

use super::{LZ4_FRAME_MAGIC, check, decompress};

/// Numbers that repeat in part: every codec finds something to shorten and something to copy.
fn page(len: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let words = (0..len.div_ceil(8)).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 44).to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.collect();
    bytes.truncate(len);
    bytes
}

fn gzip() -> Compression {
    Compression::GZIP(GzipLevel::default())
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

fn brotli() -> Compression {
    Compression::BROTLI(BrotliLevel::default())
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn lz4_framed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotlied(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 1, 22);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    out
}

/// One frame of Hadoop's for each of `frames`, cut into blocks of at most `block` bytes.
fn hadoop<'a>(frames: impl IntoIterator<Item = &'a [u8]>, block: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        out.extend(u32::try_from(frame.len()).unwrap().to_be_bytes());
        for block in frame.chunks(block) {
            let compressed = lz4_flex::block::compress(block);
            out.extend(u32::try_from(compressed.len()).unwrap().to_be_bytes());
            out.extend(compressed);
        }
    }
    out
}

/// Every codec and framing, with what it makes of `bytes`.
fn compressed(bytes: &[u8]) -> Vec<(Compression, Vec<u8>)> {
    let (first, second) = bytes.split_at(bytes.len() / 3);
    let zstandard = |bytes| zstd::bulk::compress(bytes, 1).unwrap();
    vec![
        (Compression::UNCOMPRESSED, bytes.to_vec()),
        (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(bytes).unwrap()),
        (gzip(), gzipped(bytes)),
        (gzip(), [gzipped(first), gzipped(second)].concat()),
        (gzip(), [gzipped(bytes), gzipped(&[])].concat()),
        (zstd(), zstandard(bytes)),
        (zstd(), [zstandard(first), zstandard(second)].concat()),
        (brotli(), brotlied(bytes)),
        (Compression::LZ4_RAW, lz4_flex::block::compress(bytes)),
        (Compression::LZ4, hadoop([bytes], usize::MAX)),
        (Compression::LZ4, hadoop([first, second], usize::MAX)),
        (Compression::LZ4, hadoop([bytes], 1000)),
        (Compression::LZ4, lz4_framed(bytes)),
        (Compression::LZ4, lz4_flex::block::compress(bytes)),
    ]
}

#[test]
fn every_codec_gives_back_what_went_in() {
    for len in [1, 2, 3, 100, 65_536, 300_001] {
        let page = page(len);
        for (index, (codec, bytes)) in compressed(&page).into_iter().enumerate() {
            let mut output = vec![0xee; len];
            decompress(codec, &bytes, &mut output)
                .unwrap_or_else(|malformed| panic!("case {index}, {codec}: {malformed}"));
            assert!(output == page, "case {index}, {codec}, {len} bytes");
        }
    }
}

#[test]
fn a_page_of_nothing_is_nothing() {
    for (codec, bytes) in compressed(&[]) {
        // An empty frame of Hadoop's is a size of 0; all others are what their encoder makes of nothing.
        decompress(codec, &bytes, &mut []).unwrap();
        decompress(codec, &[], &mut []).unwrap();
        decompress(codec, &[], &mut [0]).unwrap_err();
    }
}

#[test]
fn a_size_that_is_not_the_headers_is_malformed() {
    let page = page(10_000);
    for (index, (codec, bytes)) in compressed(&page).into_iter().enumerate() {
        for wrong in [0, 1, 5000, 9999, 10_001, 20_000] {
            let mut output = vec![0; wrong];
            assert!(decompress(codec, &bytes, &mut output).is_err(), "case {index}, {codec}, {wrong} bytes");
        }
    }
}

#[test]
fn a_page_cut_short_is_malformed() {
    let page = page(4000);
    for (index, (codec, bytes)) in compressed(&page).into_iter().enumerate() {
        for end in (0..bytes.len()).step_by(13).chain([bytes.len() - 1]) {
            // The second member of case 4 adds nothing: without it, the page is whole.
            if index == 4 && end == bytes.len() - gzipped(&[]).len() {
                continue;
            }
            let mut output = vec![0; page.len()];
            let result = decompress(codec, &bytes[..end], &mut output);
            // The frame format ends with a mark and a checksum; a reader that has all its blocks may be content.
            let tolerated = index == 12 && output == page;
            assert!(result.is_err() || tolerated, "case {index}, {codec}, {end} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn damage_is_never_a_panic_and_never_passes_a_checksum() {
    let page = page(3000);
    for (index, (codec, bytes)) in compressed(&page).into_iter().enumerate() {
        for at in (0..bytes.len()).step_by(7) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                let mut output = vec![0; page.len()];
                let result = decompress(codec, &damaged, &mut output);
                // Bytes 4 to 9 of a member are its date and the like.
                let guarded = index == 2 && !(4..10).contains(&at);
                assert!(!guarded || result.is_err(), "byte {at} of {codec}");
            }
        }
    }
}

#[test]
fn garbage_is_malformed() {
    let garbage: Vec<u8> =
        (0..4096_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for start in 0..64 {
        for codec in [Compression::SNAPPY, gzip(), zstd(), brotli(), Compression::LZ4_RAW, Compression::LZ4] {
            assert!(decompress(codec, &garbage[start..], &mut vec![0; 1 << 16]).is_err(), "{codec}");
        }
    }
}

#[test]
fn a_bomb_ends_where_the_output_ends() {
    let bomb = vec![0; 4 << 20];
    for (codec, bytes) in compressed(&bomb).into_iter().filter(|(_, bytes)| bytes.len() < bomb.len()) {
        assert!(decompress(codec, &bytes, &mut vec![0; 1000]).is_err(), "{codec}");
    }
}

#[test]
fn a_frame_that_claims_too_much_is_malformed() {
    let claims = [u32::MAX, 1 << 31, 5].map(u32::to_be_bytes);
    for claim in claims {
        let bytes = [claim, claim].concat();
        assert!(decompress(Compression::LZ4, &bytes, &mut [0; 4]).is_err());
    }
    // Many frames of nothing end with the input.
    assert!(decompress(Compression::LZ4, &[0; 1 << 16], &mut [0; 4]).is_err());
    assert!(decompress(Compression::LZ4, &LZ4_FRAME_MAGIC, &mut [0; 4]).is_err());
}

#[test]
fn a_window_of_a_gigabyte_is_malformed() {
    // The extension's mark for 30 bits: 0x11 with a further byte.
    assert!(decompress(brotli(), &[0x11, 0x1e, 0x03, 0, 0, 0], &mut [0; 4]).is_err());
}

#[test]
fn lzo_is_not_supported() {
    let error = check(Compression::LZO).unwrap_err();
    assert_eq!(error.to_string(), "LZO compression is not supported on cpu");
    assert!(decompress(Compression::LZO, &[1], &mut [0]).is_err());
    assert!([Compression::SNAPPY, gzip(), zstd(), brotli()].map(check).iter().all(Result::is_ok));
}

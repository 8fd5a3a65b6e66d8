//! Which crate decompresses a page fastest? `cargo run --release`, in this folder: every crate on the same pages, in turn,
//! each output compared with what was compressed; GB/s of output, median of 30 runs, best and worst.

mod pages;

use std::io::{Read as _, Write as _};
use std::time::Instant;

const RUNS: usize = 30;

type Decompress<'a> = Box<dyn FnMut(&[u8], &mut [u8]) -> usize + 'a>;

fn main() {
    for (page, bytes) in &pages::pages() {
        snappy(page, bytes);
        lz4(page, bytes);
        zstd(page, bytes);
        gzip(page, bytes);
        brotli(page, bytes);
    }
}

fn compare(page: &str, bytes: &[u8], compressed: &[u8], mut contenders: Vec<(&str, Decompress<'_>)>) {
    let mut output = vec![0; bytes.len()];
    let mut times = vec![Vec::with_capacity(RUNS); contenders.len()];
    for run in 0..=RUNS {
        for ((name, decompress), times) in contenders.iter_mut().zip(&mut times) {
            output.fill(0xee);
            let start = Instant::now();
            let made = decompress(compressed, &mut output);
            let time = start.elapsed().as_secs_f64();
            assert!(made == bytes.len() && output == bytes, "{name} on {page}");
            if run > 0 {
                times.push(time);
            }
        }
    }
    let ratio = bytes.len() as f64 / compressed.len() as f64;
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let [median, best, worst] =
            [RUNS / 2, 0, RUNS - 1].map(|index| bytes.len() as f64 / times[index] / 1e9);
        println!("{page:9} {ratio:5.2}:1 {name:38} {median:6.2} GB/s, best {best:6.2}, worst {worst:6.2}");
    }
}

fn snappy(page: &str, bytes: &[u8]) {
    let compressed = snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    compare(
        page,
        bytes,
        &compressed,
        vec![
            ("Snappy: snap", Box::new(|from, to| snap::raw::Decoder::new().decompress(from, to).unwrap())),
            ("Snappy: snappy_src (C++)", Box::new(snappy_cpp)),
        ],
    );
}

fn snappy_cpp(from: &[u8], to: &mut [u8]) -> usize {
    let mut made = to.len();
    // SAFETY: the library reads `from` and writes at most `made` bytes, which `to` has.
    unsafe {
        snappy_src::snappy_uncompress(from.as_ptr().cast(), from.len(), to.as_mut_ptr().cast(), &mut made)
    };
    made
}

fn lz4(page: &str, bytes: &[u8]) {
    let compressed = lz4_flex::block::compress(bytes);
    compare(
        page,
        bytes,
        &compressed,
        vec![
            ("LZ4: lz4_flex", Box::new(|from, to| lz4_flex::block::decompress_into(from, to).unwrap())),
            (
                "LZ4: lz4_flex, safe",
                Box::new(|from, to| lz4_flex_safe::block::decompress_into(from, to).unwrap()),
            ),
            ("LZ4: lz4-sys (C)", Box::new(lz4_c)),
        ],
    );
}

fn lz4_c(from: &[u8], to: &mut [u8]) -> usize {
    let (source, target) = (from.as_ptr().cast(), to.as_mut_ptr().cast());
    // SAFETY: the library reads and writes as many bytes as it is told that there are.
    unsafe { lz4_sys::LZ4_decompress_safe(source, target, from.len() as i32, to.len() as i32) as usize }
}

fn zstd(page: &str, bytes: &[u8]) {
    let compressed = zstd::bulk::compress(bytes, 1).unwrap();
    let mut kept = zstd::bulk::Decompressor::new().unwrap();
    let mut ruzstd = ruzstd::decoding::FrameDecoder::new();
    let mut structured = structured_zstd::decoding::FrameDecoder::new();
    compare(
        page,
        bytes,
        &compressed,
        vec![
            (
                "Zstd: zstd (C), context kept",
                Box::new(|from, to| kept.decompress_to_buffer(from, to).unwrap()),
            ),
            ("Zstd: zstd (C)", Box::new(|from, to| zstd::bulk::decompress_to_buffer(from, to).unwrap())),
            ("Zstd: ruzstd", Box::new(|from, to| ruzstd.decode_all(from, to).unwrap())),
            ("Zstd: structured-zstd", Box::new(|from, to| structured.decode_all(from, to).unwrap())),
        ],
    );
}

fn gzip(page: &str, bytes: &[u8]) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    let compressed = encoder.finish().unwrap();
    let mut kept = libdeflater::Decompressor::new();
    compare(
        page,
        bytes,
        &compressed,
        vec![
            (
                "Gzip: libdeflater (C), context kept",
                Box::new(|from, to| kept.gzip_decompress(from, to).unwrap()),
            ),
            ("Gzip: flate2 on zlib-rs", Box::new(zlib_rs)),
            ("Gzip: zune-inflate", Box::new(zune)),
        ],
    );
}

fn zlib_rs(from: &[u8], to: &mut [u8]) -> usize {
    flate2::bufread::MultiGzDecoder::new(from).read_exact(to).unwrap();
    to.len()
}

fn zune(from: &[u8], to: &mut [u8]) -> usize {
    let options = zune_inflate::DeflateOptions::default().set_size_hint(to.len()).set_limit(2 * to.len());
    let made = zune_inflate::DeflateDecoder::new_with_options(from, options).decode_gzip().unwrap();
    to.copy_from_slice(&made);
    made.len()
}

fn brotli(page: &str, bytes: &[u8]) {
    let mut compressed = Vec::new();
    brotli::CompressorWriter::new(&mut compressed, 4096, 1, 22).write_all(bytes).unwrap();
    compare(
        page,
        bytes,
        &compressed,
        vec![
            ("Brotli: brotli-decompressor 6", Box::new(brotli_6)),
            ("Brotli: brotli-decompressor 5", Box::new(brotli_5)),
            ("Brotli: brotlic (C)", Box::new(brotli_c)),
        ],
    );
}

macro_rules! brotli_rust {
    ($name:ident, $crate_name:ident) => {
        fn $name(from: &[u8], to: &mut [u8]) -> usize {
            use $crate_name::{BrotliDecompressStream, BrotliState, StandardAlloc};
            let alloc = StandardAlloc::default;
            let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
            let (mut unread, mut read, mut room, mut made, mut total) = (from.len(), 0, to.len(), 0, 0);
            BrotliDecompressStream(
                &mut unread,
                &mut read,
                from,
                &mut room,
                &mut made,
                to,
                &mut total,
                &mut state,
            );
            made
        }
    };
}

brotli_rust!(brotli_6, brotli_decompressor);
brotli_rust!(brotli_5, brotli_decompressor_5);

fn brotli_c(from: &[u8], to: &mut [u8]) -> usize {
    brotlic::BrotliDecoder::new().decompress(from, to).unwrap().bytes_written
}

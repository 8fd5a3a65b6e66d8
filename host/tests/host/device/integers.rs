//! The shared integer modules, native and emulated, against Rust's own.

use pilaster_kernels::gpu::{BufferInit, Program, Workgroups};

use super::support::{devices, library, words};

const EXTREMES: [i128; 18] = [
    0,
    1,
    -1,
    2,
    -2,
    10,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    i64::MAX as i128,
    i64::MIN as i128,
    u64::MAX as i128,
    1 << 64,
    1 << 96,
    -(1 << 96),
    i128::MAX,
    i128::MIN,
];

/// A fixed sequence of words; values of all lengths come from shifting it.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn wide(&mut self) -> i128 {
        let bits = (u128::from(self.next()) << 64 | u128::from(self.next())).cast_signed();
        bits >> (self.next() % 128)
    }
}

/// All pairs of extremes, and noise of every length.
fn pairs() -> Vec<(i128, i128)> {
    let mut noise = Noise(7);
    let extremes = EXTREMES.iter().flat_map(|a| EXTREMES.map(|b| (*a, b)));
    let near = EXTREMES.map(|a| (a, a.wrapping_add(1)));
    extremes.chain(near).chain((0..1_500).map(|_| (noise.wide(), noise.wide()))).collect()
}

fn narrow(value: i128) -> i64 {
    value as i64
}

fn w64(value: i64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn u64w(value: u64) -> [u32; 2] {
    w64(value.cast_signed())
}

fn w128(value: i128) -> [u32; 4] {
    [value as u32, (value >> 32) as u32, (value >> 64) as u32, (value >> 96) as u32]
}

fn u128w(value: u128) -> [u32; 4] {
    w128(value.cast_signed())
}

fn run(
    device: &pilaster::device::Device,
    path: &str,
    operands: &[u32],
    results: usize,
    pairs: usize,
) -> Vec<u32> {
    let shader = library(path, device.tier());
    let mut program = Program::new(path);
    let operands = program.upload_words("operands", operands);
    let bytes = 4 * (results * pairs) as u64;
    let to = program.buffer("results", bytes, BufferInit::Zero);
    let groups = pairs.div_ceil(shader.workgroup_size[0] as usize) as u32;
    program.stage(path, shader, vec![operands, to], Workgroups::Direct([groups, 1, 1]));
    program.read_back(to, 0, bytes);
    words(device, &program).swap_remove(0)
}

/// What `test/int64` gives for one pair. Where Rust has no quotient (the module's contract: a divisor of zero is the
/// caller's mistake), the words are left out of the comparison.
fn int64_expected(a: i64, b: i64, n: u32) -> Vec<Option<u32>> {
    let (ua, ub) = (a.cast_unsigned(), b.cast_unsigned());
    let known = |words: [u32; 2]| words.map(Some).to_vec();
    let divided = |words: Option<[u32; 2]>| words.map_or(vec![None; 2], known);
    let signed = b != 0;
    let flags = u32::from(a == b)
        | u32::from(a < b) << 1
        | u32::from(ua < ub) << 2
        | u32::from(a.checked_add(b).is_none()) << 3
        | u32::from(a.checked_sub(b).is_none()) << 4
        | u32::from(a.checked_mul(b).is_none()) << 5
        | u32::from(a < 0) << 6;
    [
        known(w64(a.wrapping_add(b))),
        known(w64(a.wrapping_sub(b))),
        known(w64(a.wrapping_mul(b))),
        known(w64(a.wrapping_neg())),
        divided(signed.then(|| w64(a.wrapping_div(b)))),
        divided(signed.then(|| w64(a.wrapping_rem(b)))),
        divided(ua.checked_div(ub).map(u64w)),
        divided(ua.checked_rem(ub).map(u64w)),
        known(w64(a << n)),
        known(w64(a >> n)),
        known(u64w(ua >> n)),
        known(w64(a & b)),
        known(w64(a | b)),
        known(w64(a ^ b)),
        known(w64(a.min(b))),
        known(w64(a.max(b))),
        known(u64w(a.unsigned_abs())),
        known(w64(i64::from(a as i32))),
        known(w64(i64::from(a as u32))),
        vec![Some(flags)],
    ]
    .concat()
}

#[test]
fn int64_is_rusts() {
    let mut noise = Noise(64);
    let pairs: Vec<(i64, i64, u32)> =
        pairs().iter().map(|(a, b)| (narrow(*a), narrow(*b), noise.next() as u32 % 64)).collect();
    let operands: Vec<u32> =
        pairs.iter().flat_map(|(a, b, n)| [w64(*a).as_slice(), &w64(*b), &[*n]].concat()).collect();
    for (name, device) in devices() {
        let got = run(&device, "test/int64", &operands, 39, pairs.len());
        for ((a, b, n), got) in pairs.iter().zip(got.chunks(39)) {
            let expected = int64_expected(*a, *b, *n);
            assert_eq!(expected.len(), 39);
            let wrong =
                got.iter().zip(&expected).position(|(got, word)| word.is_some_and(|word| word != *got));
            assert_eq!(wrong, None, "{name}: {a} and {b}, shift {n}: got {got:?}, not {expected:?}");
        }
    }
}

fn int128_expected(a: i128, b: i128) -> Vec<Option<u32>> {
    let (ua, ub) = (a.cast_unsigned(), b.cast_unsigned());
    let known = |words: [u32; 4]| words.map(Some).to_vec();
    let divided = |words: Option<[u32; 4]>| words.map_or(vec![None; 4], known);
    let small = u128::from(ub as u32);
    let flags = u32::from(a == b)
        | u32::from(a < b) << 1
        | u32::from(ua < ub) << 2
        | u32::from(a.checked_add(b).is_none()) << 3
        | u32::from(a.checked_sub(b).is_none()) << 4
        | u32::from(a.checked_mul(b).is_none()) << 5
        | u32::from(i64::try_from(a).is_ok()) << 6;
    [
        known(w128(a.wrapping_add(b))),
        known(w128(a.wrapping_sub(b))),
        known(w128(a.wrapping_mul(b))),
        known(w128(a.wrapping_neg())),
        divided((b != 0).then(|| w128(a.wrapping_div(b)))),
        divided((b != 0).then(|| w128(a.wrapping_rem(b)))),
        divided(ua.checked_div(ub).map(u128w)),
        divided(ua.checked_rem(ub).map(u128w)),
        divided(ua.checked_div(small).map(u128w)),
        divided(ua.checked_rem(small).map(u128w)),
        known(w128(i128::from(narrow(a)) * i128::from(narrow(b)))),
        known(w128(i128::from(narrow(a)))),
        known(u128w(a.unsigned_abs())),
        vec![Some(flags)],
    ]
    .concat()
}

#[test]
fn int128_is_rusts() {
    let pairs = pairs();
    let operands: Vec<u32> = pairs.iter().flat_map(|(a, b)| [w128(*a), w128(*b)].concat()).collect();
    for (name, device) in devices() {
        let got = run(&device, "test/int128", &operands, 53, pairs.len());
        for ((a, b), got) in pairs.iter().zip(got.chunks(53)) {
            let expected = int128_expected(*a, *b);
            assert_eq!(expected.len(), 53);
            let wrong =
                got.iter().zip(&expected).position(|(got, word)| word.is_some_and(|word| word != *got));
            assert_eq!(wrong, None, "{name}: {a} and {b}: got {got:?}, not {expected:?}");
        }
    }
}

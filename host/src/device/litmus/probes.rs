//! What is asked of an adapter, and what it must answer.

use arrow::buffer::Buffer;
use pilaster_kernels::gpu::{BufferInit, Program, Workgroups};
use pilaster_shaders::{Request, Root, Shader, ShaderError, Tier, shader};
use std::sync::Arc;

/// Right, or what is wrong.
type Answer = Result<(), String>;

/// The test of what was read back.
type Expect = Box<dyn Fn(&[Vec<u32>]) -> Answer>;

/// A program and the test of its result.
pub(super) struct Probe {
    pub(super) name: &'static str,
    /// The optional feature it is about; none for the baseline.
    pub(super) feature: Option<&'static str>,
    /// Breaks bounds on purpose, so it never runs unchecked.
    pub(super) always_checked: bool,
    pub(super) program: fn(&Tier) -> Result<Program, ShaderError>,
    pub(super) expect: Expect,
}

/// The probes that a tier has use for.
pub(super) fn all(tier: &Tier, subgroup_sizes: [u32; 2]) -> Vec<Probe> {
    type Build = fn(&Tier) -> Result<Program, ShaderError>;
    let probe = |name, feature, program: Build, expect: fn(&[Vec<u32>]) -> Answer| Probe {
        name,
        feature,
        always_checked: false,
        program,
        expect: Box::new(expect),
    };
    let mut probes = vec![
        probe("loops", None, loops, expect_loops),
        probe("atomics", None, atomics, expect_atomics),
        probe("scan", None, scan, expect_scan),
        Probe { always_checked: true, ..probe("bounds", None, bounds, expect_bounds) },
    ];
    if tier.subgroups {
        let expect = Box::new(move |words: &[Vec<u32>]| expect_subgroups(&words[0], subgroup_sizes));
        probes.push(Probe { expect, ..probe("subgroups", Some("subgroups"), subgroups, |_| Ok(())) });
    }
    if tier.int64 {
        probes.push(probe("int64", Some("int64"), int64, expect_int64));
    }
    if tier.float64 {
        probes.push(probe("float64", Some("float64"), float64, expect_float64));
    }
    probes
}

fn stage(path: &str, tier: &Tier) -> Result<Arc<Shader>, ShaderError> {
    shader(&Request { label: path, root: Root::Library(path), slots: &[], constants: &[], tier })
}

fn expect_words(what: &str, got: &[u32], expected: &[u32]) -> Answer {
    if got.len() != expected.len() {
        return Err(format!("{} words came back, not {}", got.len(), expected.len()));
    }
    match got.iter().zip(expected).position(|(got, expected)| got != expected) {
        None => Ok(()),
        Some(at) => Err(format!("{what}: word {at} is {}, not {}", got[at], expected[at])),
    }
}

/// Iterations of a long loop, of an outer and of an inner loop: each way alone passes 65,535.
const ITERATIONS: [u32; 3] = [70_001, 300, 250];
const LANES: u32 = 64;

fn loops(tier: &Tier) -> Result<Program, ShaderError> {
    let mut program = Program::new("litmus/loops");
    let counts = program.upload_words("counts", &ITERATIONS);
    let results = program.buffer("results", 8 * u64::from(LANES), BufferInit::Zero);
    let bindings = vec![counts, results];
    program.stage("litmus/loops", stage("litmus/loops", tier)?, bindings, Workgroups::Direct([1, 1, 1]));
    program.read_back(results, 0, 8 * u64::from(LANES));
    Ok(program)
}

fn expect_loops(words: &[Vec<u32>]) -> Answer {
    expect_words("loops beyond 65,535 iterations end early or are wrong", &words[0], &loops_answer())
}

fn loops_answer() -> Vec<u32> {
    let lane = |lane| {
        let long = advance(lane, ITERATIONS[0] + lane);
        [long, advance(long, ITERATIONS[1] * ITERATIONS[2])]
    };
    (0..LANES).flat_map(lane).collect()
}

/// `x` after `steps` of the shader's congruential sequence, by squaring the step instead of repeating it.
fn advance(x: u32, steps: u32) -> u32 {
    let (mut factor, mut addend) = (1_664_525_u32, 1_013_904_223_u32);
    let mut x = x;
    for bit in 0..u32::BITS {
        if steps >> bit & 1 == 1 {
            x = x.wrapping_mul(factor).wrapping_add(addend);
        }
        addend = addend.wrapping_mul(factor.wrapping_add(1));
        factor = factor.wrapping_mul(factor);
    }
    x
}

/// Workgroups of 64 that contend.
const CONTENDING: u32 = 64;

fn atomics(tier: &Tier) -> Result<Program, ShaderError> {
    let mut initial = vec![0; 32 + (CONTENDING * 64 / 32) as usize];
    initial[2] = u32::MAX;
    let mut program = Program::new("litmus/atomics");
    let words = program.upload_words("words", &initial);
    let grid = Workgroups::Direct([CONTENDING, 1, 1]);
    program.stage("litmus/atomics", stage("litmus/atomics", tier)?, vec![words], grid);
    program.read_back(words, 0, 4 * initial.len() as u64);
    Ok(program)
}

fn expect_atomics(words: &[Vec<u32>]) -> Answer {
    expect_words("atomics across workgroups", &words[0], &atomics_answer())
}

fn atomics_answer() -> Vec<u32> {
    let count = CONTENDING * 64;
    let numbers: Vec<u32> = (0..count).map(|id| id.wrapping_mul(2_654_435_761)).collect();
    let mut expected = vec![0_u32; 32];
    expected[2] = u32::MAX;
    for (id, number) in numbers.iter().enumerate() {
        expected[0] = expected[0].wrapping_add(*number);
        expected[1] = expected[1].max(*number);
        expected[2] = expected[2].min(*number);
        expected[3] ^= number;
        let sum = &mut expected[16 + id % 16];
        *sum = sum.wrapping_add(*number);
    }
    expected[4] = count;
    expected.extend(std::iter::repeat_n(u32::MAX, count as usize / 32));
    expected
}

/// Workgroups of 256 that are scanned.
const SCANNED: u32 = 16;

fn scan_values() -> Vec<u32> {
    (0..SCANNED * 256).map(|at| advance(at, 3)).collect()
}

fn scan(tier: &Tier) -> Result<Program, ShaderError> {
    let mut program = Program::new("litmus/scan");
    let values = program.upload_words("values", &scan_values());
    let sums = program.buffer("sums", 4 * u64::from(SCANNED), BufferInit::Zero);
    let scanned = program.buffer("scanned", 1024 * u64::from(SCANNED), BufferInit::Zero);
    let grid = Workgroups::Direct([SCANNED, 1, 1]);
    let (reduce, apply) = (stage("litmus/scan_reduce", tier)?, stage("litmus/scan_apply", tier)?);
    program.stage("litmus/scan_reduce", reduce, vec![values, sums], grid);
    program.stage("litmus/scan_apply", apply, vec![values, sums, scanned], grid);
    program.read_back(scanned, 0, 1024 * u64::from(SCANNED));
    Ok(program)
}

fn expect_scan(words: &[Vec<u32>]) -> Answer {
    expect_words("scan across workgroups", &words[0], &scan_answer())
}

fn scan_answer() -> Vec<u32> {
    let before = |sum: &mut u32, value: u32| {
        let before = *sum;
        *sum = sum.wrapping_add(value);
        Some(before)
    };
    scan_values().into_iter().scan(0, before).collect()
}

const VALUES: [u32; 8] = [101, 102, 103, 104, 105, 106, 107, 108];
const DIVIDEND: u32 = 4_000_000_007;
const MARK: u32 = 0xDEAD_BEEF;

fn bounds(tier: &Tier) -> Result<Program, ShaderError> {
    let mut program = Program::new("litmus/bounds");
    let parameters =
        program.upload_words("parameters", &[1 << 20, 0, u32::MAX, i32::MIN.cast_unsigned(), DIVIDEND]);
    let values = program.upload_words("values", &VALUES);
    let written = program.upload_words("written", &VALUES);
    let results = program.buffer("results", 32, BufferInit::Zero);
    let bindings = vec![parameters, values, written, results];
    program.stage("litmus/bounds", stage("litmus/bounds", tier)?, bindings, Workgroups::Direct([1, 1, 1]));
    program.read_back(values, 0, 32);
    program.read_back(written, 0, 32);
    program.read_back(results, 0, 32);
    Ok(program)
}

fn expect_bounds(words: &[Vec<u32>]) -> Answer {
    let [values, written, results] = words else { return Err("three ranges are read back".into()) };
    expect_words("a buffer that is only read", values, &VALUES)?;
    let stray = written.iter().zip(VALUES).position(|(got, was)| *got != was && *got != MARK);
    if let Some(at) = stray {
        return Err(format!("a write out of bounds changed word {at} to {}", written[at]));
    }
    let arrays =
        [("storage", 101..109), ("storage", 101..109), ("workgroup", 201..209), ("function", 301..305)];
    for ((memory, inside), got) in arrays.into_iter().zip(results) {
        if *got != 0 && !inside.contains(got) {
            return Err(format!("a read out of bounds of {memory} memory gave {got}"));
        }
    }
    let divided = [DIVIDEND, 0, i32::MIN.cast_unsigned(), 0];
    expect_words("division by zero or past the range", &results[4..], &divided)
}

const SUBGROUP_LANES: u32 = 128;
const SUBGROUP_WORDS: usize = 12;

fn subgroups(tier: &Tier) -> Result<Program, ShaderError> {
    let bytes = 4 * u64::from(SUBGROUP_LANES) * SUBGROUP_WORDS as u64;
    let mut program = Program::new("litmus/subgroups");
    let results = program.buffer("results", bytes, BufferInit::Zero);
    let grid = Workgroups::Direct([1, 1, 1]);
    program.stage("litmus/subgroups", stage("litmus/subgroups", tier)?, vec![results], grid);
    program.read_back(results, 0, bytes);
    Ok(program)
}

/// Subgroups must be full and of consecutive lanes: the shared scan relies on that.
fn expect_subgroups(words: &[u32], [smallest, largest]: [u32; 2]) -> Answer {
    let size = words.first().copied().unwrap_or_default();
    if !size.is_power_of_two() || size < smallest || size > largest || size > SUBGROUP_LANES {
        return Err(format!("subgroups of {size} lanes, where {smallest} to {largest} are claimed"));
    }
    let expected: Vec<u32> = (0..SUBGROUP_LANES).flat_map(|lane| subgroup_lane(lane, size)).collect();
    expect_words("subgroup operations", words, &expected)
}

fn subgroup_lane(lane: u32, size: u32) -> [u32; SUBGROUP_WORDS] {
    let first = lane / size * size;
    let sum = |lanes: std::ops::Range<u32>| lanes.map(|lane| lane * lane + 1).sum::<u32>();
    let odd = |word: u32| {
        let lanes = size.saturating_sub(32 * word).min(32);
        if lanes == 0 { 0 } else { 0xAAAA_AAAA & (u32::MAX >> (32 - lanes)) }
    };
    [
        size,
        lane - first,
        lane / size,
        sum(first..first + size),
        sum(first..lane),
        first,
        lane ^ 1,
        first + size - 1,
        odd(0),
        odd(1),
        odd(2),
        odd(3),
    ]
}

/// Pairs and shift counts: carries, signs, extremes. No divisor is zero and no quotient overflows.
const INT64_PAIRS: [(i64, i64, u32); 12] = [
    (0, 1, 0),
    (-1, 1, 1),
    (0xFFFF_FFFF, 1, 32),
    (0x1_0000_0000, -1, 31),
    (i64::MAX, i64::MAX, 63),
    (i64::MIN, i64::MAX, 33),
    (i64::MIN, 3, 62),
    (-7, 2, 5),
    (0x0123_4567_89AB_CDEF, -0x1234_5678, 17),
    (-0x7EDC_BA98_7654_3210, 0xFEDC_BA98, 48),
    (999_999_999_999_999_999, 1_000_000_007, 40),
    (3, i64::MIN, 8),
];

fn int64(tier: &Tier) -> Result<Program, ShaderError> {
    let operands: Vec<u32> = INT64_PAIRS
        .iter()
        .flat_map(|(a, b, count)| [halves(*a), halves(*b)].concat().into_iter().chain([*count]))
        .collect();
    let bytes = 4 * 21 * INT64_PAIRS.len() as u64;
    let mut program = Program::new("litmus/int64");
    let operands = program.upload_words("operands", &operands);
    let results = program.buffer("results", bytes, BufferInit::Zero);
    let bindings = vec![operands, results];
    program.stage("litmus/int64", stage("litmus/int64", tier)?, bindings, Workgroups::Direct([1, 1, 1]));
    program.read_back(results, 0, bytes);
    Ok(program)
}

fn halves(value: i64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

fn expect_int64(words: &[Vec<u32>]) -> Answer {
    expect_words("64-bit integers", &words[0], &int64_answer())
}

fn int64_answer() -> Vec<u32> {
    let pair = |(a, b, count): &(i64, i64, u32)| {
        let (unsigned_a, unsigned_b) = (a.cast_unsigned(), b.cast_unsigned());
        let wide = [
            a.wrapping_add(*b),
            a.wrapping_sub(*b),
            a.wrapping_mul(*b),
            a / b,
            a % b,
            (unsigned_a / unsigned_b).cast_signed(),
            (unsigned_a % unsigned_b).cast_signed(),
            a << count,
            a >> count,
            (unsigned_a >> count).cast_signed(),
        ];
        let flags = u32::from(a == b) | u32::from(a < b) << 1 | u32::from(unsigned_a < unsigned_b) << 2;
        wide.map(halves).concat().into_iter().chain([flags])
    };
    INT64_PAIRS.iter().flat_map(pair).collect()
}

/// Pairs: rounding, cancellation, denormals in and out, signed zero, infinities. No result is a NaN.
fn float64_pairs() -> Vec<[f64; 2]> {
    let denormal = f64::from_bits(0x000F_1234_5678_9ABC);
    let mut pairs = vec![
        [0.1, 0.2],
        [1.0 + f64::EPSILON, 1.0 - f64::EPSILON],
        [1e308, 1e-308],
        [1e308, 9e307],
        [denormal, f64::MIN_POSITIVE],
        [-denormal, denormal],
        [f64::from_bits(1), 0.5],
        [1.5e-300, 2.5e-20],
        [-0.0, 3.0],
        [f64::MAX, -2.0],
        [4_503_599_627_370_497.5, 0.3],
    ];
    // A product that almost cancels against what is added shows whether it was rounded before.
    let unit = |at: u32| f64::from(advance(at, 5)) / f64::from(u32::MAX) + f64::from(at) / 3e9;
    pairs.extend((0..16).map(|at| [unit(at), -1.0 - unit(at + 100) / 1e3]));
    pairs
}

fn float64(tier: &Tier) -> Result<Program, ShaderError> {
    let operands: Vec<f64> = float64_pairs().concat();
    let bytes = 8 * 5 * float64_pairs().len() as u64;
    let mut program = Program::new("litmus/float64");
    let upload = BufferInit::Upload(vec![(0, Buffer::from_slice_ref(&operands))]);
    let operands = program.buffer("operands", 8 * operands.len() as u64, upload);
    let results = program.buffer("results", bytes, BufferInit::Zero);
    let bindings = vec![operands, results];
    program.stage("litmus/float64", stage("litmus/float64", tier)?, bindings, Workgroups::Direct([1, 1, 1]));
    program.read_back(results, 0, bytes);
    Ok(program)
}

fn expect_float64(words: &[Vec<u32>]) -> Answer {
    expect_words("64-bit floats", &words[0], &float64_answer())
}

fn float64_answer() -> Vec<u32> {
    let pair = |[a, b]: [f64; 2]| [a + b, a - b, a * b, a * b + a, if a < b { 1.0 } else { 0.0 }];
    let values = float64_pairs().into_iter().flat_map(pair);
    values.flat_map(|value| halves(value.to_bits().cast_signed())).collect()
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;

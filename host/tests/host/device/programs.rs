//! What a program must give.

use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster::device::{Device, Profile, ShaderMode};
use pilaster::run::Cancellation;
use pilaster::{Backend, Error};
use pilaster_kernels::gpu::{BufferId, BufferInit, Program, Workgroups};
use pilaster_shaders::Shader;

use super::support::{config, device, devices, open, text, words};

/// `output[i] = input[i] * 3 + i`.
const MAP: &str = "
@group(0) @binding(0) var<storage, read> input: array<u32>;
@group(0) @binding(1) var<storage, read_write> output: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < arrayLength(&input)) {
        output[id.x] = input[id.x] * 3u + id.x;
    }
}";

/// Adds one to every word.
const INCREMENT: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < arrayLength(&data)) {
        data[id.x] += 1u;
    }
}";

/// Writes how many workgroups the next stage has.
const GRID: &str = "
@group(0) @binding(0) var<storage, read_write> grid: array<u32>;
@compute @workgroup_size(1)
fn main() {
    grid[1] = 3u;
    grid[2] = 1u;
    grid[3] = 1u;
}";

fn groups(items: usize) -> Workgroups {
    Workgroups::Direct([items.div_ceil(64) as u32, 1, 1])
}

fn map_program(shader: &Arc<Shader>, input: &[u32]) -> Program {
    let mut program = Program::new("map");
    let from = program.upload_words("input", input);
    let to = program.buffer("output", 4 * input.len() as u64, BufferInit::Zero);
    program.stage("map/apply", Arc::clone(shader), vec![from, to], groups(input.len()));
    program.read_back(to, 0, 4 * input.len() as u64);
    program
}

fn map_expected(input: &[u32]) -> Vec<u32> {
    input.iter().zip(0..).map(|(word, at)| word.wrapping_mul(3).wrapping_add(at)).collect()
}

fn noise(len: usize, seed: u32) -> Vec<u32> {
    (0..len as u32).map(|at| (at ^ seed).wrapping_mul(0x9E37_79B9).rotate_left(13)).collect()
}

/// A sound device to write tests of the mechanics against.
fn any() -> Option<Arc<Device>> {
    device(Profile::Full, ShaderMode::Checked)
}

#[test]
fn words_go_up_through_a_stage_and_come_back() {
    for (name, device) in devices() {
        let shader = text(MAP, device.tier());
        for len in [1, 3, 64, 1_000, 70_000] {
            let input = noise(len, len as u32);
            let run = device.run(&map_program(&shader, &input), &Cancellation::new()).expect("runs");
            assert!(run.output.words == [map_expected(&input)], "{name}: {len} words");
            assert_eq!((run.submissions, run.read_backs), (1, 1));
            assert_eq!((run.bytes_up, run.bytes_down), (4 * len as u64, 4 * len as u64));
            assert!(run.device_bytes >= 8 * len as u64);
        }
    }
}

#[test]
fn device_time_is_told_per_label() {
    let Some(device) = any() else { return };
    let mut program = Program::new("timed");
    let data = program.buffer("data", 1 << 20, BufferInit::Zero);
    let increment = text(INCREMENT, device.tier());
    for label in ["a/first", "a/second", "a/first"] {
        program.stage(label, Arc::clone(&increment), vec![data], groups(1 << 18));
    }
    program.read_back(data, 0, 16);
    let run = device.run(&program, &Cancellation::new()).expect("runs");
    assert_eq!(run.output.words, [[3; 4]]);
    if !device.has_timestamps() {
        return assert!(run.stages.is_empty());
    }
    let labels: Vec<&str> = run.stages.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["a/first", "a/second"]);
    assert!(run.stages.iter().all(|(_, time)| !time.is_zero()));
}

#[test]
fn bytes_between_and_after_pieces_are_zero_even_in_used_buffers() {
    let Some(device) = any() else { return };
    let size = 80_000;
    let pieces = vec![
        (40_000, Buffer::from_vec(vec![0xFF_u8; 30_001])),
        (4, Buffer::from_vec(vec![7_u8; 5])),
        (16, Buffer::from_vec(vec![9_u8; 3])),
    ];
    let mut expected = vec![0_u8; size];
    for (at, piece) in &pieces {
        expected[*at as usize..*at as usize + piece.len()].copy_from_slice(piece);
    }
    for _ in 0..3 {
        let mut dirty = Program::new("dirty");
        dirty.upload_words("garbage", &vec![u32::MAX; size / 4]);
        dirty.upload_words("garbage", &vec![u32::MAX; size / 4]);
        words(&device, &dirty);
        let mut program = Program::new("gaps");
        let uploaded = program.buffer("uploaded", size as u64, BufferInit::Upload(pieces.clone()));
        let zeroed = program.buffer("zeroed", size as u64, BufferInit::Zero);
        program.read_back(uploaded, 0, size as u64);
        program.read_back(zeroed, 0, size as u64);
        let read = words(&device, &program);
        assert!(bytemuck::cast_slice::<u32, u8>(&read[0]) == expected);
        assert!(read[1].iter().all(|word| *word == 0));
    }
}

#[test]
fn a_larger_pooled_buffer_does_not_show_through_the_binding() {
    let Some(device) = any() else { return };
    let measure = text(
        "@group(0) @binding(0) var<storage, read> data: array<u32>;
         @group(0) @binding(1) var<storage, read_write> length: array<u32>;
         @compute @workgroup_size(1) fn main() { length[0] = arrayLength(&data); }",
        device.tier(),
    );
    for bytes in [0_u64, 1, 4, 5, 260, 5_000] {
        let mut program = Program::new("measure");
        let data = program.buffer("data", bytes, BufferInit::Zero);
        let length = program.buffer("length", 4, BufferInit::Zero);
        program.stage("measure/s", Arc::clone(&measure), vec![data, length], Workgroups::Direct([1, 1, 1]));
        program.read_back(length, 0, 4);
        assert_eq!(words(&device, &program), [[bytes.div_ceil(4).max(1) as u32]]);
    }
}

#[test]
fn a_stage_can_set_the_size_of_the_next() {
    for (name, device) in devices() {
        let mut program = Program::new("indirect");
        let grid = program.buffer("grid", 16, BufferInit::Zero);
        let data = program.buffer("data", 4 * 64 * 5, BufferInit::Zero);
        program.stage("i/grid", text(GRID, device.tier()), vec![grid], Workgroups::Direct([1, 1, 1]));
        program.stage("i/work", text(INCREMENT, device.tier()), vec![data], Workgroups::Indirect(grid, 4));
        program.read_back(data, 0, 4 * 64 * 5);
        let expected: Vec<u32> = (0..64 * 5).map(|at| u32::from(at < 64 * 3)).collect();
        assert!(words(&device, &program) == [expected], "{name}");
    }
}

#[test]
fn empty_programs_and_empty_ranges() {
    let Some(device) = any() else { return };
    let run = device.run(&Program::new("nothing"), &Cancellation::new()).expect("runs");
    assert_eq!((run.output.words.len(), run.read_backs), (0, 0));
    let mut program = Program::new("no words");
    let data = program.buffer("data", 0, BufferInit::Upload(Vec::new()));
    program.stage("n/s", text(INCREMENT, device.tier()), vec![data], Workgroups::Direct([0, 1, 1]));
    program.read_back(data, 0, 0);
    program.read_back(data, 0, 4);
    assert_eq!(words(&device, &program), [vec![], vec![0]]);
}

#[test]
fn uploads_beyond_the_staging_limit_wait_for_themselves() {
    let small = pilaster::device::DeviceConfig {
        staging_bytes: 16 << 20,
        ..config(Profile::Full, ShaderMode::Checked)
    };
    let Some(device) = open(&small) else { return };
    let input = noise(10 << 20, 3);
    let mut program = Program::new("large");
    let data = program.upload_words("data", &input);
    for offset in [0, 20 << 20, (40 << 20) - 4096] {
        program.read_back(data, offset, 4096);
    }
    let run = device.run(&program, &Cancellation::new()).expect("runs");
    let expected = [0, 5 << 20, (10 << 20) - 1024].map(|at: usize| input[at..at + 1024].to_vec());
    assert!(run.output.words == expected);
    assert!(run.submissions > 1 && run.read_backs == 1);
}

#[test]
fn pooled_buffers_and_pipelines_are_used_again() {
    let Some(device) = open(&config(Profile::Full, ShaderMode::Checked)) else { return };
    let shader = text(MAP, device.tier());
    let input = noise(5_000, 1);
    words(&device, &map_program(&shader, &input));
    let (reserved, compiled) = (device.memory().reserved(), device.compiled_stages());
    for seed in 0..5 {
        let input = noise(5_000 - seed as usize, seed);
        assert!(words(&device, &map_program(&shader, &input)) == [map_expected(&input)]);
    }
    assert_eq!((device.memory().reserved(), device.compiled_stages()), (reserved, compiled));
}

#[test]
fn the_budget_refuses_and_kept_buffers_make_room() {
    let small = pilaster::device::DeviceConfig {
        memory_bytes: Some(1 << 20),
        ..config(Profile::Full, ShaderMode::Checked)
    };
    let Some(device) = open(&small) else { return };
    let with = |bytes: u64| {
        let mut program = Program::new("budget");
        let data = program.buffer("data", bytes, BufferInit::Zero);
        program.read_back(data, 0, 4);
        program
    };
    words(&device, &with(600 << 10));
    words(&device, &with(900 << 10));
    assert!(device.memory().reserved() <= 1 << 20);
    let refused = device.run(&with((1 << 20) + 4), &Cancellation::new()).expect_err("is over");
    let limit = 1 << 20;
    assert!(
        matches!(refused, Error::OutOfMemory { backend: Backend::Gpu, limit_bytes, .. } if limit_bytes == limit),
        "{refused}"
    );
    assert!(refused.is_device_failure() && !device.is_lost());
    assert_eq!(words(&device, &with(1 << 20)), [[0]]);
}

#[test]
fn threads_share_a_device() {
    let Some(device) = any() else { return };
    let shader = text(MAP, device.tier());
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (device, shader) = (&device, &shader);
            scope.spawn(move || {
                for round in 0..10 {
                    let input = noise(2_000 + 100 * round as usize, thread * 100 + round);
                    assert!(words(device, &map_program(shader, &input)) == [map_expected(&input)]);
                }
            });
        }
    });
}

#[test]
fn profiles_ask_for_less() {
    for profile in Profile::ALL {
        let Some(device) = device(profile, ShaderMode::Checked) else { return };
        let tier = device.tier();
        let most = match profile {
            Profile::Baseline => [false, false, false],
            Profile::Subgroups => [true, false, false],
            Profile::Int64 => [false, true, false],
            Profile::Full => [true, true, true],
        };
        for (has, may) in [tier.subgroups, tier.int64, tier.float64].into_iter().zip(most) {
            assert!(may || !has, "{profile:?} has {}", tier.name());
        }
        if profile == Profile::Full {
            continue;
        }
        let limits =
            (tier.binding_bytes, tier.storage_buffers, tier.workgroup_bytes, tier.workgroup_invocations);
        assert_eq!(limits, (128 << 20, 8, 16 << 10, 256), "{profile:?}");
        let mut large = Program::new("large");
        let data = large.buffer("column", (128 << 20) + 4, BufferInit::Zero);
        large.stage("l/s", text(INCREMENT, tier), vec![data], Workgroups::Direct([1, 1, 1]));
        let refused = device.run(&large, &Cancellation::new()).expect_err("is over the binding limit");
        assert!(matches!(&refused, Error::Device { reason, .. } if reason.contains("`column`")), "{refused}");
    }
}

#[test]
fn a_sound_program_follows_a_refused_one() {
    let Some(device) = any() else { return };
    let mut broken = Program::new("broken");
    let data = broken.buffer("data", 4, BufferInit::Zero);
    // Passes our checks, but not the driver's: the text has no such entry point.
    let mut shader = Shader::clone(&text(INCREMENT, device.tier()));
    shader.entry_point = "nowhere".into();
    shader.id ^= 0x5555;
    broken.stage("broken/s", Arc::new(shader), vec![data], Workgroups::Direct([1, 1, 1]));
    let refused = device.run(&broken, &Cancellation::new()).expect_err("is refused");
    assert!(matches!(&refused, Error::Device { .. }), "{refused}");
    broken.read_back(BufferId(9), 0, 4);
    assert!(device.run(&broken, &Cancellation::new()).is_err());
    let input = noise(100, 1);
    assert!(words(&device, &map_program(&text(MAP, device.tier()), &input)) == [map_expected(&input)]);
}

#[test]
fn threads_that_share_a_device_all_get_their_words() {
    let Some(device) = any() else { return };
    let shader = text(MAP, device.tier());
    // Long enough that waits run out and are taken up again while other threads' programs end.
    let input = noise(1 << 20, 11);
    let (program, expected) = (map_program(&shader, &input), map_expected(&input));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..6 {
                    assert!(words(&device, &program) == [expected.clone()]);
                }
            });
        }
    });
}

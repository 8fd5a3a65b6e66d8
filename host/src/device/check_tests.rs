use std::sync::Arc;

use arrow::buffer::Buffer;
use pilaster_shaders::{Binding, Needs, Shader};

use super::*;

fn shader(accesses: &[Access]) -> Shader {
    let binding = |(index, access): (usize, &Access)| Binding {
        index: index as u32,
        name: format!("b{index}"),
        access: *access,
        min_bytes: 4,
    };
    Shader {
        label: "s".into(),
        wgsl: String::new(),
        constants: Vec::new(),
        entry_point: "main".into(),
        workgroup_size: [64, 1, 1],
        workgroup_bytes: 0,
        bindings: accesses.iter().enumerate().map(binding).collect(),
        needs: Needs::default(),
        id: 1,
    }
}

/// A program of one stage with these accesses, each on a buffer of its own.
fn staged(shader: Shader) -> Program {
    let mut program = Program::new("p");
    let bindings = (0..shader.bindings.len())
        .map(|at| program.buffer(format!("buffer{at}"), 16, BufferInit::Zero))
        .collect();
    program.stage("k/s", Arc::new(shader), bindings, Workgroups::Direct([1, 1, 1]));
    program
}

fn refusal(candidate: &Program) -> String {
    program(candidate, &Tier::BASELINE, 256 << 20).expect_err("is refused").to_string()
}

#[test]
fn a_sound_program_passes() {
    let mut sound = staged(shader(&[Access::Read, Access::ReadWrite]));
    sound.read_back(BufferId(1), 4, 8);
    program(&sound, &Tier::BASELINE, 256 << 20).expect("is sound");
}

#[test]
fn reading_and_writing_one_buffer_is_a_conflict() {
    let mut aliased = staged(shader(&[Access::Read, Access::ReadWrite]));
    aliased.stages[0].bindings[1] = BufferId(0);
    assert!(refusal(&aliased).contains("`buffer0` is bound both for reading and for writing"));

    let mut indirect = staged(shader(&[Access::ReadWrite]));
    indirect.stages[0].workgroups = Workgroups::Indirect(BufferId(0), 0);
    assert!(refusal(&indirect).contains("both for reading and for writing"));

    let mut written_twice = staged(shader(&[Access::ReadWrite, Access::ReadWrite]));
    written_twice.stages[0].bindings[1] = BufferId(0);
    program(&written_twice, &Tier::BASELINE, 256 << 20).expect("writing through two bindings is allowed");
}

#[test]
fn limits_of_the_tier_hold() {
    assert!(refusal(&staged(shader(&[Access::Read; 9]))).contains("9 storage buffers"));

    let mut large = staged(shader(&[Access::Read]));
    large.buffers[0].bytes = (128 << 20) + 4;
    assert!(refusal(&large).contains("`buffer0` has 134217732 bytes, a binding holds at most 134217728"));
    large.buffers[0].bytes = u64::MAX;
    assert!(refusal(&large).contains("largest"));

    let mut wide = staged(shader(&[Access::Read]));
    wide.stages[0].workgroups = Workgroups::Direct([1, 65_536, 1]);
    assert!(refusal(&wide).contains("65536 workgroups"));

    let mut heavy = shader(&[]);
    heavy.workgroup_bytes = 16_388;
    assert!(refusal(&staged(heavy)).contains("16388 bytes of memory"));

    let mut crowded = shader(&[]);
    crowded.workgroup_size = [16, 16, 2];
    assert!(refusal(&staged(crowded)).contains("512 invocations"));

    let mut native = shader(&[]);
    native.needs.int64 = true;
    assert!(refusal(&staged(native)).contains("64-bit integers"));
}

#[test]
fn bindings_match_the_shader() {
    let mut missing = staged(shader(&[Access::Read, Access::Read]));
    missing.stages[0].bindings.pop();
    assert!(refusal(&missing).contains("1 buffers are bound, the shader has 2"));

    let mut stranger = staged(shader(&[Access::Read]));
    stranger.stages[0].bindings[0] = BufferId(7);
    assert!(refusal(&stranger).contains("no buffer 7"));

    let mut short = shader(&[Access::Read]);
    short.bindings[0].min_bytes = 32;
    assert!(refusal(&staged(short)).contains("takes at least 32"));
}

#[test]
fn pieces_and_ranges_stay_inside() {
    let with = |pieces: Vec<(u64, Buffer)>| {
        let mut program = Program::new("p");
        program.buffer("b", 16, BufferInit::Upload(pieces));
        program
    };
    let bytes = |len: usize| Buffer::from_vec(vec![1_u8; len]);
    assert!(refusal(&with(vec![(2, bytes(1))])).contains("not a multiple of 4"));
    assert!(refusal(&with(vec![(12, bytes(5))])).contains("past the buffer"));
    assert!(refusal(&with(vec![(!3, bytes(8))])).contains("past the buffer"));
    assert!(refusal(&with(vec![(4, bytes(8)), (0, bytes(5))])).contains("before the end of another"));
    for (offset, len) in [(2, 4), (0, 6), (16, 4), (!3, 4)] {
        let mut program = with(vec![(0, bytes(16))]);
        program.read_back(BufferId(0), offset, len);
        assert!(refusal(&program).contains("read-back"));
    }
}

//! Errors and reflection of small stages.

use std::sync::Arc;

use crate::request::{Access, Request, Root, Shader, ShaderError, shader};
use crate::tier::Tier;

fn compile_with(text: &str, constants: &[(&str, f64)]) -> Result<Arc<Shader>, ShaderError> {
    let root = Root::Generated(text);
    shader(&Request { label: "made up", root, slots: &[], constants, tier: &Tier::BASELINE })
}

fn compile(text: &str) -> Result<Arc<Shader>, ShaderError> {
    compile_with(text, &[])
}

#[track_caller]
fn refused(text: &str, origin: &str, reason: &str) {
    let error = compile(text).expect_err("the text passed");
    assert_eq!((error.label.as_str(), error.origin.as_str()), ("made up", origin), "{error}");
    assert!(error.reason.contains(reason), "{error}");
}

const MAIN: &str = "@compute @workgroup_size(1)\nfn main() {}";

#[test]
fn parse_errors_name_file_and_line() {
    refused("//!use shared/bitmap\n\nfn f() -> u32 { return nothing; }", "made up:3", "nothing");
    refused("//!use shared/bitmap\nfn f( {}", "made up:2", "expected");
    refused("//!use shared/bitmap\nfn bitmap_words() {}", "made up:2", "bitmap_words");
}

#[test]
fn validation_errors_name_the_narrowest_line_and_the_cause() {
    let text = "//!use shared/bitmap\n@compute @workgroup_size(1)\nfn main() {\n  if (bitmap_words(5u)) { return; }\n}";
    refused(text, "made up:4", "boolean");
}

#[test]
fn workgroup_size_and_memory_come_after_overrides() {
    let text = "override WG: u32 = 256;\noverride WORDS: u32 = 4u * WG;\n\
                var<workgroup> shared_words: array<u32, WORDS>;\nvar<workgroup> flag: u32;\n\
                var<workgroup> unused: array<u32, 100>;\n\
                @compute @workgroup_size(WG)\nfn main(@builtin(local_invocation_index) lane: u32) {\n\
                  shared_words[lane] = lane;\n  flag = 1u;\n}";
    let default = compile(text).unwrap();
    assert_eq!((default.workgroup_size, default.workgroup_bytes), ([256, 1, 1], 4096 + 16));
    let small = compile_with(text, &[("WG", 64.0)]).unwrap();
    assert_eq!((small.workgroup_size, small.workgroup_bytes), ([64, 1, 1], 1024 + 16));
    assert_eq!(small.constants, [("WG".to_string(), 64.0)]);
    assert_ne!(default.id, small.id);
    let words = compile_with(text, &[("WORDS", 10.0)]).unwrap();
    assert_eq!(words.workgroup_bytes, 48 + 16);
}

#[test]
fn bad_override_values_are_refused() {
    let text = "override WG: u32 = 256;\noverride NEEDED: u32;\n@group(0) @binding(0) var<storage, read_write> x: u32;\n\
                @compute @workgroup_size(WG)\nfn main() { x = NEEDED; }";
    let reason = |constants| compile_with(text, constants).unwrap_err().reason;
    assert!(reason(&[]).contains("NEEDED"));
    assert!(reason(&[("NEEDED", 1.0), ("TYPO", 1.0)]).contains("TYPO"));
    assert!(compile_with(text, &[("NEEDED", f64::NAN)]).is_err());
    assert!(compile_with(text, &[("NEEDED", -1.0)]).is_err());
    assert!(compile_with(text, &[("NEEDED", 1.0), ("WG", 0.0)]).is_err());
    assert!(compile_with(text, &[("NEEDED", 1.0), ("WG", 257.0)]).is_err());
    assert!(compile_with(text, &[("NEEDED", 1.0)]).is_ok());
}

#[test]
fn bindings_are_reflected_in_order() {
    let text = "struct Header { rows: u32, at: vec2<u32>, values: array<vec4<u32>> }\n\
                @group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>, 3>;\n\
                @group(0) @binding(0) var<storage, read> header: Header;\n\
                @group(0) @binding(1) var<storage, read> words: array<u32>;\n";
    let shader = compile(&format!("{text}{MAIN}")).unwrap();
    let seen: Vec<_> =
        shader.bindings.iter().map(|b| (b.index, b.name.as_str(), b.access, b.min_bytes)).collect();
    let expected = [
        (0, "header", Access::Read, 32),
        (1, "words", Access::Read, 4),
        (2, "counts", Access::ReadWrite, 12),
    ];
    assert_eq!(seen, expected);
    assert_eq!(shader.entry_point, "main");
}

#[test]
fn other_resources_and_sparse_bindings_are_refused() {
    let refuse = |declaration: &str, reason: &str| {
        let error = compile(&format!("{declaration}\n{MAIN}")).expect_err(declaration);
        assert!(error.reason.contains(reason), "{error}");
    };
    refuse("@group(0) @binding(1) var<storage, read> x: u32;", "dense");
    refuse(
        "@group(0) @binding(0) var<storage, read> x: u32;\n@group(0) @binding(2) var<storage, read> y: u32;",
        "dense",
    );
    refuse(
        "@group(0) @binding(0) var<storage, read> x: u32;\n@group(0) @binding(0) var<storage, read> y: u32;",
        "dense",
    );
    refuse("@group(1) @binding(0) var<storage, read> x: u32;", "group 0");
    refuse("@group(0) @binding(0) var<uniform> x: vec4<u32>;", "only storage buffers");
    refuse("@group(0) @binding(0) var texture: texture_2d<f32>;", "only storage buffers");
}

#[test]
fn a_stage_has_one_compute_entry_point() {
    refused("//!use shared/bitmap", "made up", "0 entry points");
    refused(&format!("{MAIN}\n@compute @workgroup_size(1)\nfn other() {{}}"), "made up", "2 entry points");
    refused("@fragment\nfn main() {}", "made up", "compute entry point");
}

#[test]
fn answers_are_cached_by_request() {
    let first = compile(MAIN).unwrap();
    assert!(Arc::ptr_eq(&first, &compile(MAIN).unwrap()));
    let tier = Tier { int64: true, ..Tier::BASELINE };
    let root = Root::Generated(MAIN);
    let other = shader(&Request { label: "made up", root, slots: &[], constants: &[], tier: &tier }).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    // The same text makes the same pipeline.
    assert_eq!(first.id, other.id);
    let root = Root::Library(MAIN);
    let request = Request { label: "made up", root, slots: &[], constants: &[], tier: &Tier::BASELINE };
    assert!(shader(&request).is_err());
}

#[test]
fn errors_are_cached_and_displayed() {
    let error = compile("//!use no/such").unwrap_err();
    assert_eq!(error.to_string(), "made up: made up:1: there is no module `no/such`");
    assert_eq!(compile("//!use no/such").unwrap_err(), error);
}

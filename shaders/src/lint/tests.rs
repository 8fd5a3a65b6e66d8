//! Each rule refuses a violation planted for it, at its line, and lets its correct twin pass.

use crate::request::{Request, Root, Shader, ShaderError, shader};
use crate::tier::Tier;

fn everything() -> Tier {
    Tier { int64: true, float64: true, subgroups: true, ..Tier::BASELINE }
}

/// A stage whose body starts at line 4.
fn stage(body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n\
         @compute @workgroup_size(64)\n\
         fn main(@builtin(local_invocation_index) lane: u32) {{\n{body}\n}}"
    )
}

fn compile(text: &str, tier: &Tier) -> Result<std::sync::Arc<Shader>, ShaderError> {
    shader(&Request { label: "planted", root: Root::Generated(text), slots: &[], constants: &[], tier })
}

#[track_caller]
fn refused(text: &str, tier: &Tier, origin: &str, reason: &str) {
    let error = compile(text, tier).expect_err("the violation passed");
    assert_eq!(error.origin, origin, "{error}");
    assert!(error.reason.contains(reason), "{error}");
}

#[track_caller]
fn passes(text: &str, tier: &Tier) -> std::sync::Arc<Shader> {
    compile(text, tier).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn bit_built_ins_on_64_bit_integers() {
    let calls = [
        ("countLeadingZeros(x)", "CountLeadingZeros"),
        ("countTrailingZeros(x)", "CountTrailingZeros"),
        ("countOneBits(x)", "CountOneBits"),
        ("reverseBits(x)", "ReverseBits"),
        ("extractBits(x, 3u, 5u)", "ExtractBits"),
        ("insertBits(x, x, 3u, 5u)", "InsertBits"),
        ("firstLeadingBit(x)", "FirstLeadingBit"),
        ("firstTrailingBit(x)", "FirstTrailingBit"),
    ];
    for ty in ["u64", "i64"] {
        for (call, name) in calls {
            let body = |ty: &str| stage(&format!("let x = {ty}(data[lane]);\ndata[lane] = u32({call});"));
            refused(&body(ty), &everything(), "planted:5", name);
            passes(&body("u32"), &everything());
        }
        let body = "data[lane] = u32(abs(x) + min(x, x) + max(x, x));";
        passes(&stage(&format!("let x = {ty}(data[lane]);\n{body}")), &everything());
        let vector = format!("let x = vec2<{ty}>({ty}(data[lane]));\ndata[lane] = u32(countOneBits(x).x);");
        refused(&stage(&vector), &everything(), "planted:5", "CountOneBits");
    }
}

#[test]
fn nan_tests_by_comparison() {
    let comparisons = ["x != x", "x == x", "!(x == x)"];
    for ty in ["f32", "f64"] {
        for comparison in comparisons {
            let body = |ty: &str| format!("let x = {ty}(data[lane]);\ndata[lane] = u32({comparison});");
            refused(&stage(&body(ty)), &everything(), "planted:5", "NaN");
            passes(&stage(&body("u32")), &everything());
        }
    }
    // Two loads of one variable, of one element, of one component are the same value too.
    let variable = "var x = f32(data[lane]);\ndata[lane] = u32(x != x);";
    let element = "var x = array<f32, 2>(1.0, 2.0);\ndata[lane] = u32(x[lane] != x[lane]);";
    let component = "var x = vec2<f32>(f32(lane));\ndata[lane] = u32(x.y != x.y);";
    let vector = "let x = vec2<f32>(f32(lane));\ndata[lane] = u32(any(x != x));";
    for body in [variable, element, component, vector] {
        refused(&stage(body), &Tier::BASELINE, "planted:5", "NaN");
    }
    passes(&stage("var x = vec2<f32>(f32(lane));\ndata[lane] = u32(x.x != x.y);"), &Tier::BASELINE);
    passes(
        &stage("let x = data[lane];\ndata[lane] = u32((x & 0x7fffffffu) > 0x7f800000u);"),
        &Tier::BASELINE,
    );
}

#[test]
fn inexact_built_ins_on_f64() {
    let calls = [
        "exp(x)",
        "exp2(x)",
        "log(x)",
        "log2(x)",
        "pow(x, x)",
        "round(x)",
        "sin(x)",
        "tanh(x)",
        "inverseSqrt(x)",
        "smoothstep(x, x, x)",
    ];
    for call in calls {
        let body = |ty: &str| stage(&format!("let x = {ty}(data[lane]);\ndata[lane] = u32({call});"));
        refused(&body("f64"), &everything(), "planted:5", "f64");
        passes(&body("f32"), &everything());
    }
    let exact =
        "data[lane] = u32(fma(x, x, sqrt(x)) + floor(abs(x)) + min(x, max(x, x)) + ceil(x) + trunc(x));";
    passes(&stage(&format!("let x = f64(data[lane]);\n{exact}")), &everything());
}

#[test]
fn features_beyond_the_tier() {
    let cases = [
        ("data[lane] = u32(u64(lane) * 3lu);", "64-bit"),
        ("data[lane] = u32(i64(lane) * 3li);", "64-bit"),
        ("var x: vec2<u64>;\ndata[lane] = u32(x.x);", "64-bit"),
        ("data[lane] = u32(f64(lane) * 3.0lf);", "f64"),
        ("data[lane] = subgroupAdd(lane);", "subgroup"),
        ("data[lane] = subgroupBallot(lane == 3u).x;", "subgroup"),
        ("data[lane] = subgroupShuffle(lane, 1u);", "subgroup"),
        ("data[lane] = subgroupExclusiveAdd(lane);", "subgroup"),
    ];
    for (body, feature) in cases {
        let (int64, float64, subgroups) = (feature == "64-bit", feature == "f64", feature == "subgroup");
        let without = Tier { int64: !int64, float64: !float64, subgroups: !subgroups, ..Tier::BASELINE };
        let error = compile(&stage(body), &without).expect_err(body);
        assert!(error.reason.contains(feature), "{error}");
        let just_enough = Tier { int64, float64, subgroups, ..Tier::BASELINE };
        let needs = passes(&stage(body), &just_enough).needs;
        assert_eq!((needs.int64, needs.float64, needs.subgroups), (int64, float64, subgroups), "{body}");
    }
}

#[test]
fn features_are_counted_in_functions_that_nobody_calls() {
    let text = stage("") + "\nfn unused(x: u32) -> u32 { return u32(u64(x) >> 1u); }";
    refused(&text, &Tier::BASELINE, "planted:6", "64-bit");
    assert!(passes(&text, &everything()).needs.int64);
}

#[test]
fn features_are_counted_in_declarations() {
    for declaration in ["var<private> unused: u64;", "const UNUSED = 5li;"] {
        refused(&format!("{declaration}\n{}", stage("")), &Tier::BASELINE, "planted:1", "64-bit");
    }
    let member = format!("struct S {{ x: i64 }}\n{}", stage(""));
    assert!(compile(&member, &Tier::BASELINE).is_err());
    assert!(passes(&member, &everything()).needs.int64);
}

#[test]
fn subgroup_built_in_values() {
    let main = "@compute @workgroup_size(64)\nfn main(@builtin(subgroup_size) size: u32) { _ = size; }";
    let through = "struct In { @builtin(subgroup_invocation_id) lane: u32 }\n\
                   @compute @workgroup_size(64)\nfn main(input: In) { _ = input.lane; }";
    for text in [main, through] {
        let error = compile(text, &Tier::BASELINE).expect_err(text);
        assert!(error.reason.contains("subgroup"), "{error}");
        assert!(passes(text, &everything()).needs.subgroups);
    }
}

#[test]
fn atomics_on_64_bit_integers() {
    for ty in ["u64", "i64"] {
        let text = |ty: &str| {
            format!("var<workgroup> total: atomic<{ty}>;\n{}", stage(&format!("atomicAdd(&total, {ty}(1));")))
        };
        let error = compile(&text(ty), &everything()).expect_err("the violation passed");
        assert!(error.reason.contains("64-bit atomics"), "{error}");
        passes(&text("u32"), &everything());
    }
    let error = compile(&format!("var<workgroup> total: atomic<f32>;\n{}", stage("")), &everything());
    assert!(error.is_err());
}

#[test]
fn workgroup_memory_beyond_the_tier() {
    let text = |words: u32| {
        let shared = format!("var<workgroup> shared_words: array<u32, {words}>;\n");
        shared
            + &stage(
                "shared_words[lane] = lane;\nworkgroupBarrier();\ndata[lane] = shared_words[63u - lane];",
            )
    };
    refused(&text(4097), &Tier::BASELINE, "planted", "16400 bytes of workgroup memory");
    assert_eq!(passes(&text(4096), &Tier::BASELINE).workgroup_bytes, 16 << 10);
    let large = Tier { workgroup_bytes: 32 << 10, ..Tier::BASELINE };
    passes(&text(4097), &large);
}

#[test]
fn invocations_beyond_the_tier() {
    let text = |size: &str| format!("@compute @workgroup_size({size})\nfn main() {{}}");
    // (naga itself refuses dimensions beyond 16,384.)
    for size in ["257", "16, 17", "4, 4, 17", "1, 1, 65", "30000, 30000"] {
        refused(&text(size), &Tier::BASELINE, "planted", "size");
    }
    for size in ["256", "16, 16", "2, 2, 64"] {
        passes(&text(size), &Tier::BASELINE);
    }
    passes(&text("1024"), &Tier { workgroup_invocations: 1024, ..Tier::BASELINE });
}

#[test]
fn storage_buffers_beyond_the_tier() {
    let text = |count: u32| {
        let buffer = |i| format!("@group(0) @binding({i}) var<storage, read> buffer{i}: array<u32>;\n");
        (0..count).map(buffer).collect::<String>() + "@compute @workgroup_size(1)\nfn main() {}"
    };
    refused(&text(9), &Tier::BASELINE, "planted", "9 storage buffers");
    assert_eq!(passes(&text(8), &Tier::BASELINE).bindings.len(), 8);
    passes(&text(9), &Tier { storage_buffers: 10, ..Tier::BASELINE });
}

#[test]
fn subgroup_barriers_are_in_no_tier() {
    let error = compile(&stage("subgroupBarrier();"), &everything()).expect_err("the violation passed");
    assert_eq!(error.origin, "planted:4", "{error}");
}

//! What the host and the shaders both know.

use pilaster_shaders::{Request, Root, Tier, shader};

use super::finish::{BROKEN_LIST, NO_SUCH_INDEX, NO_SUCH_LEVEL, TOO_FEW};
use super::lay::{DELTA_BLOCK, Kind, head};
use super::unfold::{HEAD, MOST_LEVELS};
use super::walk::PACKED;

#[test]
fn numbers_are_those_of_the_shaders() {
    let text = |path| {
        let root = Root::Library(path);
        let request = Request { label: path, root, slots: &[], constants: &[], tier: &Tier::BASELINE };
        shader(&request).unwrap().wgsl.clone()
    };
    let (place, delta) = (text("parquet/place"), text("parquet/delta_apply"));
    let numbers = [
        ("PARQUET_LEVELS", head::LEVELS),
        ("PARQUET_DEFINITION", head::DEFINITION),
        ("PARQUET_REPETITION", head::REPETITION),
        ("PARQUET_SLOT_DEFINITION", head::SLOT_DEFINITION),
        ("PARQUET_PAGES", head::PAGES),
        ("PARQUET_NULLABLE", head::NULLABLE),
        ("PARQUET_VALUES", head::VALUES),
        ("PARQUET_VALIDITY", head::VALIDITY),
        ("PARQUET_WIDTH", head::WIDTH),
        ("PARQUET_DELTA", head::DELTA),
        ("PARQUET_TOO_FEW", TOO_FEW as usize),
        ("PARQUET_NO_SUCH_INDEX", NO_SUCH_INDEX as usize),
        ("PARQUET_NO_SUCH_LEVEL", NO_SUCH_LEVEL as usize),
        ("DELTA_BLOCK", DELTA_BLOCK),
    ];
    for (name, number) in numbers {
        let line = format!("const {name}: u32 = {number}u;");
        assert!(place.contains(&line) || delta.contains(&line), "{line}");
    }
    for (name, kind) in [
        ("PLAIN", Kind::Plain),
        ("DICTIONARY", Kind::Dictionary),
        ("SPLIT", Kind::Split),
        ("DELTA", Kind::Delta),
        ("BOOLEAN", Kind::Boolean),
        ("RUNS", Kind::Runs),
        ("ARRAYS", Kind::Arrays),
        ("LENGTHS", Kind::Lengths),
        ("UNFOLDED", Kind::Unfolded),
        ("ENTRIES", Kind::Entries),
    ] {
        let line = format!("const PLACE_{name}: u32 = {}u;", kind as u32);
        // The last one is what a switch does by default.
        assert!(place.contains(&line) || kind == Kind::Runs, "{line}");
    }
    let unfold = text("parquet/unfold");
    for (name, number) in [("UNFOLD_MOST_LEVELS", MOST_LEVELS), ("UNFOLD_HEAD", HEAD)] {
        let line = format!("const {name}: u32 = {number}u;");
        assert!(unfold.contains(&line), "{line}");
    }
    let line = format!("const CONTEXTS_BROKEN_LIST: u32 = {BROKEN_LIST}u;");
    assert!(text("parquet/contexts").contains(&line), "{line}");
    assert!(place.contains(&format!("const PARQUET_PACKED: u32 = {PACKED:#x}u;")));
}

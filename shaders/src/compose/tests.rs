//! Directives, one by one, against small libraries made up here.

use super::*;

const NO_FILES: &[(&str, &str)] = &[];

fn all_features() -> Tier {
    Tier { int64: true, float64: true, subgroups: true, ..Tier::BASELINE }
}

fn expand_with(
    text: &str,
    library: &[(&str, &str)],
    slots: &[(&str, &str)],
    tier: &Tier,
) -> Result<Composed, Refusal> {
    let request = Request { label: "test", root: Root::Generated(text), slots, constants: &[], tier };
    compose(&request, library)
}

fn expand(text: &str, library: &[(&str, &str)]) -> Result<Composed, Refusal> {
    expand_with(text, library, &[], &Tier::BASELINE)
}

fn refusal(text: &str, library: &[(&str, &str)]) -> (String, String) {
    let Refusal { origin, reason } = expand(text, library).unwrap_err();
    (origin, reason)
}

#[test]
fn a_module_is_included_once_where_it_is_first_asked_for() {
    let library = [("a", "//!use b\nA"), ("b", "B"), ("c", "//!use b\nC")];
    let composed = expand("//!use a\n//!use c\n  //!use a\nroot", &library).unwrap();
    assert_eq!(composed.text, "B\nA\nC\nroot\n");
}

#[test]
fn cycles_end() {
    let library = [("a", "//!use b\nA"), ("b", "//!use a\n//!use b\nB")];
    assert_eq!(expand("//!use a\nroot", &library).unwrap().text, "B\nA\nroot\n");
}

#[test]
fn a_library_root_is_not_included_again() {
    let library = [("stage", "//!use a\nS"), ("a", "//!use stage\nA")];
    let tier = Tier::BASELINE;
    let root = Root::Library("stage");
    let request = Request { label: "label", root, slots: &[], constants: &[], tier: &tier };
    let composed = compose(&request, &library).unwrap();
    assert_eq!(composed.text, "A\nS\n");
    assert_eq!(composed.root(), "stage.wgsl");
    assert_eq!(composed.origin(2), "stage.wgsl:2");
}

#[test]
fn slots_select_modules() {
    let library = [("narrow", "N"), ("wide", "W"), ("sum", "//!use $Value\nS")];
    let text = "//!use sum\n//!use $Value";
    for (chosen, expected) in [("narrow", "N\nS\n"), ("wide", "W\nS\n")] {
        let composed = expand_with(text, &library, &[("Value", chosen)], &Tier::BASELINE).unwrap();
        assert_eq!(composed.text, expected);
    }
    let missing = expand_with(text, &library, &[("Key", "wide")], &Tier::BASELINE).unwrap_err();
    assert_eq!((missing.origin.as_str(), missing.reason.contains("`Value`")), ("sum.wgsl:1", true));
}

#[test]
fn conditions_follow_the_tier() {
    let baseline = Tier::BASELINE;
    let cases = [
        ("int64", Tier { int64: true, ..baseline.clone() }),
        ("float64", Tier { float64: true, ..baseline.clone() }),
        ("subgroups", Tier { subgroups: true, ..baseline.clone() }),
    ];
    for (name, tier) in cases {
        let text = format!("//!if {name}\nyes\n//!else\nno\n//!end\n//!if !{name}\nNO\n//!else\nYES\n//!end");
        assert_eq!(expand_with(&text, NO_FILES, &[], &baseline).unwrap().text, "no\nNO\n", "{name}");
        assert_eq!(expand_with(&text, NO_FILES, &[], &tier).unwrap().text, "yes\nYES\n", "{name}");
    }
}

#[test]
fn conditions_nest() {
    let text = "//!if int64\n1\n//!if subgroups\n2\n//!else\n3\n//!end\n4\n//!else\n5\n//!if subgroups\n6\n//!else\n7\n//!end\n//!end\n8";
    assert_eq!(expand(text, NO_FILES).unwrap().text, "5\n7\n8\n");
    assert_eq!(expand_with(text, NO_FILES, &[], &all_features()).unwrap().text, "1\n2\n4\n8\n");
    let int64 = Tier { int64: true, ..Tier::BASELINE };
    assert_eq!(expand_with(text, NO_FILES, &[], &int64).unwrap().text, "1\n3\n4\n8\n");
}

#[test]
fn a_use_on_dropped_lines_includes_nothing() {
    let text = "//!if int64\n//!use missing\n//!use $Slot\n//!end\nroot";
    assert_eq!(expand(text, NO_FILES).unwrap().text, "root\n");
}

#[test]
fn every_line_knows_where_it_came_from() {
    let library = [("a", "// a\n//!if !int64\nA\n//!end\nA2")];
    let composed = expand("first\n//!use a\n\nlast", &library).unwrap();
    assert_eq!(composed.text, "first\n// a\nA\nA2\n\nlast\n");
    let origins: Vec<String> =
        (composed.text.match_indices('\n')).map(|(byte, _)| composed.origin(byte)).collect();
    assert_eq!(origins, ["test:1", "a.wgsl:1", "a.wgsl:3", "a.wgsl:5", "test:3", "test:4"]);
    assert_eq!(composed.origin(1 << 20), "test:4");
    assert_eq!(expand("", NO_FILES).unwrap().origin(0), "test");
}

#[test]
fn malformed_directives_are_refused_with_their_line() {
    let cases = [
        ("a\n//!use missing", "test:2", "no module `missing`"),
        ("//!use", "test:1", "no such directive"),
        ("//!use a b", "test:1", "no such directive"),
        ("\n\n//!include a", "test:3", "no such directive"),
        ("//! a doc comment", "test:1", "no such directive"),
        ("//!if int65\n//!end", "test:1", "no such condition: `int65`"),
        ("//!if !", "test:1", "no such condition"),
        ("//!if int64\n//!if nothing\n//!end\n//!end", "test:2", "no such condition"),
        ("//!if", "test:1", "no such directive"),
        ("x\n//!if int64\ny", "test:2", "without `//!end`"),
        ("//!if int64\n//!if int64\n//!end", "test:1", "without `//!end`"),
        ("//!else", "test:1", "without `//!if`"),
        ("//!if int64\n//!else\n//!else\n//!end", "test:3", "without `//!if`"),
        ("//!end", "test:1", "without `//!if`"),
        ("//!use a\n//!end", "a.wgsl:1", "without `//!end`"),
    ];
    let library = [("a", "//!if int64")];
    for (text, origin, reason) in cases {
        let refused = refusal(text, &library);
        assert_eq!(refused.0, origin, "{text}");
        assert!(refused.1.contains(reason), "{text}: {}", refused.1);
    }
}

#[test]
fn a_missing_module_is_reported_where_it_was_asked_for() {
    let library = [("a", "// a\n//!use b"), ("b", "//!use c")];
    assert_eq!(refusal("//!use a", &library).0, "b.wgsl:1");
}

#[test]
fn a_missing_root_names_itself() {
    let tier = Tier::BASELINE;
    let root = Root::Library("no/such");
    let request = Request { label: "label", root, slots: &[], constants: &[], tier: &tier };
    let refused = compose(&request, NO_FILES).unwrap_err();
    assert_eq!((refused.origin.as_str(), refused.reason.as_str()), ("label", "there is no module `no/such`"));
}

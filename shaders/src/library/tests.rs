//! Every stage of the library in every tier, without a device.

use std::collections::BTreeSet;
use std::path::Path;

use super::{LIBRARY, stages};
use crate::request::{Request, Root, shader};
use crate::tier::Tier;

/// What a slot may hold, per slot that a stage of the library uses.
const SLOT_CHOICES: &[(&str, &[&str])] = &[];

/// Each permutation costs a compilation on every device: more of them is a decision.
const MOST_PERMUTATIONS: usize = 200;

fn tiers() -> [Tier; 5] {
    let of = |subgroups, int64, float64| Tier { subgroups, int64, float64, ..Tier::BASELINE };
    [
        Tier::BASELINE,
        of(true, false, false),
        of(false, true, false),
        of(false, true, true),
        of(true, true, true),
    ]
}

fn choices(slot: &str) -> &'static [&'static str] {
    let found = SLOT_CHOICES.iter().find(|(name, _)| *name == slot);
    found.unwrap_or_else(|| panic!("slot `{slot}` has no line in SLOT_CHOICES")).1
}

/// Slots that a file uses, by itself or through what it uses.
fn slots_of(path: &str, seen: &mut BTreeSet<String>, slots: &mut BTreeSet<String>) {
    if !seen.insert(path.to_string()) {
        return;
    }
    let (_, text) = LIBRARY.iter().find(|(name, _)| *name == path).expect(path);
    for target in text.lines().filter_map(|line| line.trim_start().strip_prefix("//!use ")) {
        match target.trim().strip_prefix('$') {
            Some(slot) => {
                slots.insert(slot.to_string());
                choices(slot).iter().for_each(|path| slots_of(path, seen, slots));
            }
            None => slots_of(target.trim(), seen, slots),
        }
    }
}

/// Every way to fill the slots.
fn fillings(slots: &BTreeSet<String>) -> Vec<Vec<(&str, &'static str)>> {
    slots.iter().fold(vec![Vec::new()], |partial, slot| {
        let extend =
            |filling: &Vec<(_, _)>, module| [filling.as_slice(), &[(slot.as_str(), module)]].concat();
        partial
            .iter()
            .flat_map(|filling| choices(slot).iter().map(move |module| extend(filling, *module)))
            .collect()
    })
}

#[test]
fn every_file_is_listed_once_and_in_order() {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "wgsl") {
                let name = path.strip_prefix(root).unwrap().with_extension("");
                found.push(
                    name.components()
                        .map(|part| part.as_os_str().to_str().unwrap())
                        .collect::<Vec<_>>()
                        .join("/"),
                );
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("wgsl");
    let mut on_disk = Vec::new();
    walk(&root, &root, &mut on_disk);
    on_disk.sort();
    let listed: Vec<&str> = LIBRARY.iter().map(|(path, _)| *path).collect();
    assert_eq!(listed, on_disk);
}

#[test]
fn every_stage_passes_in_every_tier() {
    let mut permutations = 0;
    for path in stages() {
        let mut slots = BTreeSet::new();
        slots_of(path, &mut BTreeSet::new(), &mut slots);
        for filling in fillings(&slots) {
            for tier in &tiers() {
                let root = Root::Library(path);
                let request = Request { label: path, root, slots: &filling, constants: &[], tier };
                let shader =
                    shader(&request).unwrap_or_else(|error| panic!("{}, {filling:?}: {error}", tier.name()));
                let needs = shader.needs;
                assert!(!needs.int64 || tier.int64, "{path}");
                assert!(!needs.float64 || tier.float64, "{path}");
                assert!(!needs.subgroups || tier.subgroups, "{path}");
                permutations += 1;
            }
        }
    }
    assert!(permutations >= tiers().len() * stages().count());
    assert!(permutations <= MOST_PERMUTATIONS, "{permutations} permutations");
}

/// Modules that no stage of the library uses (generated stages do) are checked by themselves.
#[test]
fn every_module_passes_in_every_tier() {
    let stages: BTreeSet<&str> = stages().collect();
    for (path, _) in LIBRARY.iter().filter(|(path, _)| path.starts_with("shared/")) {
        assert!(!stages.contains(path), "{path}: stages have a folder of their kernel");
        let text = format!("//!use {path}\n@compute @workgroup_size(1)\nfn main() {{}}");
        for tier in &tiers() {
            let mut slots = BTreeSet::new();
            slots_of(path, &mut BTreeSet::new(), &mut slots);
            for filling in fillings(&slots) {
                let root = Root::Generated(&text);
                let request = Request { label: path, root, slots: &filling, constants: &[], tier };
                shader(&request).unwrap_or_else(|error| panic!("{}: {error}", tier.name()));
            }
        }
    }
}

/// The tiers' conditions are in use: the native variants need the feature, the emulated ones do not.
#[test]
fn variants_differ_by_tier() {
    let needs = |path, tier: &Tier| {
        let root = Root::Library(path);
        shader(&Request { label: path, root, slots: &[], constants: &[], tier }).unwrap().needs
    };
    let all = &tiers()[4];
    assert!(needs("test/int64", all).int64 && !needs("test/int64", &Tier::BASELINE).int64);
    assert!(needs("scan/apply", all).subgroups && !needs("scan/apply", &Tier::BASELINE).subgroups);
}

//! One Arrow, one Parquet, one wgpu: types of two versions of a crate do not meet.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;

/// Crates that may stand once in the lock file.
const SINGLE: &[&str] = &[
    "arrow",
    "arrow-array",
    "arrow-buffer",
    "arrow-schema",
    "datafusion-common",
    "datafusion-physical-plan",
    "naga",
    "object_store",
    "parquet",
    "wgpu",
    "wgpu-core",
    "wgpu-hal",
];

/// Reads the workspace's lock file and checks it.
pub fn check() -> Result<(), Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let versions = versions(&text);
    for name in SINGLE {
        let found = versions.get(name).map(Vec::as_slice).unwrap_or_default();
        if found.len() != 1 {
            return Err(format!("{name} stands {} times in the lock file: {found:?}", found.len()));
        }
        println!("{name} {}", found[0]);
    }
    Ok(())
}

fn versions(lock: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(value) = quoted(line, "name = ") {
            name = value;
        } else if let Some(value) = quoted(line, "version = ").filter(|_| !name.is_empty()) {
            versions.entry(name).or_default().push(value);
            name = "";
        }
    }
    versions
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::versions;

    #[test]
    fn two_versions_of_a_crate_are_both_seen() {
        let lock = "version = 4\n\n[[package]]\nname = \"arrow\"\nversion = \"58.0.0\"\n\n\
                    [[package]]\nname = \"arrow\"\nversion = \"59.3.2\"\n\n[[package]]\nname = \"naga\"\nversion = \"30.0.1\"\n";
        let versions = versions(lock);
        assert_eq!(versions["arrow"], ["58.0.0", "59.3.2"]);
        assert_eq!(versions["naga"], ["30.0.1"]);
    }
}

//! Verdicts remembered between processes. Nothing here may fail: without a cache the litmus just runs again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Verdict;

const FILE: &str = "litmus.json";

/// Where verdicts are kept: `PILASTER_CACHE_DIR` (nowhere where it is set but empty), or the user's cache folder.
pub(super) fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(set) = variable("PILASTER_CACHE_DIR") {
        return (!set.as_os_str().is_empty()).then_some(set);
    }
    let home = || variable("HOME").filter(|home| home.is_absolute());
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        variable("XDG_CACHE_HOME").filter(|base| base.is_absolute()).or_else(|| Some(home()?.join(".cache")))
    };
    Some(base?.join("pilaster"))
}

/// The verdict under `key`; none where there is none or the file cannot be read.
pub(super) fn load(folder: &Path, key: &str) -> Option<Verdict> {
    read(folder).remove(key)
}

/// Remembers a verdict, where that is possible.
pub(super) fn store(folder: &Path, key: &str, verdict: &Verdict) {
    let mut verdicts = read(folder);
    verdicts.insert(key.to_string(), verdict.clone());
    if let Err(error) = write(folder, &verdicts) {
        tracing::debug!(folder = %folder.display(), %error, "the litmus verdict is not remembered");
    }
}

fn read(folder: &Path) -> BTreeMap<String, Verdict> {
    let text = fs::read(folder.join(FILE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Written aside and moved into place, so that no reader sees half of it.
fn write(folder: &Path, verdicts: &BTreeMap<String, Verdict>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let aside = folder.join(format!("{FILE}.{}.{number}", std::process::id()));
    let written = fs::write(&aside, serde_json::to_vec_pretty(verdicts)?)
        .and_then(|()| fs::rename(&aside, folder.join(FILE)));
    if written.is_err() {
        fs::remove_file(&aside).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Verdict {
        Verdict::Failed { reason: "loops".into() }
    }

    #[test]
    fn verdicts_are_remembered_by_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("made/on/demand");
        assert_eq!(load(&inner, "a"), None);
        store(&inner, "a", &Verdict::Passed);
        store(&inner, "b", &failed());
        assert_eq!(load(&inner, "a"), Some(Verdict::Passed));
        assert_eq!(load(&inner, "b"), Some(failed()));
        assert_eq!(load(&inner, "c"), None);
        assert_eq!(fs::read_dir(&inner).expect("is there").count(), 1, "nothing is left aside");
    }

    #[test]
    fn a_corrupt_file_is_no_verdict_and_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        for garbage in ["", "{", "[]", "{\"a\": {\"verdict\": \"maybe\"}}", "\u{0}\u{1}"] {
            fs::write(folder.path().join(FILE), garbage).expect("written");
            assert_eq!(load(folder.path(), "a"), None, "{garbage:?}");
            store(folder.path(), "a", &failed());
            assert_eq!(load(folder.path(), "a"), Some(failed()));
        }
    }

    #[test]
    fn an_unwritable_folder_is_borne() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a file");
        fs::write(&file, "x").expect("written");
        store(&file, "a", &Verdict::Passed);
        assert_eq!(load(&file, "a"), None);
    }
}

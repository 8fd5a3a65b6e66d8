//! The fuzz targets' corpora, and everything that fuzzing ever found, once through the targets: no nightly toolchain
//! needed.

use std::path::{Path, PathBuf};

use pilaster_tests::hostile::{file, pages, seeds};

/// Inputs of a kind, by name.
fn inputs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let mut inputs: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

fn replay<T>(folder: &str, least: usize, target: impl Fn(&[u8]) -> T) {
    let inputs = inputs(folder);
    assert!(inputs.len() >= least, "{} inputs in {folder}", inputs.len());
    for path in inputs {
        println!("{}", path.display());
        target(&std::fs::read(&path).unwrap());
    }
}

#[test]
fn the_corpus_of_pages() {
    replay("corpus/pages", 40, pages);
}

#[test]
fn the_corpus_of_files() {
    replay("corpus/file", 40, file);
}

/// What fuzzing found, each fixed since.
#[test]
fn what_fuzzing_found_in_pages() {
    replay("found/pages", 0, pages);
}

#[test]
fn what_fuzzing_found_in_files() {
    replay("found/file", 0, file);
}

/// Fuzzing begins with inputs that get far: all of them are read.
#[test]
fn seeds_are_good() {
    for (name, bytes) in seeds::files() {
        if let Err(error) = file(&bytes) {
            panic!("{name}: {error}");
        }
    }
    for (name, bytes) in seeds::pages() {
        match pages(&bytes) {
            Ok(12..=15) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

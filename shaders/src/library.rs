//! The WGSL files that are compiled into the crate, and what their slots may hold.

/// One file: its path below `wgsl/` without extension, and its text.
pub(crate) type File = (&'static str, &'static str);

macro_rules! library {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../wgsl/", $path, ".wgsl")))),*]
    };
}

/// Every file below `wgsl/`, sorted. To add a shader, write the file and add its line here; a test compares the list
/// with the folder.
#[rustfmt::skip]
pub(crate) const LIBRARY: &[File] = library![
    "shared/bitmap",
];

/// Paths of the library's stages: the files with an entry point. The other files are modules for `//!use`.
pub fn stages() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().filter(|(_, text)| text.contains("@compute")).map(|(path, _)| *path)
}

//! The WGSL files that are compiled into the crate, and what their slots may hold.

#[cfg(test)]
mod tests;

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
    "aggregate/choose",
    "aggregate/float",
    "aggregate/insert",
    "aggregate/partition",
    "aggregate/partition_count",
    "aggregate/partition_scatter",
    "aggregate/plan",
    "aggregate/row_hash",
    "aggregate/sample",
    "aggregate/settle",
    "aggregate/site_global",
    "aggregate/site_hybrid",
    "aggregate/site_local",
    "aggregate/site_private",
    "aggregate/square",
    "aggregate/state_global",
    "aggregate/state_local",
    "aggregate/table",
    "compact/count",
    "compact/mask",
    "compact/scatter",
    "filter/mask",
    "filter/project",
    "litmus/atomics",
    "litmus/bounds",
    "litmus/float64",
    "litmus/int64",
    "litmus/loops",
    "litmus/scan_apply",
    "litmus/scan_reduce",
    "litmus/subgroups",
    "parquet/contexts",
    "parquet/delta",
    "parquet/delta_apply",
    "parquet/delta_reduce",
    "parquet/delta_spine",
    "parquet/expand",
    "parquet/gather",
    "parquet/levels",
    "parquet/lows",
    "parquet/node",
    "parquet/nodes",
    "parquet/pages",
    "parquet/place",
    "parquet/sizes",
    "parquet/slots",
    "parquet/source",
    "parquet/unfold",
    "scan/apply",
    "scan/block",
    "scan/reduce",
    "scan/spine",
    "shared/bitmap",
    "shared/compact",
    "shared/float_order",
    "shared/grid",
    "shared/hash",
    "shared/int128",
    "shared/int64",
    "shared/reduce",
    "shared/scan",
    "shared/scan64",
    "shared/wide",
    "sort/rank",
    "test/int128",
    "test/int64",
    "test/words",
];

/// Paths of the library's stages: the files with an entry point. The other files are modules for `//!use`.
pub fn stages() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().filter(|(_, text)| text.contains("@compute")).map(|(path, _)| *path)
}

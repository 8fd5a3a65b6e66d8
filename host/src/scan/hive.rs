//! Folders of files, and what their names say.
//!
//! ```text
//! sales/year=2024/region=north%20east/part-0.parquet     year = 2024, region = 'north east'
//! sales/year=2024/region=__HIVE_DEFAULT_PARTITION__/..   region is null
//! ```
//! A key is a column of every row below its folder. Where no schema types the columns, all values of a key decide: integers,
//! else dates, else strings.

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use pilaster_kernels::expr::Scalar;
use pilaster_kernels::{Error, Result};

use super::file::io_error;

/// What Hive writes for null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Deeper folders are taken for links that lead back to themselves.
const MAX_DEPTH: usize = 64;

/// A file, and keys and values of the folders between the root and it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Decoded; `None` is null.
    pub(super) keys: Vec<(String, Option<String>)>,
}

/// Files as they are, folders as all `*.parquet` files in and below them, by name. What begins with `.` or `_` is not
/// looked into: writers keep their unfinished work there.
///
/// # Errors
/// [`Error::Io`], [`Error::InvalidInput`] for a key that occurs twice on the way to a file.
pub(super) fn list(paths: &[impl AsRef<Path>]) -> Result<Vec<Found>> {
    let mut files = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        match path.is_dir() {
            true => walk(path, &mut Vec::new(), MAX_DEPTH, &mut files)?,
            false => files.push(Found { path: path.to_path_buf(), keys: Vec::new() }),
        }
    }
    Ok(files)
}

fn walk(
    folder: &Path,
    keys: &mut Vec<(String, Option<String>)>,
    depth: usize,
    files: &mut Vec<Found>,
) -> Result<()> {
    let depth = depth.checked_sub(1);
    let depth = depth.ok_or_else(|| Error::invalid(format!("{} is too deep a folder", folder.display())))?;
    let entries = std::fs::read_dir(folder).map_err(|error| io_error(folder, &error))?;
    let mut inside = Vec::new();
    for entry in entries {
        inside.push(entry.map_err(|error| io_error(folder, &error))?.path());
    }
    inside.sort();
    for path in inside {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A key may begin with `_`.
        let hidden = name.starts_with('.') || (name.starts_with('_') && !name.contains('='));
        if hidden {
            continue;
        }
        if path.is_dir() {
            let key = key(&name);
            if let Some((key, _)) = &key
                && keys.iter().any(|(known, _)| known == key)
            {
                return Err(Error::invalid(format!("{}: a second value of {key}", path.display())));
            }
            let known = keys.len();
            keys.extend(key);
            walk(&path, keys, depth, files)?;
            keys.truncate(known);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(Found { path, keys: keys.clone() });
        }
    }
    Ok(())
}

/// `key=value`, decoded.
fn key(folder: &str) -> Option<(String, Option<String>)> {
    let (key, value) = folder.split_once('=')?;
    let key = percent_decoded(key);
    (!key.is_empty()).then(|| (key, Some(value).filter(|value| *value != NULL).map(percent_decoded)))
}

/// `%41` as `A`; what is no escape, or gives no UTF-8, stays as it is.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let escaped =
            digits.filter(|_| bytes[at] == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// `file`'s schema and behind it, in the order in which they are met, the columns that folders name. A key that is also a
/// column of the file keeps the column's place and type.
pub(super) fn with_keys(file: &Schema, files: &[Found]) -> Schema {
    let mut fields: Vec<_> = file.fields().iter().cloned().collect();
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in files.iter().flat_map(|file| &file.keys) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    for key in keys {
        match fields.iter_mut().find(|field| field.name() == key) {
            // A folder may say null of what the file's schema does not.
            Some(field) => *field = field.as_ref().clone().with_nullable(true).into(),
            None => fields.push(Field::new(key, inferred(key, files), true).into()),
        }
    }
    Schema::new(fields)
}

/// The columns that the folders in and below `folder` name, with the types of their values.
///
/// # Errors
/// [`Error::Io`], [`Error::InvalidInput`] for a key that occurs twice on the way to a file.
pub fn partition_columns(folder: impl AsRef<Path>) -> Result<Schema> {
    Ok(with_keys(&Schema::empty(), &list(&[folder])?))
}

/// The type of a key's values: that of all of them.
fn inferred(key: &str, files: &[Found]) -> DataType {
    let values = || {
        let keys = files.iter().flat_map(|file| &file.keys);
        keys.filter(|(known, _)| known == key).filter_map(|(_, value)| value.as_deref())
    };
    let integer = |value: &str| value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
    let date = |value: &str| {
        let digits = value.len() == 10 && value.as_bytes()[4] == b'-' && value.as_bytes()[7] == b'-';
        digits && typed(value, &DataType::Date32).is_some()
    };
    if values().next().is_none() {
        DataType::Utf8
    } else if values().all(integer) {
        DataType::Int64
    } else if values().all(date) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// The constants that a file's folders stand for, typed by `table`. Keys that the table has no column for are left out.
///
/// # Errors
/// [`Error::InvalidInput`] where a value is none of its column's type.
pub(super) fn constants(file: &Found, table: &Schema) -> Result<Vec<(String, Scalar)>> {
    let mut constants = Vec::new();
    for (key, value) in &file.keys {
        let Ok(field) = table.field_with_name(key) else { continue };
        let data_type = field.data_type();
        let constant = match value {
            None => Scalar::null(data_type.clone()),
            Some(value) => typed(value, data_type).ok_or_else(|| {
                let path = file.path.display();
                Error::invalid(format!("{path}: {value:?} of folder {key} is no value of type {data_type}"))
            })?,
        };
        constants.push((key.clone(), constant));
    }
    Ok(constants)
}

fn typed(value: &str, data_type: &DataType) -> Option<Scalar> {
    let target = match data_type {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let text: ArrayRef = std::sync::Arc::new(StringArray::from(vec![value]));
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(&text, target, &strict).ok()?;
    Scalar::from_array(cast.as_ref(), 0).ok().filter(|scalar| !scalar.is_null())
}

#[cfg(test)]
mod tests;

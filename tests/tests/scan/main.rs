//! The scan against the `parquet` crate's reader, against pyarrow and against hostile files.
//!
//! | module | shows |
//! | --- | --- |
//! | `agreement` | any schema, data, writer settings, projection, predicate, batch size: the rows of the `parquet` crate's reader |
//! | `checker` | planted errors: the comparison notices them |
//! | `handmade` | pages that no writer at hand makes: deprecated levels, several dictionaries, INT96, empty pages .. |
//! | `hostile` | damaged files: right batches or typed errors, in bounded time and memory (`allocated` measures it) |
//! | `pyarrow` | files that pyarrow writes, against what it says is in them |
//! | `corpora` | what fuzzing begins with and what it found |
//! | `on_device` | leaves decoded on the device: the rows of the `parquet` crate's reader and of pyarrow |
//! | `device_bytes` | values of bytes at their limits on the device, and damaged files |
//! | `files` | several files on disk, and parts of them |
//! | `reading` | one way to read a file: what is asked of the scan, and what the oracle says |
//!
//! A binary apart from `properties`: only `on_device` and `device_bytes` know a device, so the rounds over device profiles need not repeat
//! the rest.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a surprise ends the test")]

mod agreement;
mod allocated;
mod checker;
mod corpora;
mod device_bytes;
mod files;
mod handmade;
mod hostile;
mod on_device;
mod pyarrow;
mod reading;

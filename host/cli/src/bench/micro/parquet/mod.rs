//! `pilaster bench micro --suite parquet`: columns of one encoding each, to Arrow arrays, by our scan and by the `parquet`
//! crate's Arrow reader.
//!
//! The file's bytes lie in memory for both, read before the clock starts; footers are parsed before it too. Each row group
//! is a task; tasks go to a pool of the asked number of threads, for both alike. Both give arrays of the same type:
//!
//! - the **logical** type, which the file's own Arrow schema names: ours are asked for it (`declared_types`);
//! - and, where ours come narrower by themselves (dictionary codes, decimals of 64 bits), **that** type, which the other reader is asked for in turn. Where it refuses, it gives
//!   the logical type, and the row says so.

mod engines;
mod record;
mod table;

use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use pilaster_bench_data::columns::{self, Codec, ColumnFile, KINDS, Kind, Options};
use rayon::ThreadPool;

use self::engines::{ArrowRs, Ours, Reader as _};
use super::timing::{Timing, interleaved};
use crate::args::{MicroAgainst, MicroArgs};
use crate::bench::cache_folder;
use crate::{Failure, engine, progress};

/// Rows of a column where nobody says.
const DEFAULT_ROWS: usize = 10_000_000;

/// What came out for one column, codec and type.
#[derive(Debug)]
struct Measured {
    kind: &'static Kind,
    codec: Codec,
    /// Type of the arrays.
    data_type: DataType,
    /// That of the other reader's, where it refused ours.
    other_type: Option<DataType>,
    rows: usize,
    /// Bytes of the Arrow arrays, of the logical type.
    arrow_bytes: usize,
    file_bytes: u64,
    ours: Timing,
    against: Timing,
}

impl Measured {
    /// Ratio that is the goal: how many times as fast as the other reader.
    fn goal(&self) -> f64 {
        match self.codec {
            Codec::None if self.kind.packed() => 3.0,
            Codec::Snappy | Codec::Lz4Raw | Codec::Lz4 if self.kind.packed() => 1.5,
            _ => 1.0,
        }
    }

    fn ratio(&self) -> f64 {
        quotient(self.against.median(), self.ours.median())
    }

    /// Of CPU times: steadier where others use the machine too.
    fn cpu_ratio(&self) -> f64 {
        quotient(self.against.median_cpu(), self.ours.median_cpu())
    }

    fn gigabytes_per_second(&self, time: Duration) -> f64 {
        self.arrow_bytes as f64 / time.as_secs_f64() / 1e9
    }
}

fn quotient(time: Duration, by: Duration) -> f64 {
    time.as_secs_f64() / by.as_secs_f64()
}

/// Runs the suite; an error if the two readers' arrays differ.
pub fn run(args: &MicroArgs) -> Result<(), Failure> {
    if let Some(other @ MicroAgainst::Datafusion) = args.against {
        return Err(format!("suite parquet is not compared with {other:?}").into());
    }
    let folder =
        args.data.clone().map_or_else(|| Ok(cache_folder()?.join("micro/parquet")), Ok::<_, Failure>)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(engine::thread_count(args.threads)).build()?;
    let kinds: Vec<&'static Kind> = KINDS.iter().filter(|kind| wanted(args, kind)).collect();
    let options = Options { rows: args.rows.unwrap_or(DEFAULT_ROWS), seed: args.seed, ..Options::default() };
    let bar = progress::bar("parquet", (kinds.len() * args.codecs.len()) as u64);
    let mut results = Vec::new();
    for kind in kinds {
        for &codec in &args.codecs {
            bar.set_message(format!("{} {codec}", kind.name));
            let file = columns::generate(kind, codec, &options, &folder)?;
            results.extend(measure(kind, codec, &file, args, &pool)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    println!("{}", table::draw(&results));
    println!("{}", table::summary(&results));
    match &args.json {
        Some(file) => record::append(file, args, pool.current_num_threads(), &results),
        None => Ok(()),
    }
}

fn wanted(args: &MicroArgs, kind: &Kind) -> bool {
    args.columns.is_empty() || args.columns.iter().any(|part| kind.name.contains(part.as_str()))
}

fn measure(
    kind: &'static Kind,
    codec: Codec,
    file: &ColumnFile,
    args: &MicroArgs,
    pool: &ThreadPool,
) -> Result<Vec<Measured>, Failure> {
    let bytes = bytes::Bytes::from(std::fs::read(&file.path)?);
    let ours = Ours::open(&file.path, bytes.clone(), args.batch_rows, false)?;
    let declared = Ours::open(&file.path, bytes.clone(), args.batch_rows, true)?;
    let against = ArrowRs::open(bytes.clone(), args.batch_rows, None)?;
    let logical = against.data_type();
    let (arrow_bytes, physical) =
        check(&ours, &against, &logical).map_err(|error| format!("{}: {error}", file.path.display()))?;
    check(&declared, &against, &logical).map_err(|error| format!("{}: {error}", file.path.display()))?;
    let mut results = Vec::new();
    let mut add = |data_type: DataType, other_type, ours: &Ours, against: &ArrowRs| -> Result<(), Failure> {
        let [ours, against] = interleaved(
            args.reps,
            [&mut || ours.drain(pool, Some(&data_type)), &mut || against.drain(pool, None)],
        )?;
        let rows = file.rows;
        results.push(Measured {
            kind,
            codec,
            data_type,
            other_type,
            rows,
            arrow_bytes,
            file_bytes: file.bytes,
            ours,
            against,
        });
        Ok(())
    };
    add(logical.clone(), None, &declared, &against)?;
    if physical != logical {
        match ArrowRs::open(bytes, args.batch_rows, Some(&physical)) {
            Ok(same) => add(physical, None, &ours, &same)?,
            Err(_) => add(physical, Some(logical), &ours, &against)?,
        }
    }
    Ok(results)
}

/// Compares both readers' arrays, row group by row group; bytes of the arrays, and the type of ours.
fn check(ours: &Ours, against: &ArrowRs, logical: &DataType) -> Result<(usize, DataType), Failure> {
    let mut bytes = 0;
    let mut physical = logical.clone();
    for row_group in 0..against.row_groups() {
        let own = whole(ours, row_group)?;
        let expected = whole(against, row_group)?;
        if own.data_type() != logical {
            physical = own.data_type().clone();
        }
        if cast(&own, logical)?.as_ref() != expected.as_ref() {
            return Err(format!("row group {row_group}: the readers' arrays differ").into());
        }
        bytes += size(&expected);
    }
    Ok((bytes, physical))
}

/// A row group as one array.
fn whole(reader: &impl engines::Reader, row_group: usize) -> Result<ArrayRef, Failure> {
    let mut arrays = Vec::new();
    reader.read(row_group, &mut |array| {
        arrays.push(array);
        Ok(())
    })?;
    // A dictionary that changes between batches is no matter here.
    let values: Vec<ArrayRef> = arrays.iter().map(unpacked).collect::<Result<_, _>>()?;
    let parts: Vec<&dyn Array> = values.iter().map(AsRef::as_ref).collect();
    let whole = concat(&parts)?;
    match arrays.first() {
        Some(first) if first.data_type() != whole.data_type() => Ok(cast(&whole, first.data_type())?),
        _ => Ok(whole),
    }
}

fn unpacked(array: &ArrayRef) -> Result<ArrayRef, Failure> {
    match array.data_type() {
        DataType::Dictionary(_, values) => Ok(cast(array, values)?),
        _ => Ok(ArrayRef::clone(array)),
    }
}

/// Bytes of an array's buffers, as far as its rows use them.
fn size(array: &ArrayRef) -> usize {
    match array.data_type() {
        // Views may share pages: what a view takes and the bytes that do not fit it.
        DataType::Utf8View => {
            let views = array.as_string_view();
            let long = views.lengths().map(|length| length as usize).filter(|&length| length > 12);
            size_of_val(views.views().as_ref()) + long.sum::<usize>()
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or(0),
    }
}

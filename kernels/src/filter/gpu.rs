//! Filter and project on the GPU: the rows that a predicate keeps, in order, as values of any expressions.
//!
//! ```text
//! for each batch (arena):
//!   decode    columns that came encoded, into the arena                 parquet/*
//!   mask      row -> predicate -> bit; kept rows per tile of 256        filter/mask + generated predicate
//!   scan      tile counts -> tile offsets, and the total                scan/reduce, scan/spine, scan/apply
//!   project   kept row -> values -> offset of batch + tile + rank       filter/project + generated values
//! read back once: totals, errors, values, bits
//! ```
//! The batch's offset is the running total that the batch before left on the device, so all batches go in one submission.
//! Values are evaluated on kept rows alone. Rows beyond the output's capacity are dropped and counted:
//! [`Outcome::Retry`] then names the capacity that suffices.
//!
//! Bytes moved per row: the predicate's columns once and 1/8 byte of mask twice; per kept row the values' columns and the
//! values. The output holds whole machine words (1, 2 or 4 per value), bits for Booleans and validity.
//!
//! Departure from the model (reduce-then-scan stream compaction, Billeter et al. 2009): no list of row numbers in between,
//! since the values are written by the threads that saw the rows, and the mask is an eighth of a byte per row.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::ArrayRef;
use pilaster_shaders::{Request, Root, Shader, Tier, shader};

use crate::error::{Backend, Error, Result};
use crate::expr::Expr;
use crate::expr::wgsl::{
    self, Class, ColumnWords, ExprRequest, GeneratedExprs, STAGE_PARAMETERS, STATUS_WORDS, ValueInfo,
    ValueRequest,
};
use crate::gpu::column::{DeviceBatch, DeviceColumns, check_decodes, read_decodes};
use crate::gpu::program::{BufferId, BufferInit, Program, ProgramOutput, Workgroups};

/// Rows of a tile: invocations of a workgroup, `WG` of `shared/grid`.
const TILE: u32 = 256;
/// Counts that one workgroup of the scan takes: `scan_block()` of `scan/block`.
const SCAN_BLOCK: u32 = 1024;
/// Workgroups of one dimension, as `grid_group` counts them.
const GRID_WIDTH: u32 = 65_535;
/// Stage words before the places of values: tiles, batch, capacity.
const HEAD: usize = 3;

/// What a run gave.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The kept rows: one array per projected expression; strings as dictionaries over `Int32` codes.
    Batch {
        /// Columns, in the order of the projection.
        columns: Vec<ArrayRef>,
        /// Number of rows.
        rows: usize,
    },
    /// The output was too small; run again with [`GpuFilter::resize`]d to this.
    Retry {
        /// Rows that were kept.
        capacity: u64,
    },
}

/// A filter and projection over packed batches, ready to be written as a [`Program`] and read back.
#[derive(Debug, Clone)]
pub struct GpuFilter {
    batches: Vec<DeviceBatch>,
    mask: Generated,
    project: Generated,
    scan: [Arc<Shader>; 3],
    capacity: u64,
    rows: u64,
    binding_bytes: u64,
}

#[derive(Debug, Clone)]
struct Generated {
    exprs: GeneratedExprs,
    shader: Arc<Shader>,
}

/// Where a value lies in the output: first words of its values and validity, in `filter_values` or `filter_bits`.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    values: u64,
    validity: u64,
}

/// The output's layout for a capacity.
struct Layout {
    places: Vec<Place>,
    value_words: u64,
    bit_words: u64,
}

/// Buffers that all batches share.
struct Shared {
    mask_status: BufferId,
    project_status: BufferId,
    values: BufferId,
    bits: BufferId,
    totals: BufferId,
}

impl GpuFilter {
    /// Whether the expressions can run on the GPU, as far as that is decidable before the data is seen.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming what cannot.
    pub fn supports(predicate: Option<&Expr>, projection: &[Expr], tier: &Tier) -> Result<()> {
        predicate.into_iter().chain(projection).try_for_each(|expr| wgsl::supports(expr, tier))
    }

    /// Composes the stages. The output has room for all rows at first; [`GpuFilter::resize`] it where fewer are expected.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming what cannot run; [`Error::InvalidInput`] where an expression names a column that is
    /// not there; [`Error::Device`] where a stage does not compose.
    pub fn new(
        predicate: Option<&Expr>,
        projection: &[Expr],
        columns: &DeviceColumns,
        tier: &Tier,
    ) -> Result<Self> {
        let rows: u64 = columns.batches.iter().map(|batch| u64::from(batch.rows)).sum();
        if rows > u64::from(u32::MAX) {
            return Err(Error::unsupported(format!("a filter over {rows} rows at once"), Backend::Gpu));
        }
        let request = ExprRequest { predicate, values: &[], columns, tier, stage_words: HEAD };
        let mask = wgsl::generate(&request)?;
        let values: Vec<ValueRequest<'_>> =
            projection.iter().map(|expr| ValueRequest { expr: Some(expr), filter: None }).collect();
        let stage_words = HEAD + 2 * projection.len();
        let request = ExprRequest { predicate: None, values: &values, columns, tier, stage_words };
        let project = wgsl::generate(&request)?;
        let mask_text = entry(&mask.wgsl, "filter/mask", "filter_keep", "");
        let project_text =
            entry(&project.wgsl, "filter/project", "filter_project", &write_text(&project.values));
        let library = |path| compose(path, Root::Library(path), tier);
        Ok(GpuFilter {
            batches: columns.batches.iter().filter(|batch| batch.rows > 0).cloned().collect(),
            mask: Generated {
                shader: compose("filter/mask", Root::Generated(&mask_text), tier)?,
                exprs: mask,
            },
            project: Generated {
                shader: compose("filter/project", Root::Generated(&project_text), tier)?,
                exprs: project,
            },
            scan: [library("scan/reduce")?, library("scan/spine")?, library("scan/apply")?],
            capacity: rows,
            rows,
            binding_bytes: tier.binding_bytes,
        })
    }

    /// Room for `capacity` rows of output.
    pub fn resize(&mut self, capacity: u64) {
        self.capacity = capacity.min(self.rows);
    }

    /// Rows of all batches.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The whole filter: uploads, dispatches, one read-back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] where the output exceeds what the adapter binds.
    pub fn program(&self) -> Result<Program> {
        let mut program = Program::new("filter");
        let layout = self.layout();
        let largest = layout.value_words.max(layout.bit_words) * 4;
        if largest > self.binding_bytes {
            return Err(Error::OutOfMemory {
                backend: Backend::Gpu,
                asked_bytes: largest,
                limit_bytes: self.binding_bytes,
            });
        }
        let status = STATUS_WORDS as u64 * 4;
        let total_bytes = (self.batches.len() as u64 + 1) * 4;
        let mut zeroed = |label: &str, bytes: u64| program.buffer(label, bytes, BufferInit::Zero);
        let shared = Shared {
            mask_status: zeroed("filter/mask status", status),
            project_status: zeroed("filter/project status", status),
            values: zeroed("filter/values", layout.value_words * 4),
            bits: zeroed("filter/bits", layout.bit_words * 4),
            totals: zeroed("filter/totals", total_bytes),
        };
        let mut first_row = 0;
        let mut decodes = Vec::new();
        for (index, batch) in self.batches.iter().enumerate() {
            let columns = batch.add_to(&mut program, "filter/columns", &mut decodes)?;
            self.batch(&mut program, &shared, &layout, (index, first_row), columns)?;
            first_row += u64::from(batch.rows);
        }
        program.read_back(shared.totals, 0, total_bytes);
        program.read_back(shared.mask_status, 0, status);
        program.read_back(shared.project_status, 0, status);
        program.read_back(shared.values, 0, layout.value_words * 4);
        program.read_back(shared.bits, 0, layout.bit_words * 4);
        read_decodes(&mut program, &decodes);
        Ok(program)
    }

    fn batch(
        &self,
        program: &mut Program,
        shared: &Shared,
        layout: &Layout,
        (index, first_row): (usize, u64),
        columns: BufferId,
    ) -> Result<()> {
        let batch = &self.batches[index];
        let tiles = batch.rows.div_ceil(TILE);
        let counts = tiles + 1;
        let blocks = counts.div_ceil(SCAN_BLOCK);
        let mut stage = vec![tiles, index as u32, self.capacity as u32];
        let mask_parameters = self.mask.exprs.parameters(batch, first_row, &stage)?;
        stage.extend(layout.places.iter().flat_map(|place| [place.values as u32, place.validity as u32]));
        let project_parameters = self.project.exprs.parameters(batch, first_row, &stage)?;
        let mask_parameters = program.upload_words("filter/mask parameters", &mask_parameters);
        let project_parameters = program.upload_words("filter/project parameters", &project_parameters);
        let scan_parameters = program.upload_words("filter/scan parameters", &[counts]);
        let mut zeroed =
            |label: &str, words: u32| program.buffer(label, u64::from(words) * 4, BufferInit::Zero);
        let mask = zeroed("filter/mask", tiles * (TILE / 32));
        let tile_counts = zeroed("filter/counts", counts);
        let offsets = zeroed("filter/offsets", counts);
        let sums = zeroed("filter/block sums", blocks + 1);
        let bindings = vec![mask_parameters, columns, shared.mask_status, mask, tile_counts];
        program.stage("filter/mask", self.mask.shader.clone(), bindings, grid(tiles));
        let [reduce, spine, apply] = &self.scan;
        program.stage(
            "filter/scan reduce",
            reduce.clone(),
            vec![scan_parameters, tile_counts, sums],
            grid(blocks),
        );
        program.stage("filter/scan spine", spine.clone(), vec![scan_parameters, sums], grid(1));
        let bindings = vec![scan_parameters, tile_counts, sums, offsets];
        program.stage("filter/scan apply", apply.clone(), bindings, grid(blocks));
        let bindings = vec![
            project_parameters,
            columns,
            shared.project_status,
            mask,
            offsets,
            shared.values,
            shared.bits,
            shared.totals,
        ];
        program.stage("filter/project", self.project.shader.clone(), bindings, grid(tiles));
        Ok(())
    }

    fn layout(&self) -> Layout {
        let bit_plane = self.capacity.div_ceil(32);
        let mut layout = Layout { places: vec![], value_words: 0, bit_words: 0 };
        for info in &self.project.exprs.values {
            let mut place = Place { values: layout.value_words, validity: 0 };
            if info.class == Class::Bool {
                place.values = layout.bit_words;
                layout.bit_words += bit_plane;
            } else {
                layout.value_words += self.capacity * info.class.words() as u64;
            }
            if info.nullable {
                place.validity = layout.bit_words;
                layout.bit_words += bit_plane;
            }
            layout.places.push(place);
        }
        layout
    }

    /// What a run of [`GpuFilter::program`] gave.
    ///
    /// # Errors
    /// The errors that evaluation raises on active rows; [`Error::CorruptFile`] for pages decoded on the way that contradict
    /// themselves; [`Error::InvalidInput`] where the output is not this program's.
    pub fn decode(&self, output: &ProgramOutput) -> Result<Outcome> {
        let [totals, mask_status, project_status, values, bits, ..] = output.words.as_slice() else {
            return Err(Error::invalid(format!("{} ranges read back, 5 expected", output.words.len())));
        };
        check_decodes(self.batches.iter(), &output.words)?;
        self.mask.exprs.check_status(mask_status)?;
        let kept = u64::from(totals.iter().copied().max().unwrap_or(0));
        if kept > self.capacity {
            return Ok(Outcome::Retry { capacity: kept });
        }
        self.project.exprs.check_status(project_status)?;
        let layout = self.layout();
        let rows = kept as usize;
        let slice = |words: &'static str, from: &[u32], at: u64, len: usize| -> Result<Vec<u32>> {
            let range = from.get(at as usize..at as usize + len);
            range.map(<[u32]>::to_vec).ok_or_else(|| Error::invalid(format!("too few {words} read back")))
        };
        let column = |(info, place): (&ValueInfo, &Place)| {
            let values = match info.class {
                Class::Bool => slice("bits", bits, place.values, rows.div_ceil(32))?,
                class => slice("values", values, place.values, rows * class.words())?,
            };
            let validity = match info.nullable {
                true => Some(slice("bits", bits, place.validity, rows.div_ceil(32))?),
                false => None,
            };
            info.decode(ColumnWords { rows, values: &values, validity: validity.as_deref() })
        };
        let columns =
            self.project.exprs.values.iter().zip(&layout.places).map(column).collect::<Result<Vec<_>>>()?;
        Ok(Outcome::Batch { columns, rows })
    }
}

/// A stage: generated text, the library's part, an entry point.
fn entry(generated: &str, module: &str, function: &str, rest: &str) -> String {
    format!(
        "//!use {module}\n{generated}{rest}@compute @workgroup_size(WG)\nfn main(at: Invocation) {{\n    {function}(at);\n}}\n"
    )
}

/// `filter_write`: the values of the row just evaluated, at a position of the output.
fn write_text(values: &[ValueInfo]) -> String {
    let mut text = String::from("fn filter_write(position: u32) {\n");
    for info in values {
        let k = info.index;
        let place = STAGE_PARAMETERS + HEAD + 2 * k;
        // Writing to a string does not fail.
        let _ = match info.class {
            Class::Bool => {
                writeln!(text, "    if (value_{k}) {{ filter_set_bit(parameters[{place}], position); }}")
            }
            class => {
                let at = format!("parameters[{place}] + position * {}u", class.words());
                info.words_wgsl().iter().enumerate().try_for_each(|(word, value)| {
                    writeln!(text, "    filter_values[{at} + {word}u] = {value};")
                })
            }
        };
        if info.nullable {
            let place = place + 1;
            let _ = writeln!(text, "    if (valid_{k}) {{ filter_set_bit(parameters[{place}], position); }}");
        }
    }
    text + "}\n"
}

fn compose(label: &str, root: Root<'_>, tier: &Tier) -> Result<Arc<Shader>> {
    shader(&Request { label, root, slots: &[], constants: &[], tier })
        .map_err(|error| Error::Device { stage: label.into(), reason: error.to_string() })
}

/// Workgroups as `grid_group` counts them.
fn grid(groups: u32) -> Workgroups {
    Workgroups::Direct(match groups <= GRID_WIDTH {
        true => [groups, 1, 1],
        false => [GRID_WIDTH, groups.div_ceil(GRID_WIDTH), 1],
    })
}

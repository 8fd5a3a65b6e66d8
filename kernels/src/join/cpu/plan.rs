//! A join with its build side chosen: what each side has to do.

use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::error::Result;
use crate::expr::Expr;
use crate::expr::cpu::{Evaluator, Predicate};
use crate::join::{JoinSpec, OutputColumn, RowTest, Shape, Side};

/// Where a column of the output, or of the residual, comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Column of this number among those that the build side holds.
    Build(usize),
    /// Column of the probe side.
    Probe(usize),
    Mark,
}

/// What comes out while probing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeOutput {
    /// Pairs, and probe rows without partner where these are kept.
    Pairs { keeps_probe: bool },
    /// Probe rows by whether they have a partner.
    Rows(RowTest),
    /// Nothing: partners are marked.
    Nothing,
}

/// A join of a build and a probe side.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spec: Arc<JoinSpec>,
    pub(super) build: Side,
    pub(super) build_keys: Evaluator,
    pub(super) probe_keys: Evaluator,
    /// Columns of the build side that are held, and their types.
    pub(super) held: Vec<(usize, DataType)>,
    pub(super) output: Vec<Source>,
    pub(super) residual: Option<(Predicate, Vec<Source>)>,
    pub(super) while_probing: ProbeOutput,
    /// Which build rows come out after all probes.
    pub(super) at_the_end: Option<RowTest>,
}

impl Plan {
    pub(super) fn new(spec: Arc<JoinSpec>, build: Side) -> Result<Self> {
        spec.check()?;
        let keys = |side: Side| {
            let of = |key| -> &Expr { side_of(key, side) };
            Evaluator::new(spec.keys.iter().map(of))
        };
        let mut held = Held { spec: &spec, build, columns: Vec::new() };
        let output = spec.output.iter().map(|&column| held.source(column)).collect();
        let residual = spec.residual.as_ref().map(|residual| held.residual(residual)).transpose()?;
        let held = held.columns;
        let (while_probing, at_the_end) = roles(spec.join_type.shape(), build);
        Ok(Self {
            build_keys: keys(build)?,
            probe_keys: keys(build.other())?,
            held,
            output,
            residual,
            while_probing,
            at_the_end,
            build,
            spec,
        })
    }

    /// Columns that are made for pairs of rows.
    pub(super) fn gathered(&self) -> impl Iterator<Item = &Source> {
        let residual = self.residual.iter().flat_map(|(_, sources)| sources);
        self.output.iter().chain(residual.filter(|source| !self.output.contains(source)))
    }

    /// Types of the probe side's columns.
    pub(super) fn probe_types(&self) -> &[DataType] {
        match self.build {
            Side::Left => &self.spec.right,
            Side::Right => &self.spec.left,
        }
    }

    pub(super) fn build_width(&self) -> usize {
        match self.build {
            Side::Left => self.spec.left.len(),
            Side::Right => self.spec.right.len(),
        }
    }
}

fn side_of(key: &crate::join::JoinKey, side: Side) -> &Expr {
    match side {
        Side::Left => &key.left,
        Side::Right => &key.right,
    }
}

fn roles(shape: Shape, build: Side) -> (ProbeOutput, Option<RowTest>) {
    match shape {
        Shape::Pairs { keeps_left, keeps_right } => {
            let (keeps_build, keeps_probe) = match build {
                Side::Left => (keeps_left, keeps_right),
                Side::Right => (keeps_right, keeps_left),
            };
            (ProbeOutput::Pairs { keeps_probe }, keeps_build.then_some(RowTest::Unmatched))
        }
        Shape::Rows { of, test } if of == build => (ProbeOutput::Nothing, Some(test)),
        Shape::Rows { test, .. } => (ProbeOutput::Rows(test), None),
    }
}

/// Collects the columns that the build side must hold.
struct Held<'a> {
    spec: &'a JoinSpec,
    build: Side,
    columns: Vec<(usize, DataType)>,
}

impl Held<'_> {
    fn source(&mut self, column: OutputColumn) -> Source {
        let spec = self.spec;
        match (column, self.build) {
            (OutputColumn::Mark, _) => Source::Mark,
            (OutputColumn::Left(at), Side::Left) => self.hold(at, &spec.left[at]),
            (OutputColumn::Right(at), Side::Right) => self.hold(at, &spec.right[at]),
            (OutputColumn::Left(at) | OutputColumn::Right(at), _) => Source::Probe(at),
        }
    }

    fn hold(&mut self, column: usize, data_type: &DataType) -> Source {
        let known = self.columns.iter().position(|(held, _)| *held == column);
        Source::Build(known.unwrap_or_else(|| {
            self.columns.push((column, data_type.clone()));
            self.columns.len() - 1
        }))
    }

    /// The residual over the columns that it reads alone, and these.
    fn residual(&mut self, residual: &Expr) -> Result<(Predicate, Vec<Source>)> {
        let mut columns: Vec<usize> = Vec::new();
        let left = self.spec.left.len();
        let mapped = residual.map_columns(&mut |column| {
            columns.iter().position(|&known| known == column).unwrap_or_else(|| {
                columns.push(column);
                columns.len() - 1
            })
        });
        let source = |&column: &usize| match column.checked_sub(left) {
            None => self.source(OutputColumn::Left(column)),
            Some(right) => self.source(OutputColumn::Right(right)),
        };
        let sources = columns.iter().map(source).collect();
        Ok((Predicate::new(&mapped)?, sources))
    }
}

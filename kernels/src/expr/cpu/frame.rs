//! One batch, or some of its rows, under evaluation.
//!
//! A frame is dense: row `i` of every result is the `i`-th active row. Where only some rows of a frame are to be looked
//! at (the right side of an AND, a branch of a CASE), a frame of those rows is opened inside it; it takes what the outer
//! frame has already computed and computes the rest on its own rows.

use std::cell::RefCell;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};
use crate::expr::range::{self, Range};
use crate::expr::types::same_type;
use crate::expr::{Expr, Scalar};

use super::graph::{Graph, NodeId};
use super::vector::Vector;
use super::{arithmetic, bytes, case, cast, compare, logic};

/// An operand: a constant, or a column of values.
#[derive(Debug, Clone)]
pub(crate) enum Operand {
    Constant(Scalar),
    Column(Vector),
}

pub(crate) struct Frame<'a> {
    graph: &'a Graph,
    columns: &'a [ArrayRef],
    /// Active rows.
    rows: usize,
    /// Their numbers in the batch; none where all rows are active.
    active: Option<ScalarBuffer<u32>>,
    /// The frame around this one, and the numbers of our rows in it.
    outer: Option<(&'a Frame<'a>, ScalarBuffer<u32>)>,
    results: RefCell<Vec<Option<Vector>>>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(
        graph: &'a Graph,
        columns: &'a [ArrayRef],
        rows: usize,
        active: Option<ScalarBuffer<u32>>,
    ) -> Self {
        let rows = active.as_ref().map_or(rows, |active| active.len());
        let results = RefCell::new(vec![None; graph.nodes.len()]);
        Self { graph, columns, rows, active, outer: None, results }
    }

    /// The rows of this frame whose bit is set, as a frame of their own.
    pub(crate) fn inner<'b>(&'b self, bits: &BooleanBuffer) -> Frame<'b> {
        let rows = ScalarBuffer::from(bits.set_indices_u32().collect::<Vec<_>>());
        let active = match &self.active {
            None => rows.clone(),
            Some(active) => crate::simd::lanes::gather(active, &rows).into(),
        };
        Frame {
            graph: self.graph,
            columns: self.columns,
            rows: rows.len(),
            active: Some(active),
            outer: Some((self, rows)),
            results: RefCell::new(vec![None; self.graph.nodes.len()]),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of this frame in the frame around it.
    pub(crate) fn outer_rows(&self) -> &[u32] {
        self.outer.as_ref().map_or(&[], |(_, rows)| rows)
    }

    pub(crate) fn data_type(&self, node: NodeId) -> &DataType {
        &self.graph.nodes[node].data_type
    }

    pub(crate) fn children(&self, node: NodeId) -> &'a [NodeId] {
        &self.graph.nodes[node].children
    }

    pub(crate) fn expr(&self, node: NodeId) -> &'a Expr {
        &self.graph.nodes[node].expr
    }

    /// True where evaluating the node may raise an error on some row of the frame.
    pub(crate) fn can_fail(&self, node: NodeId) -> bool {
        range::can_fail(self.expr(node), &mut |column| self.column_range(column))
    }

    fn column_range(&self, column: usize) -> Option<Range> {
        self.value(self.graph.column(column)?).ok()?.range().or(Some(Range::of(0)))
    }

    /// The node's value on every row of the frame; computed once.
    pub(crate) fn value(&self, node: NodeId) -> Result<Vector> {
        if let Some(known) = self.known(node)? {
            return Ok(known);
        }
        let value = self.compute(node)?;
        self.results.borrow_mut()[node] = Some(value.clone());
        Ok(value)
    }

    /// The node's value, constants as such.
    pub(crate) fn operand(&self, node: NodeId) -> Result<Operand> {
        match self.expr(node) {
            Expr::Literal(scalar) => Ok(Operand::Constant(scalar.clone())),
            _ => Ok(Operand::Column(self.value(node)?)),
        }
    }

    fn known(&self, node: NodeId) -> Result<Option<Vector>> {
        if let Some(known) = &self.results.borrow()[node] {
            return Ok(Some(known.clone()));
        }
        let Some((outer, rows)) = &self.outer else { return Ok(None) };
        // Columns are taken from the batch at once: one gather, however deep the frame.
        if matches!(self.expr(node), Expr::Column { .. } | Expr::Literal(_)) {
            return Ok(None);
        }
        let Some(known) = outer.known(node)? else { return Ok(None) };
        let taken = known.take(rows)?;
        self.results.borrow_mut()[node] = Some(taken.clone());
        Ok(Some(taken))
    }

    fn compute(&self, node: NodeId) -> Result<Vector> {
        let children = self.children(node);
        match self.expr(node) {
            Expr::Column { index, data_type } => self.load(*index, data_type),
            Expr::Literal(scalar) => Vector::load(&scalar.to_array(self.rows)?, None),
            Expr::Compare { op, .. } => {
                compare::compare(*op, self.operand(children[0])?, self.operand(children[1])?, self.rows)
            }
            Expr::And(..) => logic::connect(self, children[0], children[1], logic::Connective::And),
            Expr::Or(..) => logic::connect(self, children[0], children[1], logic::Connective::Or),
            Expr::Not(_) => logic::not(&self.value(children[0])?),
            Expr::IsNull(_) => Ok(logic::is_null(&self.value(children[0])?)),
            Expr::IsNotNull(_) => Ok(logic::is_not_null(&self.value(children[0])?)),
            Expr::Arithmetic { .. } => arithmetic::arithmetic(self, node),
            Expr::Negate { .. } => arithmetic::negate(self, node),
            Expr::Cast { to, mode, .. } => {
                cast::cast(self.value(children[0])?, self.data_type(children[0]), to, *mode)
            }
            Expr::InList { list, negated, .. } => {
                compare::in_list(&self.value(children[0])?, list, *negated, self.rows)
            }
            Expr::Like { pattern, negated, .. } => bytes::like(&self.value(children[0])?, pattern, *negated),
            Expr::Case { .. } => case::case(self, node),
            Expr::External { function, inputs } => {
                let arrays = children
                    .iter()
                    .zip(inputs)
                    .map(|(&child, input)| self.value(child)?.into_array(&input.data_type()))
                    .collect::<Result<Vec<_>>>()?;
                let result = function.evaluate(&arrays, self.rows)?;
                check(&result, &function.data_type(), self.rows, function.name())?;
                Vector::load(&result, None)
            }
        }
    }

    fn load(&self, index: usize, data_type: &DataType) -> Result<Vector> {
        let array = self.columns.get(index).ok_or_else(|| {
            Error::invalid(format!("column #{index} of a batch of {} columns", self.columns.len()))
        })?;
        if !physical_of(array.data_type(), data_type) {
            return Err(Error::invalid(format!("column #{index} is {}, not {data_type}", array.data_type())));
        }
        Vector::load(array, self.active.as_ref())
    }
}

/// True where an array of type `physical` may stand for a column of type `logical`: the same values, or a decimal of
/// the same scale in another width.
fn physical_of(physical: &DataType, logical: &DataType) -> bool {
    use crate::expr::types::{Family, family};
    same_type(physical, logical)
        || matches!((family(physical), family(logical)),
            (Ok(Family::Decimal { scale: a }), Ok(Family::Decimal { scale: b })) if a == b)
}

/// What an engine's function hands back is checked before it is believed.
fn check(array: &ArrayRef, data_type: &DataType, rows: usize, name: &str) -> Result<()> {
    if array.len() != rows || !same_type(array.data_type(), data_type) {
        return Err(Error::External {
            source_name: name.to_owned(),
            reason: format!(
                "returned {} rows of {} where {rows} rows of {data_type} were due",
                array.len(),
                array.data_type()
            ),
        });
    }
    Ok(())
}

//! Joins of two plans.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::{JoinKey, JoinSpec, JoinType, OutputColumn, Side};

use super::{Operator, Plan, check};

/// Name of the column that tells whether a row of a mark join has a partner.
const MARK: &str = "mark";

/// How two plans are joined: [`Plan::join`].
#[derive(Debug, Clone)]
pub struct Join {
    /// Which rows come out.
    pub join_type: JoinType,
    /// Equalities, all of which must hold; none: every pair is a candidate.
    pub keys: Vec<JoinKey>,
    /// Boolean, over the left columns and then the right ones. Takes part in matching: a row of an outer join whose every
    /// candidate it refuses has no partner.
    pub residual: Option<Expr>,
    /// Columns of the output. None: all that the type shows, the left ones, then the right ones, then the mark.
    pub output: Option<Vec<OutputColumn>>,
    /// The input that the table is made of. None: the one that has fewer rows, as far as that is known before they are
    /// read. It changes no row of the answer.
    pub build: Option<Side>,
}

impl Join {
    /// A join of all columns, over equal keys.
    #[must_use]
    pub fn on(join_type: JoinType, keys: Vec<JoinKey>) -> Self {
        Join { join_type, keys, residual: None, output: None, build: None }
    }
}

impl Plan {
    /// Joins this plan, the left input, with `right`. Rows have no order.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::InvalidInput`] where keys, residual or output do not fit the inputs' columns;
    /// [`pilaster_kernels::Error::Unsupported`] for keys of nested types, and for a null-aware anti join but of one key
    /// without residual.
    pub fn join(self, right: Plan, join: Join) -> Result<Plan> {
        let Join { join_type, keys, residual, output, build } = join;
        for key in &keys {
            check::columns(&key.left, self.schema())?;
            check::columns(&key.right, right.schema())?;
            check::ordered(&key.left.data_type(), "a join key")?;
            check::ordered(&key.right.data_type(), "a join key")?;
        }
        if let Some(residual) = &residual {
            let both: Vec<_> =
                self.schema().fields().iter().chain(right.schema().fields()).cloned().collect();
            check::columns(residual, &Schema::new(both))?;
        }
        let output = output.unwrap_or_else(|| all_columns(join_type, self.schema(), right.schema()));
        let (left, right_types) = (types(self.schema()), types(right.schema()));
        let spec = JoinSpec { join_type, left, right: right_types, keys, residual, output };
        spec.check()?;
        let field = |column: &OutputColumn| field(join_type, *column, self.schema(), right.schema());
        let fields: Vec<Field> = spec.output.iter().map(field).collect();
        let operator = Operator::Join { spec: Arc::new(spec), build };
        Plan::node(operator, Arc::new(Schema::new(fields)), vec![self, right])
    }
}

fn types(schema: &Schema) -> Vec<DataType> {
    schema.fields().iter().map(|field| field.data_type().clone()).collect()
}

fn all_columns(join_type: JoinType, left: &Schema, right: &Schema) -> Vec<OutputColumn> {
    let of = |side: Side, schema: &Schema| if join_type.shows(side) { schema.fields().len() } else { 0 };
    let mark = matches!(join_type, JoinType::LeftMark | JoinType::RightMark);
    let left = (0..of(Side::Left, left)).map(OutputColumn::Left);
    let right = (0..of(Side::Right, right)).map(OutputColumn::Right);
    left.chain(right).chain(mark.then_some(OutputColumn::Mark)).collect()
}

/// The field of a column that [`JoinSpec::check`] has found to be there: nullable too where the other side alone may come
/// out.
fn field(join_type: JoinType, column: OutputColumn, left: &Schema, right: &Schema) -> Field {
    let (field, nulls) = match column {
        OutputColumn::Left(at) => (left.field(at), matches!(join_type, JoinType::Right | JoinType::Full)),
        OutputColumn::Right(at) => (right.field(at), matches!(join_type, JoinType::Left | JoinType::Full)),
        OutputColumn::Mark => return Field::new(MARK, DataType::Boolean, false),
    };
    let nullable = field.is_nullable() || nulls;
    field.clone().with_nullable(nullable)
}

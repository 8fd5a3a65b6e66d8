//! Constructors that check a plan: once built, it never fails for a reason of type.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::sort::SortKey;
use pilaster_kernels::{Error, Result};

use super::{BatchSource, GroupingSet, GroupingSets, Node, Operator, Plan, aggregates, check};
use crate::scan::Scan;

/// Deeper plans are refused, so that no walk over a plan can exhaust a thread's stack.
const MAX_DEPTH: usize = 256;

impl Plan {
    /// Parquet files.
    #[must_use]
    pub fn scan(scan: Scan) -> Plan {
        let schema = Arc::clone(scan.schema());
        Plan(Arc::new(Node {
            operator: Operator::Scan(Arc::new(scan)),
            schema,
            inputs: Vec::new(),
            depth: 1,
        }))
    }

    /// Batches from outside.
    #[must_use]
    pub fn input(source: Arc<dyn BatchSource>) -> Plan {
        let schema = source.schema();
        Plan(Arc::new(Node { operator: Operator::Input(source), schema, inputs: Vec::new(), depth: 1 }))
    }

    /// Rows where `predicate` is true.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where `predicate` is not Boolean or does not fit this plan's columns.
    pub fn filter(self, predicate: Expr) -> Result<Plan> {
        check::boolean(&predicate, "a filter's predicate")?;
        check::columns(&predicate, self.schema())?;
        let schema = Arc::clone(self.schema());
        Plan::node(Operator::Filter(predicate), schema, vec![self])
    }

    /// One column per name and expression.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where an expression does not fit this plan's columns.
    pub fn project(self, columns: Vec<(String, Expr)>) -> Result<Plan> {
        let fields = named_fields(&columns, self.schema())?;
        let exprs = columns.into_iter().map(|(_, expr)| expr).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, self.schema().metadata().clone()));
        Plan::node(Operator::Project(exprs), schema, vec![self])
    }

    /// Groups by `keys` and computes `aggregates`; the columns are the keys, then the aggregates. Without keys there is
    /// one row, even over no rows.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where an expression does not fit this plan's columns, or a result type does not belong to its
    /// function; [`Error::Unsupported`] where a key or an operand has a nested type, or the function has no kernel for the
    /// type of an operand.
    pub fn aggregate(self, keys: Vec<(String, Expr)>, aggregates: Vec<(String, Aggregate)>) -> Result<Plan> {
        self.grouped(keys, None, aggregates)
    }

    /// Groups by each of `sets` of `keys`; the columns are the keys (null in the rows of a set that leaves them out), the
    /// grouping id under the name `id`, then the aggregates. What differs between sets is what they group by: every set
    /// sees all rows.
    ///
    /// # Errors
    /// As of [`Plan::aggregate`]; [`Error::InvalidInput`] where a set names a key that is not there.
    pub fn aggregate_sets(
        self,
        keys: Vec<(String, Expr)>,
        id: impl Into<String>,
        sets: GroupingSets,
        aggregates: Vec<(String, Aggregate)>,
    ) -> Result<Plan> {
        if let Some(key) = sets.sets().iter().flat_map(GroupingSet::keys).find(|&&key| key >= keys.len()) {
            return Err(Error::invalid(format!("a grouping set of key {key} of {}", keys.len())));
        }
        self.grouped(keys, Some((id.into(), sets)), aggregates)
    }

    fn grouped(
        self,
        keys: Vec<(String, Expr)>,
        sets: Option<(String, GroupingSets)>,
        aggregates: Vec<(String, Aggregate)>,
    ) -> Result<Plan> {
        let mut fields = named_fields(&keys, self.schema())?;
        for (_, key) in &keys {
            check::ordered(&key.data_type(), "a group key")?;
        }
        if let Some((id, sets)) = &sets {
            for (key, field) in fields.iter_mut().enumerate() {
                field.set_nullable(field.is_nullable() || sets.leaves_out(key));
            }
            fields.push(Field::new(id, sets.id_type().clone(), false));
        }
        for (name, aggregate) in &aggregates {
            aggregates::check(aggregate, self.schema())?;
            let nullable = aggregates::nullable(&aggregate.function);
            fields.push(Field::new(name, aggregate.data_type.clone(), nullable));
        }
        let keys: Vec<Expr> = keys.into_iter().map(|(_, key)| key).collect();
        let sets = sets.map(|(_, sets)| sets);
        let aggregates: Vec<Aggregate> = aggregates.into_iter().map(|(_, aggregate)| aggregate).collect();
        aggregates::supported(&keys, &aggregates)?;
        let operator = Operator::Aggregate { keys, sets, aggregates };
        Plan::node(operator, Arc::new(Schema::new(fields)), vec![self])
    }

    /// Sorts stably by `keys`; `fetch` keeps the first rows only. Without keys the input's order stays.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a key names no column; [`Error::Unsupported`] for one of a nested type.
    pub fn sort(self, keys: Vec<SortKey>, fetch: Option<usize>) -> Result<Plan> {
        for key in &keys {
            let field = self.schema().fields().get(key.column).ok_or_else(|| {
                Error::invalid(format!("sort key {} of {} columns", key.column, self.schema().fields().len()))
            })?;
            check::ordered(field.data_type(), "a sort key")?;
        }
        let schema = Arc::clone(self.schema());
        Plan::node(Operator::Sort { keys, fetch }, schema, vec![self])
    }

    /// Drops `skip` rows, then keeps `fetch` (all where absent). Which rows these are is decided by the input's order
    /// where it has one (a scan, a sort), and open above an aggregation.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where the plan becomes too deep.
    pub fn limit(self, skip: usize, fetch: Option<usize>) -> Result<Plan> {
        let schema = Arc::clone(self.schema());
        Plan::node(Operator::Limit { skip, fetch }, schema, vec![self])
    }

    /// All rows of all `inputs`. Names are those of the first.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where there is no input, or the column types differ.
    pub fn union(inputs: Vec<Plan>) -> Result<Plan> {
        let [first, others @ ..] = inputs.as_slice() else {
            return Err(Error::invalid("a union of no inputs"));
        };
        let mut fields: Vec<Field> =
            first.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        for other in others {
            check::same_columns(first.schema(), other.schema(), "a union's inputs")?;
            for (field, also) in fields.iter_mut().zip(other.schema().fields()) {
                field.set_nullable(field.is_nullable() || also.is_nullable());
            }
        }
        let schema = Schema::new_with_metadata(fields, first.schema().metadata().clone());
        Plan::node(Operator::Union, Arc::new(schema), inputs)
    }

    /// The same plan under an engine's own schema: other names, nullability, metadata, and other physical types of the
    /// same logical type (`Utf8View` for `Utf8`, a dictionary for its values, a narrower decimal of the same precision
    /// and scale). What leaves the plan has exactly this schema.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] where a logical type differs.
    pub fn with_schema(self, schema: SchemaRef) -> Result<Plan> {
        check::same_columns(self.schema(), &schema, "a plan and its new schema")?;
        let node = &self.0;
        Ok(Plan(Arc::new(Node {
            operator: node.operator.clone(),
            schema,
            inputs: node.inputs.clone(),
            depth: node.depth,
        })))
    }

    /// Schema of the rows that come out.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.0.schema
    }

    /// What the root computes.
    #[must_use]
    pub fn operator(&self) -> &Operator {
        &self.0.operator
    }

    /// The root's inputs: none for a scan or an input, two for a join (left, right), several for a union,
    /// else one.
    #[must_use]
    pub fn inputs(&self) -> &[Plan] {
        &self.0.inputs
    }

    pub(super) fn node(operator: Operator, schema: SchemaRef, inputs: Vec<Plan>) -> Result<Plan> {
        let depth = 1 + inputs.iter().map(|input| input.0.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("a plan of more than {MAX_DEPTH} levels")));
        }
        Ok(Plan(Arc::new(Node { operator, schema, inputs, depth })))
    }
}

fn named_fields(columns: &[(String, Expr)], input: &Schema) -> Result<Vec<Field>> {
    let field = |(name, expr): &(String, Expr)| {
        check::columns(expr, input)?;
        let nullable = check::nullable(expr, input);

        // A plain column keeps its field's metadata (extension types, an engine's own marks).
        let metadata = match expr {
            Expr::Column { index, .. } => input.field(*index).metadata().clone(),
            _ => Default::default(),
        };
        Ok(Field::new(name, expr.data_type(), nullable).with_metadata(metadata))
    };
    columns.iter().map(field).collect()
}

//! Plans as text: one operator per line, inputs indented below.

use std::fmt;

use pilaster_kernels::aggregate::Aggregate;
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::JoinSpec;

use super::{Operator, Plan};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_indented(f, 0)
    }
}

impl Plan {
    fn write_indented(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        if depth > 0 {
            writeln!(f)?;
        }
        write!(f, "{:indent$}{}", "", self.title(), indent = 2 * depth)?;
        self.inputs().iter().try_for_each(|input| input.write_indented(f, depth + 1))
    }

    /// The root in one line, as plans and reports show it; column positions are the inputs' names.
    pub(crate) fn title(&self) -> String {
        match self.operator() {
            Operator::Scan(scan) => {
                let files: Vec<_> = scan.paths().iter().map(|path| path.display().to_string()).collect();
                let columns: Vec<_> =
                    self.schema().fields().iter().map(|field| field.name().as_str()).collect();
                let shown = match files.as_slice() {
                    [first, _, ..] => format!("{first} and {} more", files.len() - 1),
                    few => few.join(", "),
                };
                format!("Scan: {shown} [{}]", columns.join(", "))
            }
            Operator::Input(source) => {
                let columns: Vec<_> =
                    self.schema().fields().iter().map(|field| field.name().as_str()).collect();
                format!("Input: [{}] partitions={}", columns.join(", "), source.partitions())
            }
            Operator::Filter(predicate) => format!("Filter: {predicate}"),
            Operator::Project(exprs) => format!("Project: {}", list(exprs)),
            Operator::Aggregate { keys, sets, aggregates } => {
                let shown: Vec<_> = aggregates.iter().map(call).collect();
                let sets = sets.as_ref().map(|sets| format!(" sets={sets}")).unwrap_or_default();
                format!("Aggregate: keys={}{sets} aggregates=[{}]", list(keys), shown.join(", "))
            }
            Operator::Sort { keys, fetch } => {
                let name = |column: usize| self.schema().field(column).name().as_str();
                let shown: Vec<_> = keys
                    .iter()
                    .map(|key| {
                        let direction = if key.descending { "desc" } else { "asc" };
                        let nulls = if key.nulls_first { "first" } else { "last" };
                        format!("{} {direction} nulls {nulls}", name(key.column))
                    })
                    .collect();
                match fetch {
                    Some(fetch) => format!("TopK: [{}] fetch={fetch}", shown.join(", ")),
                    None => format!("Sort: [{}]", shown.join(", ")),
                }
            }
            Operator::Limit { skip, fetch: Some(fetch) } => format!("Limit: skip={skip} fetch={fetch}"),
            Operator::Limit { skip, fetch: None } => format!("Limit: skip={skip}"),
            Operator::Join { spec, .. } => join(spec),
            Operator::Union => format!("Union: {} inputs", self.inputs().len()),
        }
    }
}

fn list(exprs: &[Expr]) -> String {
    let shown: Vec<_> = exprs.iter().map(ToString::to_string).collect();
    format!("[{}]", shown.join(", "))
}

fn join(spec: &JoinSpec) -> String {
    let key = |key: &pilaster_kernels::join::JoinKey| {
        let equal = if key.nulls_equal { "IS NOT DISTINCT FROM" } else { "=" };
        format!("{} {equal} {}", key.left, key.right)
    };
    let keys: Vec<_> = spec.keys.iter().map(key).collect();
    let residual = spec.residual.as_ref().map(|residual| format!(" residual={residual}")).unwrap_or_default();
    format!("Join: {} keys=[{}]{residual}", spec.join_type, keys.join(", "))
}

fn call(aggregate: &Aggregate) -> String {
    let operands: Vec<String> = aggregate.inputs.iter().map(ToString::to_string).collect();
    let operands = if operands.is_empty() { "*".to_owned() } else { operands.join(", ") };
    let distinct = if aggregate.distinct { "distinct " } else { "" };
    let mut shown = format!("{}({distinct}{operands}", aggregate.function);
    for (at, key) in aggregate.order_by.iter().enumerate() {
        let direction = if key.descending { "desc" } else { "asc" };
        let nulls = if key.nulls_first { "first" } else { "last" };
        let by = if at == 0 { " order by" } else { "," };
        shown += &format!("{by} {} {direction} nulls {nulls}", key.expr);
    }
    match &aggregate.filter {
        Some(filter) => format!("{shown}) filter ({filter})"),
        None => shown + ")",
    }
}

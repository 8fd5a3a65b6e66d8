//! A plan to pipelines: cut at the breakers, filters and projections inlined into expressions over the sources' columns.

use std::sync::Arc;
use std::time::Duration;

use pilaster_kernels::aggregate::{Aggregate, FloatSum};
use pilaster_kernels::expr::Expr;
use pilaster_kernels::join::{JoinSpec, Side};
use pilaster_kernels::{Backend, Error, Result};

use super::pipeline::{Aggregation, Branch, Pipeline, Probe, Sink, Source, Step};
use crate::place::{OperatorReport, Outcome};
use crate::plan::{Operator, Plan};

/// Largest expression, in nodes, that inlining may build. A chain of projections that each use a column twice doubles per
/// level; beyond this the projection below is computed first, as a pipeline of its own.
const MAX_INLINED_NODES: usize = 2_000;

/// A plan, cut.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// Leaves first; the last gives the result.
    pub(crate) pipelines: Vec<Pipeline>,
    /// Columns of the last pipeline that are the plan's, in order.
    pub(crate) output: Vec<usize>,
    /// Root first; pipelines refer to them by position.
    pub(crate) operators: Vec<OperatorReport>,
}

/// Cuts `plan`; floats are summed as `float_sum` says.
///
/// # Errors
/// None for a plan that its constructors checked.
pub(crate) fn lower(plan: &Plan, float_sum: FloatSum) -> Result<Lowered> {
    let mut cut = Cut { pipelines: Vec::new(), operators: Vec::new(), float_sum };
    let branches = cut.branches(plan, 0)?;
    let output = match branches.as_slice() {
        [Branch { source: Source::Pipeline(_), .. }] if branches[0].renames_only() => {
            cut.absorb(&branches[0]);
            branches[0].step.columns.iter().filter_map(column_index).collect()
        }
        _ => {
            let columns = plan.schema().fields().len();
            cut.pipelines.push(Pipeline {
                branches,
                sink: Sink::Collect,
                schema: Arc::clone(plan.schema()),
                operators: Vec::new(),
            });
            (0..columns).collect()
        }
    };
    for (number, pipeline) in cut.pipelines.iter().enumerate() {
        for operator in pipeline.all_operators() {
            cut.operators[operator].pipeline = number;
        }
    }
    Ok(Lowered { pipelines: cut.pipelines, output, operators: cut.operators })
}

struct Cut {
    pipelines: Vec<Pipeline>,
    operators: Vec<OperatorReport>,
    float_sum: FloatSum,
}

impl Cut {
    /// `plan`'s rows as branches: one, or several below a union.
    fn branches(&mut self, plan: &Plan, depth: usize) -> Result<Vec<Branch>> {
        let id = self.report(plan, depth);
        let inputs = plan.inputs();
        if let (Operator::Join { spec, build }, [left, right]) = (plan.operator(), inputs) {
            let left_branches = self.branches(left, depth + 1)?;
            let right_branches = self.branches(right, depth + 1)?;
            let side = build.unwrap_or_else(|| fewer_rows(left, right));
            return Ok(match side {
                Side::Left => self.join(spec, side, (left_branches, left), right_branches, plan, id),
                Side::Right => self.join(spec, side, (right_branches, right), left_branches, plan, id),
            });
        }
        let mut branches = Vec::new();
        for input in inputs {
            branches.extend(self.branches(input, depth + 1)?);
        }
        match plan.operator() {
            Operator::Scan(scan) => Ok(vec![leaf(Source::Scan(Arc::clone(scan)), plan, false, vec![id])]),
            Operator::Input(source) => {
                Ok(vec![leaf(Source::Input(Arc::clone(source)), plan, false, vec![id])])
            }
            Operator::Filter(predicate) => self.each(branches, plan, id, |step| {
                let predicate = predicate.substitute(&step.columns)?;
                step.predicate = Some(match step.predicate.take() {
                    Some(below) => Expr::and(below, predicate)?,
                    None => predicate,
                });
                Ok(())
            }),
            Operator::Project(exprs) => self.each(branches, plan, id, |step| {
                step.columns =
                    exprs.iter().map(|expr| expr.substitute(&step.columns)).collect::<Result<_>>()?;
                Ok(())
            }),
            Operator::Join { .. } => Err(Error::invalid("a join of other than two inputs")),
            Operator::Union => {
                if let Some(first) = branches.first_mut() {
                    first.operators.push(id);
                }
                Ok(branches)
            }
            Operator::Aggregate { keys, sets, aggregates } => {
                let sink = Sink::Aggregate(Aggregation {
                    keys: keys.clone(),
                    sets: sets.clone(),
                    aggregates: aggregates.clone(),
                    float_sum: self.float_sum,
                });
                Ok(vec![self.breaker(branches, sink, plan, id)])
            }
            Operator::Sort { keys, fetch } => {
                let sink = Sink::Sort { keys: keys.clone(), skip: 0, fetch: *fetch };
                Ok(vec![self.breaker(branches, sink, plan, id)])
            }
            Operator::Limit { skip, fetch } => Ok(vec![self.limit(branches, *skip, *fetch, plan, id)]),
        }
    }

    /// Adds a filter or projection to each branch; the expressions below are computed first where inlining them would
    /// explode.
    fn each(
        &mut self,
        mut branches: Vec<Branch>,
        plan: &Plan,
        id: usize,
        mut add: impl FnMut(&mut Step) -> Result<()>,
    ) -> Result<Vec<Branch>> {
        let exprs: &[Expr] = match plan.operator() {
            Operator::Filter(predicate) => std::slice::from_ref(predicate),
            Operator::Project(exprs) => exprs,
            _ => &[],
        };
        if branches.iter().any(|branch| inlined_nodes(exprs, &branch.last().columns) > MAX_INLINED_NODES) {
            branches = vec![self.materialise(branches, &plan.inputs()[0])];
        }
        for branch in &mut branches {
            add(branch.last_mut())?;
        }
        if let Some(first) = branches.first_mut() {
            first.operators.push(id);
        }
        Ok(branches)
    }

    /// Ends the branches in a sink; what follows reads its result.
    fn breaker(&mut self, mut branches: Vec<Branch>, sink: Sink, plan: &Plan, id: usize) -> Branch {
        let exprs: Vec<&Expr> = match &sink {
            Sink::Aggregate(Aggregation { keys, aggregates, .. }) => {
                let operands = aggregates.iter().flat_map(Aggregate::exprs);
                keys.iter().chain(operands).collect()
            }
            _ => Vec::new(),
        };
        let nodes =
            |branch: &Branch| exprs.iter().map(|expr| inlined_nodes([*expr], &branch.last().columns)).max();
        if branches.iter().any(|branch| nodes(branch) > Some(MAX_INLINED_NODES)) {
            branches = vec![self.materialise(branches, &plan.inputs()[0])];
        }
        self.push(branches, sink, plan, vec![id])
    }

    /// Ends the branches of one side in a table, which those of the other pass.
    fn join(
        &mut self,
        spec: &Arc<JoinSpec>,
        side: Side,
        (build, build_plan): (Vec<Branch>, &Plan),
        mut probing: Vec<Branch>,
        plan: &Plan,
        id: usize,
    ) -> Vec<Branch> {
        let sink = Sink::Build { spec: Arc::clone(spec), side };
        let schema = Arc::clone(build_plan.schema());
        self.pipelines.push(Pipeline { branches: build, sink, schema, operators: Vec::new() });
        let probe = Probe {
            build: self.pipelines.len() - 1,
            spec: Arc::clone(spec),
            side,
            schema: Arc::clone(plan.schema()),
            step: Step::of(plan.schema()),
            operator: id,
        };
        for branch in &mut probing {
            branch.probes.push(probe.clone());
            branch.ordered = false;
        }
        if let Some(first) = probing.first_mut() {
            first.operators.push(id);
        }
        probing
    }

    /// A limit right above a sort becomes part of it.
    fn limit(
        &mut self,
        mut branches: Vec<Branch>,
        skip: usize,
        fetch: Option<usize>,
        plan: &Plan,
        id: usize,
    ) -> Branch {
        if let [only] = branches.as_mut_slice()
            && only.renames_only()
            && let Source::Pipeline(below) = only.source
            && let Sink::Sort { skip: skipped, fetch: kept, .. } = &mut self.pipelines[below].sink
        {
            let left = kept.map(|kept| kept.saturating_sub(skip));
            *kept = match (left, fetch) {
                (Some(left), Some(fetch)) => Some(left.min(fetch)),
                (left, fetch) => left.or(fetch),
            };
            *skipped = skipped.saturating_add(skip);
            only.operators.push(id);
            return only.clone();
        }
        self.push(branches, Sink::Limit { skip, fetch }, plan, vec![id])
    }

    fn materialise(&mut self, branches: Vec<Branch>, plan: &Plan) -> Branch {
        self.push(branches, Sink::Collect, plan, Vec::new())
    }

    fn push(&mut self, branches: Vec<Branch>, sink: Sink, plan: &Plan, operators: Vec<usize>) -> Branch {
        let pipeline = Pipeline { branches, sink, schema: Arc::clone(plan.schema()), operators };
        let ordered = pipeline.is_ordered();
        self.pipelines.push(pipeline);
        leaf(Source::Pipeline(self.pipelines.len() - 1), plan, ordered, Vec::new())
    }

    /// A branch that only renames its pipeline's columns is done by that pipeline.
    fn absorb(&mut self, branch: &Branch) {
        if let Source::Pipeline(below) = branch.source {
            self.pipelines[below].operators.extend(&branch.operators);
        }
    }

    fn report(&mut self, plan: &Plan, depth: usize) -> usize {
        self.operators.push(OperatorReport {
            operator: plan.title(),
            depth,
            pipeline: 0,
            backend: Backend::Cpu,
            outcome: Outcome::Left(String::new()),
            rows_out: None,
            busy: Duration::ZERO,
            details: Vec::new(),
        });
        self.operators.len() - 1
    }
}

fn leaf(source: Source, plan: &Plan, ordered: bool, operators: Vec<usize>) -> Branch {
    let schema = Arc::clone(plan.schema());
    Branch { source, step: Step::of(&schema), schema, probes: Vec::new(), ordered, operators }
}

/// The side that a join's table is made of where nobody says: the one of fewer rows, as far as that is known.
fn fewer_rows(left: &Plan, right: &Plan) -> Side {
    match (most_rows(left), most_rows(right)) {
        (Some(left), Some(right)) if left < right => Side::Left,
        (Some(_), None) => Side::Left,
        _ => Side::Right,
    }
}

/// Rows of a plan, at most, as far as its sources know theirs.
fn most_rows(plan: &Plan) -> Option<u64> {
    let inputs: Vec<Option<u64>> = plan.inputs().iter().map(most_rows).collect();
    let only = inputs.first().copied().flatten();
    let at_most = |fetch: &Option<usize>| match (only, fetch) {
        (Some(rows), Some(fetch)) => Some(rows.min(*fetch as u64)),
        (rows, fetch) => rows.or(fetch.map(|fetch| fetch as u64)),
    };
    match plan.operator() {
        Operator::Scan(scan) => Some(scan.rows()),
        Operator::Input(source) => source.rows(),
        Operator::Filter(_) | Operator::Project(_) => only,
        Operator::Aggregate { keys, .. } if keys.is_empty() => Some(1),
        Operator::Aggregate { sets: None, .. } => only,
        Operator::Aggregate { sets: Some(sets), .. } => {
            only.map(|rows| rows.saturating_mul(sets.sets().len() as u64))
        }
        Operator::Sort { fetch, .. } | Operator::Limit { fetch, .. } => at_most(fetch),
        // A guess: each row of the larger side has one partner.
        Operator::Join { .. } => inputs.into_iter().collect::<Option<Vec<_>>>()?.into_iter().max(),
        Operator::Union => inputs.into_iter().try_fold(0u64, |sum, rows| Some(sum.saturating_add(rows?))),
    }
}

fn column_index(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => Some(*index),
        _ => None,
    }
}

fn nodes(expr: &Expr) -> usize {
    expr.children().map(nodes).fold(1, usize::saturating_add)
}

/// Nodes of the largest of `exprs` once its columns are replaced by `columns`.
fn inlined_nodes<'a>(exprs: impl IntoIterator<Item = &'a Expr>, columns: &[Expr]) -> usize {
    let sizes: Vec<usize> = columns.iter().map(nodes).collect();
    let inlined = |expr: &Expr| {
        let mut total = nodes(expr);
        expr.for_each_column(&mut |column| {
            total = total.saturating_add(sizes.get(column).copied().unwrap_or(0));
        });
        total
    };
    exprs.into_iter().map(inlined).max().unwrap_or(0)
}

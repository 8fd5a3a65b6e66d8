//! Predicates and values.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::Result;
use pilaster_kernels::expr::Expr;
use pilaster_tests::compare::{self, Got, Order};
use pilaster_tests::reference;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{
    Batches, Choices, ExprLimits, all_types, batches, boolean_expr, choices, expr,
};
use proptest::strategy::Strategy;

use super::backends::{Backend, Cpu, Gpu, Hostility, Share};
use super::shapes;

/// Expressions over the rows that a predicate keeps.
#[derive(Clone)]
pub struct Case {
    pub input: Batches,
    pub predicate: Option<Expr>,
    pub exprs: Vec<Expr>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(predicate) = &self.predicate {
            writeln!(f, "where {predicate}")?;
        }
        self.exprs.iter().try_for_each(|expr| writeln!(f, "select {expr} as {}", expr.data_type()))?;
        self.input.fmt(f)
    }
}

/// Whether a backend computes a case as the reference does.
pub fn agrees(backend: &impl Backend, case: &Case) -> Result<(), String> {
    judge(case, &backend.project(case.predicate.as_ref(), &case.exprs, &case.input))
}

pub fn judge(case: &Case, got: &Result<Got>) -> Result<(), String> {
    let expected = reference::project(&case.input.table(), case.predicate.as_ref(), &case.exprs);
    compare::outcome(&expected, got, Order::Kept)
}

/// Any columns, one expression, sometimes a predicate.
pub fn any_case(most_rows: usize, depth: usize) -> impl Strategy<Value = Case> {
    choices(400).prop_map(move |mut choices| case(&all_types(), most_rows, depth, &mut choices))
}

pub fn case(types: &[DataType], most_rows: usize, depth: usize, choices: &mut Choices) -> Case {
    let count = 1 + choices.pick(4);
    let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(types).clone()).collect();
    let limits = ExprLimits { columns, depth: choices.pick(depth + 1) };
    let predicate = (choices.pick(3) == 1).then(|| boolean_expr(&limits, choices));
    let exprs = (0..1 + choices.pick(2)).map(|_| expr(&limits, choices)).collect();
    let input = batches(&limits.columns, most_rows, 1..3, choices);
    Case { input, predicate, exprs }
}

/// Runs a battery on a backend that may refuse cases.
fn battery(name: &str, backend: &Gpu, cases: u32, percent: usize, strategy: &impl Strategy<Value = Case>) {
    let share = Share::default();
    check(name, cases, strategy, |case| {
        let got = backend.project(case.predicate.as_ref(), &case.exprs, &case.input);
        if share.ran(&got) { judge(case, &got) } else { Ok(()) }
    });
    share.at_least(percent);
}

#[test]
fn random_expressions_on_cpu() {
    check("random expressions, CPU", 4000, &any_case(70, 3), |case| agrees(&Cpu::default(), case));
}

#[test]
fn random_expressions_on_cpu_over_longer_batches() {
    check("long expressions, CPU", 100, &any_case(4100, 2), |case| agrees(&Cpu::default(), case));
}

#[test]
fn random_expressions_on_cpu_row_by_row() {
    check("expressions, batches of one row, CPU", 300, &any_case(33, 3), |case| {
        let one = Case { input: case.input.cut(1), ..case.clone() };
        let got = Cpu::default().project(case.predicate.as_ref(), &case.exprs, &one.input);
        judge(case, &got)
    });
}

/// Also in the narrowest of the sizes: the predicate alone decides which rows come out.
#[test]
fn random_predicates_on_cpu() {
    let strategy = any_case(260, 3).prop_map(|case| Case {
        exprs: (0..case.input.types.len()).map(|at| Expr::column(at, case.input.types[at].clone())).collect(),
        ..case
    });
    check("random predicates, CPU", 1500, &strategy, |case| agrees(&Cpu::default(), case));
}

#[test]
fn random_expressions_on_gpu() {
    let Some(gpu) = Gpu::open("random_expressions_on_gpu", ShaderMode::Checked) else { return };
    battery("random expressions, GPU", &gpu, 60, 50, &any_case(260, 2));
}

#[test]
fn catalogue_of_expressions_on_gpu() {
    let Some(gpu) = Gpu::open("catalogue_of_expressions_on_gpu", ShaderMode::Checked) else { return };
    let strategy = shapes::expressions(2100);
    battery("catalogue of expressions, GPU", &gpu, 70, 80, &strategy);
}

#[test]
fn catalogue_of_expressions_on_cpu() {
    check("catalogue of expressions, CPU", 400, &shapes::expressions(2100), |case| {
        agrees(&Cpu::default(), case)
    });
}

#[test]
fn catalogue_of_expressions_on_gpu_in_tiny_arenas() {
    let Some(gpu) = Gpu::open("catalogue_of_expressions_on_gpu_in_tiny_arenas", ShaderMode::Trusted) else {
        return;
    };
    let gpu = gpu.hostile(Hostility { arena_bytes: Some(4096), first_rows: Some(3), ..Hostility::default() });
    battery("expressions in tiny arenas, GPU", &gpu, 30, 80, &shapes::expressions(1100));
    assert!(gpu.retries.load(Relaxed) > 0, "no output was too small");
}

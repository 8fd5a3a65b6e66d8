//! Stable order of a batch.

use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::sort::SortKey;
use pilaster_tests::reference;
use pilaster_tests::runner::check;
use pilaster_tests::strategies::{Batches, all_types, batches, choices, sort_keys};
use proptest::strategy::Strategy;

use super::backends::{Backend, Cpu, Gpu, Share};

#[derive(Debug, Clone)]
pub struct Case {
    pub input: Batches,
    pub keys: Vec<SortKey>,
    pub fetch: Option<usize>,
}

fn any_case(most_rows: usize) -> impl Strategy<Value = Case> {
    choices(60).prop_map(move |mut choices| {
        let types = all_types();
        let count = 1 + choices.pick(3);
        let columns: Vec<DataType> = (0..count).map(|_| choices.one_of(&types).clone()).collect();
        let keys = sort_keys(columns.len(), &mut choices);
        let fetch = (choices.pick(2) == 1).then(|| choices.pick(40));
        Case { input: batches(&columns, most_rows, 1..2, &mut choices), keys, fetch }
    })
}

pub fn agrees(backend: &impl Backend, case: &Case) -> Result<(), String> {
    let got = backend.sort(&case.keys, case.fetch, &case.input);
    judge(case, &got.map_err(|error| error.to_string())?)
}

fn judge(case: &Case, got: &[u32]) -> Result<(), String> {
    let expected = reference::order(&case.input.table(), &case.keys);
    let expected: Vec<u32> =
        expected.iter().take(case.fetch.unwrap_or(usize::MAX)).map(|&row| row as u32).collect();
    if got == expected {
        return Ok(());
    }
    let at = got.iter().zip(&expected).position(|(a, b)| a != b);
    Err(format!("{} rows, expected {}; first difference at {at:?}", got.len(), expected.len()))
}

#[test]
fn random_sorts_on_cpu() {
    check("random sorts, CPU", 3000, &any_case(1030), |case| agrees(&Cpu::default(), case));
}

#[test]
fn random_sorts_on_gpu() {
    let Some(gpu) = Gpu::open("random_sorts_on_gpu", ShaderMode::Checked) else { return };
    let share = Share::default();
    check("random sorts, GPU", 150, &any_case(1030), |case| {
        let got = gpu.sort(&case.keys, case.fetch, &case.input);
        if !share.ran(&got) {
            return Ok(());
        }
        judge(case, &got.map_err(|error| error.to_string())?)
    });
    share.at_least(95);
}

#[test]
fn random_sorts_on_gpu_unchecked() {
    let Some(gpu) = Gpu::open("random_sorts_on_gpu_unchecked", ShaderMode::Trusted) else { return };
    check("random sorts, GPU, trusted", 60, &any_case(260), |case| agrees(&gpu, case));
}

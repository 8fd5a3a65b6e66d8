//! Encoded columns as a filter's input: decoded into its arena, narrowed, in the same submission.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray, UInt32Array};
use arrow::compute::{cast, filter, take};
use arrow::datatypes::DataType;
use pilaster::device::ShaderMode;
use pilaster_kernels::Error;
use pilaster_kernels::expr::{CompareOp, Expr};
use pilaster_kernels::filter::gpu::{GpuFilter, Outcome};
use pilaster_kernels::gpu::column::{Corrupt, EncodedColumn, Input, pack_encoded, packable};
use pilaster_kernels::parquet::gpu::{Segment, range};
use pilaster_tests::runner::check;
use pilaster_tests::strategies::choices;
use proptest::strategy::Strategy;

use super::super::backends::Gpu;
use super::{Case, any_case};

fn encoded(case: &Case, segments: &[Segment]) -> EncodedColumn {
    let range = range(&case.leaf, segments).unwrap();
    let corrupt = Corrupt(Arc::new(|_, malformed| Error::invalid(malformed)));
    EncodedColumn { leaf: case.leaf.clone(), segments: segments.into(), range, corrupt }
}

/// The case's column next to row numbers that the host packs; rows whose number is not below `limit` are left out.
fn agrees(gpu: &Gpu, case: &Case, cut: usize, limit: u32) -> Result<(), String> {
    let data_type = case.leaf.data_type.clone();
    let segments = case.segments.split_at(cut.min(case.segments.len()));
    let rows_of = |segments: &[Segment]| -> usize {
        segments.iter().flat_map(|segment| &segment.pages).map(|page| page.levels).sum()
    };
    let mut first = 0;
    let mut parts = Vec::new();
    for segments in [segments.0, segments.1] {
        let rows = rows_of(segments);
        let numbers = UInt32Array::from_iter_values(first..first + rows as u32);
        let columns: Vec<ArrayRef> = vec![Arc::new(NullArray::new(rows)), Arc::new(numbers)];
        first += rows as u32;
        let column = encoded(case, segments);
        // The CPU's reader over the same pages is held to the same answer.
        let decoded = column.array(rows).map_err(|error| format!("on the CPU: {error}"))?;
        parts.push((columns, vec![(0, column)], decoded));
    }
    let inputs: Vec<Input<'_>> =
        parts.iter().map(|(columns, encoded, _)| Input { columns, encoded }).collect();
    let types = [data_type.clone(), DataType::UInt32];
    let (fail, tier) = (|error: Error| error.to_string(), gpu.tier());
    let packed = pack_encoded(&inputs, &types, &[0, 1], tier.binding_bytes, tier).map_err(fail)?;
    let number = Expr::column(1, DataType::UInt32);
    let predicate = Expr::compare(CompareOp::Lt, number, Expr::literal(limit)).map_err(fail)?;
    let exprs = [Expr::column(0, data_type.clone())];
    let program = GpuFilter::new(Some(&predicate), &exprs, &packed, tier).map_err(fail)?;
    let output = gpu.run(&program.program().map_err(fail)?).map_err(fail)?;
    let Outcome::Batch { columns, .. } = program.decode(&output).map_err(fail)? else {
        return Err("an output too small".into());
    };
    let expected = case.expected();
    let kept = (0..expected.len()).map(|row| Some((row as u32) < limit)).collect();
    let expected = filter(&expected, &kept).unwrap();
    let got = cast(&columns[0], &data_type).map_err(|error| error.to_string())?;
    if got.to_data() != expected.to_data() {
        return Err(format!("{got:?}, expected {expected:?}"));
    }
    let on_cpu: Vec<ArrayRef> =
        parts.iter().map(|(_, _, decoded)| cast(decoded, &data_type).unwrap()).collect();
    let on_cpu: Vec<&dyn arrow::array::Array> = on_cpu.iter().map(AsRef::as_ref).collect();
    let on_cpu = arrow::compute::concat(&on_cpu).unwrap();
    let first = UInt32Array::from_iter_values(0..expected.len() as u32);
    let on_cpu = take(&on_cpu, &first, None).unwrap();
    if on_cpu.to_data() == expected.to_data() { Ok(()) } else { Err("the CPU's reader differs".into()) }
}

#[test]
fn encoded_columns_through_a_filter() {
    let Some(gpu) = Gpu::open("encoded_columns_through_a_filter", ShaderMode::Checked) else { return };
    let cases = (any_case(2000), choices(2)).prop_filter("a flat column that is packed", |(case, _)| {
        let leaf = &case.leaf;
        let text = matches!(leaf.data_type, DataType::FixedSizeBinary(_));
        leaf.max_repetition == 0 && leaf.slot_definition == 0 && !text && packable(&leaf.data_type).is_ok()
    });
    check("encoded columns, GPU", 200, &cases, |(case, choices)| {
        let mut choices = choices.clone();
        agrees(&gpu, case, choices.pick(3), choices.pick(5_000) as u32)
    });
}

use super::*;
use crate::run::Branch;

fn collect() -> Pipeline {
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
    Pipeline { branches: Vec::<Branch>::new(), sink: Sink::Collect, schema, operators: Vec::new() }
}

#[test]
fn a_small_input_is_cheaper_on_the_cpu_and_a_large_one_on_the_device() {
    let model = CostModel::new(1);
    let small = model.estimate(&collect(), 1_000, 8_000);
    let large = model.estimate(&collect(), 1 << 30, 8 << 30);
    assert!(small.cpu < small.gpu, "{small}");
    assert!(large.gpu < large.cpu, "{large}");
}

#[test]
fn what_was_measured_moves_the_estimate_within_bounds() {
    let model = CostModel::new(2);
    let first = model.estimate(&collect(), 1 << 20, 1 << 26);
    for _ in 0..50 {
        let estimate = model.estimate(&collect(), 1 << 20, 1 << 26);
        model.learn(Backend::Cpu, &estimate, first.cpu * 3);
        model.learn(Backend::Gpu, &estimate, first.gpu * 100_000);
    }
    let learnt = model.estimate(&collect(), 1 << 20, 1 << 26);
    let ratio = |after: Duration, before: Duration| after.as_secs_f64() / before.as_secs_f64();
    assert!((ratio(learnt.cpu, first.cpu) - 3.0).abs() < 0.01, "{learnt}");
    assert!((ratio(learnt.gpu, first.gpu) - 20.0).abs() < 0.01, "{learnt}");
}

#[test]
fn constants_that_no_adapter_has_are_not_believed() {
    assert!(Constants::default().are_sane());
    assert!(!Constants { bus_bytes_per_s: 0.0, ..Constants::default() }.are_sane());
    assert!(!Constants { dispatch_s: f64::NAN, ..Constants::default() }.are_sane());
    assert!(!Constants { round_trip_s: f64::INFINITY, ..Constants::default() }.are_sane());
}

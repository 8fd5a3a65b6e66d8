//! Loss, refusal, cancellation, time limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pilaster::device::{Device, DeviceConfig, Fault, Profile, ShaderMode};
use pilaster::run::Cancellation;
use pilaster::{Backend, Error};
use pilaster_kernels::gpu::{BufferInit, Program, Workgroups};

use super::support::{config, open, text, words};

/// One invocation that takes `steps` steps, hundreds of millions a second on a CPU.
const SLOW: &str = "
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1)
fn main() {
    var x = data[1];
    for (var i = 0u; i < data[0]; i++) {
        x = x * 1664525u + 1013904223u;
    }
    data[1] = x;
}";

fn fresh(change: impl FnOnce(&mut DeviceConfig)) -> Option<Arc<Device>> {
    let mut settings = config(Profile::Full, ShaderMode::Checked);
    change(&mut settings);
    open(&settings)
}

fn slow(device: &Device, steps: u32, stages: usize) -> Program {
    let mut program = Program::new("slow");
    let data = program.upload_words("data", &[steps, 7]);
    for _ in 0..stages {
        program.stage("slow/steps", text(SLOW, device.tier()), vec![data], Workgroups::Direct([1, 1, 1]));
    }
    program.read_back(data, 0, 8);
    program
}

/// Steps that take at least two seconds here, found by trying.
fn two_seconds(device: &Device) -> u32 {
    let mut steps = 1 << 20;
    loop {
        let start = Instant::now();
        words(device, &slow(device, steps, 1));
        if start.elapsed() > Duration::from_millis(250) || steps >= 1 << 28 {
            return steps.saturating_mul(8);
        }
        steps *= 2;
    }
}

#[test]
fn a_device_lost_half_way_stays_lost_and_another_takes_over() {
    let Some(device) = fresh(|_| ()) else { return };
    let program = slow(&device, 10, 3);
    let sound = words(&device, &program);
    device.inject(Fault::LoseAfterStages(1));
    let lost = device.run(&program, &Cancellation::new()).expect_err("is lost in the midst");
    assert!(matches!(lost, Error::DeviceLost(_)), "{lost}");
    assert!(lost.is_device_failure() && device.is_lost());
    let still = device.run(&program, &Cancellation::new()).expect_err("stays lost");
    assert!(matches!(still, Error::DeviceLost(_)), "{still}");
    let Some(other) = fresh(|_| ()) else { return };
    assert_eq!(words(&other, &program), sound);
}

#[test]
fn a_refused_allocation_leaves_the_device_usable_and_nothing_reserved() {
    let Some(device) = fresh(|_| ()) else { return };
    let mut program = Program::new("three");
    for label in ["a", "b", "c"] {
        program.buffer(label, 1 << 20, BufferInit::Zero);
    }
    device.inject(Fault::FailAllocation(2));
    let before = device.memory().reserved();
    let refused = device.run(&program, &Cancellation::new()).expect_err("the third is refused");
    assert!(
        matches!(refused, Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, .. } if asked_bytes == 1 << 20),
        "{refused}"
    );
    assert!(!device.is_lost());
    assert_eq!(device.memory().reserved(), before + (2 << 20), "the two that were made are kept");
    words(&device, &program);
    assert_eq!(device.memory().reserved(), before + (3 << 20));
}

#[test]
fn cancelled_before_it_starts() {
    let Some(device) = fresh(|_| ()) else { return };
    let cancel = Cancellation::new();
    cancel.cancel();
    let cancelled = device.run(&slow(&device, 10, 1), &cancel).expect_err("is cancelled");
    assert!(matches!(cancelled, Error::Cancelled));
}

#[test]
fn cancelled_while_it_runs_and_right_afterwards() {
    let Some(device) = fresh(|_| ()) else { return };
    let steps = two_seconds(&device);
    let cancel = Cancellation::new();
    let (program, start) = (slow(&device, steps, 1), Instant::now());
    let cancelled = std::thread::scope(|scope| {
        let running = scope.spawn(|| device.run(&program, &cancel));
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        running.join().expect("does not panic")
    });
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    assert!(start.elapsed() < Duration::from_secs(1), "seen late: {:?}", start.elapsed());
    // The buffers that are still in use go to the next program, which comes after.
    assert_eq!(words(&device, &slow(&device, 0, 1)), [[0, 7]]);
    assert!(!device.is_lost());
}

#[test]
fn past_the_time_limit_the_device_is_given_up_without_blocking() {
    let Some(device) = fresh(|_| ()) else { return };
    let steps = two_seconds(&device);
    drop(device);
    let Some(device) = fresh(|settings| settings.time_limit = Duration::from_millis(300)) else { return };
    let start = Instant::now();
    // Ends by itself some seconds later: a loop without end would occupy a core until the process ends.
    let late = device.run(&slow(&device, steps, 2), &Cancellation::new()).expect_err("takes too long");
    assert!(matches!(&late, Error::Device { reason, .. } if reason.contains("time limit")), "{late}");
    assert!(late.is_device_failure() && device.is_lost());
    assert!(matches!(device.run(&Program::new("more"), &Cancellation::new()), Err(Error::DeviceLost(_))));
    drop(device);
    assert!(start.elapsed() < Duration::from_secs(2), "blocked for {:?}", start.elapsed());
}

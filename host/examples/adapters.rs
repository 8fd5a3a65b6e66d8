//! Lists the adapters and what the litmus says of each: `cargo run -p pilaster --example adapters`.
//!
//! `VK_DRIVER_FILES` chooses the Vulkan driver; an empty `PILASTER_CACHE_DIR` runs the litmus anew.

use std::time::Instant;

use pilaster::device::{Device, DeviceConfig, adapters};

fn main() {
    let start = Instant::now();
    let listed = adapters();
    println!("{} adapters, listed in {:.0?}", listed.len(), start.elapsed());
    for report in &listed {
        println!("{}: {} ({}, {})", report.index, report.name, report.backend, report.kind);
        println!("   driver: {} {}", report.driver, report.driver_version);
        println!("   tier:   {}", report.tier_name);
        println!("   litmus: {}", report.litmus);
    }
    match Device::open(&DeviceConfig::default()) {
        Ok(device) => println!("opened: {}", device.name()),
        Err(error) => println!("refused: {error}"),
    }
}

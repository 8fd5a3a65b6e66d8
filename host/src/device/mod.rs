//! The only code that touches wgpu: adapters, tiers, litmus, pools, submission, read-back, caches, loss.
//!
//! Contract (to be filled in):
//! - `adapters() -> Vec<AdapterReport>`: all adapters with tier, limits, software or real, litmus verdict and reason.
//! - `Device::open(&DeviceConfig) -> Result<Arc<Device>>`; `device.tier() -> &Tier`; `device.name()`; `device.is_software()`.
//! - `device.run(&Program, &Cancellation) -> Result<ProgramRun>`: one submission, one read-back.

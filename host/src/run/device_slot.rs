//! The session's device: opened when first wanted, opened again after a loss.

use std::sync::Arc;

use parking_lot::Mutex;
use pilaster_kernels::{Error, Result};

use crate::device::{AdapterChoice, Device, DeviceConfig};
use crate::session::SessionConfig;

/// Times that a session opens a device again after it was lost. A driver that keeps falling over is then left alone.
const MAX_REOPENS: u32 = 2;

#[derive(Debug)]
pub(crate) struct DeviceSlot {
    config: DeviceConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    device: Option<Result<Arc<Device>>>,
    hardware: Option<bool>,
    reopens: u32,
}

impl DeviceSlot {
    pub(crate) fn new(config: &SessionConfig) -> Self {
        let mut device = config.device.clone();
        device.memory_bytes = Some(config.device_memory_limit_bytes);
        if let Some(name) = &config.adapter {
            device.adapter = AdapterChoice::Name(name.clone());
        }
        let state = State { device: None, hardware: None, reopens: 0 };
        DeviceSlot { config: device, state: Mutex::new(state) }
    }

    /// The device. A lost one is replaced, [`MAX_REOPENS`] times in a session's life.
    ///
    /// # Errors
    /// Why there is none, the same each time.
    pub(crate) fn get(&self) -> Result<Arc<Device>> {
        let mut state = self.state.lock();
        match &state.device {
            Some(Ok(device)) if !device.is_lost() => return Ok(Arc::clone(device)),
            Some(Ok(_)) if state.reopens >= MAX_REOPENS => {
                return Err(Error::DeviceLost(format!("lost {} times in this session", state.reopens + 1)));
            }
            Some(Ok(_)) => state.reopens += 1,
            Some(Err(error)) => return Err(error.clone()),
            None => {}
        }
        let opened = Device::open(&self.config);
        state.device = Some(opened.clone());
        opened
    }

    /// Whether there is an adapter that is not software, found out without opening one.
    pub(crate) fn has_hardware(&self) -> bool {
        let mut state = self.state.lock();
        *state.hardware.get_or_insert_with(|| crate::device::has_hardware(&self.config))
    }
}

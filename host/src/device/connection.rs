//! An open wgpu device: its errors made typed, its loss remembered, its waits bounded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use pilaster_kernels::{Backend, Error, Result};
use wgpu::{ErrorFilter, Features, Limits, PollError, PollType, SubmissionIndex};

use super::adapter::Found;
use crate::run::Cancellation;

/// Longest uninterrupted wait: how late a cancellation may be seen.
const WAIT_SLICE: Duration = Duration::from_millis(20);

/// A wgpu device and its queue.
pub(super) struct Connection {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    state: Arc<State>,
    turn: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Why the device is gone.
    lost: Mutex<Option<String>>,
    /// An error that no scope caught, for the next caller who looks.
    uncaptured: Mutex<Option<Error>>,
    /// A submission did not end within the time limit, and may never end.
    hung: Mutex<Option<String>>,
}

impl Connection {
    /// Opens the adapter.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub(super) fn open(found: &Found, features: Features, limits: Limits) -> Result<Self> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("pilaster"),
            required_features: features,
            required_limits: limits,
            ..Default::default()
        };
        let opened = no_panic("open", || Ok(pollster::block_on(found.adapter.request_device(&descriptor))))?;
        let (device, queue) = opened.map_err(|error| device_error("open", &error))?;
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        device.set_device_lost_callback(move |reason, message| {
            seen.lost.lock().get_or_insert_with(|| format!("{reason:?}: {message}"));
        });
        let seen = Arc::clone(&state);
        device.on_uncaptured_error(Arc::new(move |error| {
            seen.uncaptured.lock().get_or_insert_with(|| typed(error, "outside of a program", 0, 0));
        }));
        Ok(Connection { device, queue, state, turn: Mutex::new(()) })
    }

    /// Why no more work can be done here.
    pub(super) fn lost(&self) -> Option<String> {
        let lost = self.state.lost.lock().clone();
        lost.or_else(|| self.state.hung.lock().clone())
    }

    /// True where a submission may never end: the device must not be dropped.
    pub(super) fn is_hung(&self) -> bool {
        self.state.hung.lock().is_some()
    }

    /// # Errors
    /// [`Error::DeviceLost`] once the device is gone; an error that no scope caught, once.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(reason) = self.lost() {
            return Err(Error::DeviceLost(reason));
        }
        self.state.uncaptured.lock().take().map_or(Ok(()), Err)
    }

    /// Waits for this thread's turn to submit and to wait for it. The queue runs one program after the other anyway, and
    /// wgpu 30 panics where one thread's wait runs out while another's empties the queue (`Device::maintain` asserts
    /// that an empty queue has passed every index waited for).
    ///
    /// # Errors
    /// [`Error::Cancelled`], and as [`Connection::check`].
    pub(super) fn turn(&self, cancel: &Cancellation) -> Result<MutexGuard<'_, ()>> {
        loop {
            cancel.check()?;
            self.check()?;
            if let Some(turn) = self.turn.try_lock_for(WAIT_SLICE) {
                return Ok(turn);
            }
        }
    }

    /// Runs `work`, which creates objects or submits, and gives what wgpu has to say about it as a typed error.
    /// `asked_bytes` and `limit_bytes` are reported where the driver is out of memory.
    ///
    /// # Errors
    /// Those of `work`, of wgpu, and the loss of the device, which goes before all others.
    pub(super) fn scoped<T>(
        &self,
        stage: &str,
        [asked_bytes, limit_bytes]: [u64; 2],
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let result = no_panic(stage, work);
        // Innermost first.
        let invalid = pollster::block_on(validation.pop());
        let exhausted = pollster::block_on(memory.pop());
        let broken = pollster::block_on(internal.pop());
        let error = exhausted.or(invalid).or(broken);
        if error.is_some() {
            // Objects of a lost device are invalid, and the loss itself is told only to a poll: it goes first.
            catch_unwind(AssertUnwindSafe(|| self.device.poll(PollType::Poll))).ok();
        }
        self.check()?;
        match error {
            Some(error) => Err(typed(error, stage, asked_bytes, limit_bytes)),
            None => result,
        }
    }

    /// Waits for a submission until `done` as well.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; [`Error::DeviceLost`]; [`Error::Device`] at the time limit, after which the device counts
    /// as lost.
    pub(super) fn wait(
        &self,
        stage: &str,
        submission: &SubmissionIndex,
        time_limit: Duration,
        cancel: &Cancellation,
        done: impl Fn() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + time_limit;
        loop {
            let ended = self.poll(Some(submission), WAIT_SLICE)?;
            self.check()?;
            if ended && done() {
                return Ok(());
            }
            cancel.check()?;
            if Instant::now() >= deadline {
                return Err(self.hang(stage, time_limit));
            }
            if ended {
                // The work is done, only a callback is missing: do not spin.
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }

    fn hang(&self, stage: &str, time_limit: Duration) -> Error {
        let reason = format!("did not finish within the time limit of {time_limit:?}");
        self.state.hung.lock().get_or_insert_with(|| format!("{stage} {reason}"));
        Error::Device { stage: stage.to_string(), reason }
    }

    /// Whether the submission (or all of them) ended within `timeout`.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]: wgpu panics where the driver reports the loss during a wait.
    fn poll(&self, submission: Option<&SubmissionIndex>, timeout: Duration) -> Result<bool> {
        let poll = PollType::Wait { submission_index: submission.cloned(), timeout: Some(timeout) };
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(PollError::Timeout)) => Ok(false),
            // A lost device takes no submission, and says so only to the next poll.
            Ok(Err(PollError::WrongSubmissionIndex(..))) => {
                catch_unwind(AssertUnwindSafe(|| self.device.poll(PollType::Poll))).ok();
                Err(self.lose("the submission was refused".into()))
            }
            Err(panic) => Err(self.lose(panic_message(panic.as_ref()))),
        }
    }

    /// Remembers the loss under the driver's reason, or else under this one.
    fn lose(&self, reason: String) -> Error {
        Error::DeviceLost(self.state.lost.lock().get_or_insert(reason).clone())
    }

    /// True where the device can be dropped without blocking for ever: everything submitted ended, or does so soon.
    pub(super) fn settles_within(&self, timeout: Duration) -> bool {
        !self.is_hung() && self.poll(None, timeout).unwrap_or(false)
    }
}

/// Runs `work`; a panic of wgpu or naga (their backends have `unreachable!` in reach of input) becomes an error.
pub(super) fn no_panic<T>(stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::Device { stage: stage.to_string(), reason: panic_message(panic.as_ref()) })
    })
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

fn typed(error: wgpu::Error, stage: &str, asked_bytes: u64, limit_bytes: u64) -> Error {
    match error {
        wgpu::Error::OutOfMemory { .. } => {
            Error::OutOfMemory { backend: Backend::Gpu, asked_bytes, limit_bytes }
        }
        other => device_error(stage, &other),
    }
}

pub(super) fn device_error(stage: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::Device { stage: stage.to_string(), reason: reason.to_string() }
}

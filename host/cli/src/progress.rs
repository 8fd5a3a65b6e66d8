//! Progress bars on stderr: drawn when it is a terminal, silent otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar is redrawn at most.
const DRAWS_PER_SECOND: u8 = 5;

/// A bar of `steps` steps under `title`.
pub fn bar(title: &str, steps: u64) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
    let bar = ProgressBar::with_draw_target(Some(steps), target);
    let style = ProgressStyle::with_template("{prefix} [{bar:40}] {pos}/{len} {msg} ({elapsed})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(title.to_string());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

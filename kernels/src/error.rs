//! The one public error type. Every crate above uses it; no operator has an error of its own.

use std::fmt;

use arrow::error::ArrowError;

/// Result of everything in Pilaster that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where a piece of work runs, or was meant to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Backend {
    /// SIMD and rayon on the host.
    Cpu,
    /// WGSL on an adapter.
    Gpu,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "gpu",
        })
    }
}

/// What went wrong, where, and what to do about it.
///
/// Device errors ([`Error::DeviceLost`], [`Error::Device`], and [`Error::OutOfMemory`] raised for a device) make the
/// scheduler run the pipeline again on the CPU; every other variant ends the query and leaves the session usable.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller handed in something that breaks the documented contract: wrong type, length or setting.
    #[error("invalid input: {0}")]
    InvalidInput(String),
    /// A file contradicts itself or its format.
    #[error(
        "corrupt file {path}{}{}{}: {reason}",
        at(" column", column),
        at(" row group", row_group),
        at(" offset", offset)
    )]
    CorruptFile {
        /// The file.
        path: String,
        /// Name of the column, where one is known.
        column: Option<String>,
        /// Index of the row group, where one is known.
        row_group: Option<usize>,
        /// Byte offset in the file, where one is known.
        offset: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
    /// Correct, but not implemented on this backend. `strict` turns a fall-back into this error.
    #[error("{what} is not supported on {on_backend}")]
    Unsupported {
        /// The operator, function or type.
        what: String,
        /// The backend that was asked.
        on_backend: Backend,
    },
    /// A result does not fit its type. Never silent, see the semantics page.
    #[error("arithmetic overflow in {operator}{}", at(" over column", column))]
    ArithmeticOverflow {
        /// The operator, as SQL writes it: `+`, `*`, `sum`, ...
        operator: String,
        /// A column it read, where one is known.
        column: Option<String>,
    },
    /// Integer or decimal division, or remainder, by zero.
    #[error("division by zero in {operator}")]
    DivideByZero {
        /// The operator, as SQL writes it.
        operator: String,
    },
    /// A cast met a value that its target cannot represent. `TRY_CAST` gives null instead.
    #[error("cannot cast {value} from {from} to {to}")]
    CastFailed {
        /// The value, shortened where it is long; `a value` where the device does not say which.
        value: String,
        /// Its type.
        from: String,
        /// The target type.
        to: String,
    },
    /// A reservation was refused. Nothing was allocated.
    #[error("out of {} memory: asked for {asked_bytes} bytes, limit is {limit_bytes} bytes", if *.backend == Backend::Gpu { "device" } else { "host" })]
    OutOfMemory {
        /// Whose budget refused.
        backend: Backend,
        /// Bytes asked for, on top of what is reserved.
        asked_bytes: u64,
        /// The limit of the budget.
        limit_bytes: u64,
    },
    /// The device went away (driver reset, unplugged, destroyed). A new session may find it again.
    #[error("device lost: {0}")]
    DeviceLost(String),
    /// The device refused or failed a piece of work: a shader that does not compile, a validation error, a time-out.
    #[error("device error in {stage}: {reason}")]
    Device {
        /// The stage or call that failed.
        stage: String,
        /// What the device said.
        reason: String,
    },
    /// The query was cancelled.
    #[error("query cancelled")]
    Cancelled,
    /// Reading or writing failed outside of us.
    #[error("i/o error on {path}: {reason}")]
    Io {
        /// The file or address.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// An engine's own expression or stream failed inside one of our pipelines.
    #[error("{source_name}: {reason}")]
    External {
        /// The expression or stream.
        source_name: String,
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// True where the same work may succeed on the CPU: the scheduler falls back.
    #[must_use]
    pub fn is_device_failure(&self) -> bool {
        matches!(
            self,
            Error::DeviceLost(_) | Error::Device { .. } | Error::OutOfMemory { backend: Backend::Gpu, .. }
        )
    }

    /// An [`Error::InvalidInput`] from anything printable.
    pub fn invalid(what: impl fmt::Display) -> Self {
        Error::InvalidInput(what.to_string())
    }

    /// An [`Error::Unsupported`] on `on_backend`.
    pub fn unsupported(what: impl fmt::Display, on_backend: Backend) -> Self {
        Error::Unsupported { what: what.to_string(), on_backend }
    }
}

/// Arrow's own errors reach us only where an Arrow kernel refuses its arguments.
impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::DivideByZero => Error::DivideByZero { operator: "/".into() },
            ArrowError::ArithmeticOverflow(operator) => Error::ArithmeticOverflow { operator, column: None },
            other => Error::InvalidInput(other.to_string()),
        }
    }
}

fn at(label: &str, value: &Option<impl fmt::Display>) -> String {
    value.as_ref().map(|value| format!("{label} {value}")).unwrap_or_default()
}

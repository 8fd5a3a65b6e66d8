//! pyarrow in a virtual environment of its own, for the test that reads what it writes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, lavapipe};

/// The version that the script in `tests/pyarrow` was written against: another may write, or refuse, other files.
const VERSION: &str = "26.0.1";

/// Makes sure that pyarrow is installed and returns the interpreter that has it.
pub fn ensure() -> Result<PathBuf, Failure> {
    if let Some(python) = std::env::var_os("PILASTER_TEST_PYARROW") {
        return Ok(PathBuf::from(python));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/xtask/pyarrow");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if installed(&python).as_deref() == Some(VERSION) {
        return Ok(python);
    }
    create(&folder)?;
    let package = format!("pyarrow=={VERSION}");
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
    run(Command::new(&python).args(arguments))?;
    match installed(&python) {
        Some(found) if found == VERSION => Ok(python),
        found => Err(format!("needs pyarrow {VERSION} in {}, found {found:?}", folder.display())),
    }
}

fn installed(python: &Path) -> Option<String> {
    let output =
        Command::new(python).args(["-c", "import pyarrow; print(pyarrow.__version__)"]).output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (output.status.success() && !version.is_empty()).then_some(version)
}

fn create(folder: &Path) -> Result<(), Failure> {
    let create = || run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    let Err(reason) = create() else { return Ok(()) };
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!("{reason}: install Python 3 with venv, or set PILASTER_TEST_PYARROW"));
    }
    lavapipe::apt_get(&["update"])?;
    lavapipe::apt_get(&["install", "-y", "--no-install-recommends", "python3", "python3-venv"])?;
    create()
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let line = format!("{command:?}");
    eprintln!("xtask: {line}");
    let status = command.status().map_err(|error| format!("{line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}")) }
}

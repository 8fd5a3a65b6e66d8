//! The software Vulkan adapter that every shader is tested on: lavapipe from Mesa 25 or newer.
//!
//! Debian 12's own Mesa 22 ends loops after 65,535 iterations in silence; its backports suite has 25.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, sources};

/// Oldest Mesa whose lavapipe gives right answers (measured: 22.3 does not, 25.0 does).
const MESA_MAJOR: u32 = 25;
const PACKAGES: [&str; 2] = ["mesa-vulkan-drivers", "libvulkan1"];
const ICD_FOLDER: &str = "/usr/share/vulkan/icd.d";
const BACKPORTS_FILE: &str = "/etc/apt/sources.list.d/pilaster-backports.sources";

/// Makes sure that a good lavapipe is installed and returns its ICD file.
pub fn ensure() -> Result<PathBuf, Failure> {
    if let Some(driver) = std::env::var_os("VK_DRIVER_FILES") {
        return Ok(PathBuf::from(driver));
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(format!(
            "this system has no apt-get: install a Vulkan loader and Mesa {MESA_MAJOR} or newer with lavapipe, \
             then set VK_DRIVER_FILES to its ICD file (lvp_icd*.json)"
        ));
    }
    if installed_major().is_none_or(|major| major < MESA_MAJOR) {
        install()?;
    }
    match installed_major() {
        Some(major) if major >= MESA_MAJOR => icd_file(),
        found => Err(format!(
            "needs {} of Mesa {MESA_MAJOR} or newer, found {found:?}: this release's packages are too old",
            PACKAGES[0]
        )),
    }
}

fn icd_file() -> Result<PathBuf, Failure> {
    let folder = std::fs::read_dir(ICD_FOLDER).map_err(|error| format!("{ICD_FOLDER}: {error}"))?;
    let mut paths = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let is_lavapipe =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd"));
    paths.find(is_lavapipe).ok_or_else(|| format!("no lvp_icd*.json in {ICD_FOLDER}"))
}

/// Major version of the installed driver package: `25` of `25.0.7-2~bpo12+1`.
fn installed_major() -> Option<u32> {
    let query =
        Command::new("dpkg-query").args(["-W", "-f", "${Status} ${Version}", PACKAGES[0]]).output().ok()?;
    let text = String::from_utf8(query.stdout).ok()?;
    let version = text.strip_prefix("install ok installed ")?;
    version.split(['.', ':']).next()?.parse().ok()
}

fn install() -> Result<(), Failure> {
    let codename = os_release("VERSION_CODENAME").unwrap_or_default();
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    let suite = format!("{codename}-backports");
    if codename == "bookworm" {
        add_backports(&codename)?;
        install.extend(["-t", &suite]);
    }
    install.extend(PACKAGES);
    apt_get(&["update"])?;
    apt_get(&install)
}

fn add_backports(codename: &str) -> Result<(), Failure> {
    let texts = source_texts();
    if texts.iter().any(|text| text.contains(&format!("{codename}-backports"))) {
        return Ok(());
    }
    let stanza = sources::backports_stanza(&texts, codename)
        .ok_or_else(|| format!("no source of {codename} main found: add {codename}-backports by hand"))?;
    as_root("tee", &[BACKPORTS_FILE], Some(&stanza))
}

fn source_texts() -> Vec<String> {
    let folder = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let files = folder.filter_map(|entry| Some(entry.ok()?.path()));
    let list = std::iter::once(PathBuf::from("/etc/apt/sources.list"));
    list.chain(files).filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn os_release(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_string())
}

/// Runs `apt-get` as root.
pub fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    as_root("apt-get", arguments, None)
}

/// Runs a command as root: directly, or by `sudo -n` (which never asks).
fn as_root(program: &str, arguments: &[&str], input: Option<&str>) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::process::Stdio;

    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("xtask: {line}");
    let mut command = if is_root() { Command::new(program) } else { Command::new("sudo") };
    if !is_root() {
        command.args(["-n", program]);
    }
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null())
        .stdin(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{line}: {error}; run it as root"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or_default().as_bytes()).map_err(|error| format!("{line}: {error}"))?;
    }
    let status = child.wait().map_err(|error| format!("{line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{line}: {status}; run it as root")) }
}

fn is_root() -> bool {
    let uid = Command::new("id").arg("-u").output();
    uid.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

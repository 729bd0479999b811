//! Programs of this computer: finding and running them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program could not be run, or failed.
#[derive(Clone, Debug)]
pub struct ToolError {
    /// What was being done.
    pub doing: String,
    /// What went wrong: the last lines that the program said.
    pub reason: String,
}

impl ToolError {
    /// An error of a program.
    pub fn new(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { doing: doing.into(), reason: reason.into() }
    }

    /// A program that is not there.
    pub fn not_installed(name: &str) -> Self {
        Self::new(format!("find the program '{name}'"), "it is not installed")
    }
}

impl std::fmt::Display for ToolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for ToolError {}

/// Finds a program in PATH and where system daemons live.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|dir| dir.join(name))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs a tool and returns its standard output.
///
/// # Errors
/// What was run and the last lines it said.
pub fn run_tool<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> Result<String, ToolError> {
    let program = find_program(name).ok_or_else(|| ToolError::not_installed(name))?;
    let failed = |reason: String| ToolError::new(format!("run {name}"), reason);
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.trim().lines().collect();
    let from = lines.len().saturating_sub(8);
    let tail = lines.get(from..).unwrap_or_default().join("\n");
    Err(failed(format!("{}\n{tail}", output.status)))
}

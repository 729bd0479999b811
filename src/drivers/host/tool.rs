//! Programs of this computer: where they are, and running one to its end.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{fmt, fs, io};

/// Why a program could not do what it was run for: a fragment after "failed to".
#[derive(Debug)]
pub enum ToolError {
    /// It is not installed.
    Missing {
        /// Its name.
        name: String,
    },
    /// It could not be started, or not be heard.
    NotRun {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It ended badly.
    Failed {
        /// Its name.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it said.
        tail: String,
    },
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => {
                write!(f, "find the program '{name}': it is not installed")
            }
            Self::NotRun { name, source } => write!(f, "run {name}: {source}"),
            Self::Failed { name, status, tail } => write!(f, "run {name}: {status}\n{tail}"),
        }
    }
}

impl std::error::Error for ToolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotRun { source, .. } => Some(source),
            Self::Missing { .. } | Self::Failed { .. } => None,
        }
    }
}

/// For whoever tells of it in a message of their own.
impl From<ToolError> for String {
    fn from(error: ToolError) -> Self {
        error.to_string()
    }
}

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

/// A command that runs a tool.
///
/// # Errors
/// When it is not installed.
pub fn tool(name: &str) -> Result<Command, ToolError> {
    let program = find_program(name).ok_or_else(|| ToolError::Missing { name: name.into() })?;
    Ok(Command::new(program))
}

/// Runs a tool and returns its standard output.
///
/// # Errors
/// What was run and the last lines it said.
pub fn run_tool<S: AsRef<OsStr>>(name: &str, arguments: &[S]) -> Result<String, ToolError> {
    let output = tool(name)?
        .args(arguments)
        .output()
        .map_err(|source| ToolError::NotRun { name: name.into(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.trim().lines().collect();
    let from = lines.len().saturating_sub(8);
    let tail = lines.get(from..).unwrap_or_default().join("\n");
    Err(ToolError::Failed { name: name.into(), status: output.status, tail })
}

#[cfg(test)]
mod tests {
    use super::run_tool;

    fn told(name: &str, arguments: &[&str]) -> String {
        run_tool(name, arguments).err().map(String::from).unwrap_or_default()
    }

    #[test]
    fn what_a_tool_said_last_is_told() {
        let script = "for n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; done; exit 3";
        let said = told("sh", &["-c", script]);
        assert!(said.starts_with("run sh: exit status: 3\nline 2\n"), "{said}");
        assert!(said.ends_with("line 9"), "{said}");
        let missing = told("no-such-program-here", &[]);
        assert_eq!(missing, "find the program 'no-such-program-here': it is not installed");
    }
}

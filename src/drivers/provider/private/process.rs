//! What all processes of a private provider begin and end with.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::fd::RawFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// Starts a process of this program that lives on, with what it says in the file `log`. True once it said
/// that it is ready; false when it ended before.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start(entry: &str, arguments: &[&OsStr], log: &Path) -> io::Result<bool> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(entry)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .current_dir("/")
        .spawn()?;
    let mut answer = String::new();
    if let Some(out) = child.stdout.take() {
        // One line, or nothing when it dies.
        BufReader::new(out).read_line(&mut answer)?;
    }
    let ready = answer.trim() == "ready";
    if !ready {
        child.wait()?;
    }
    Ok(ready)
}

/// One of the arguments that a process was started with.
///
/// # Errors
/// When there are fewer.
pub(crate) fn argument(arguments: &[String], at: usize) -> io::Result<&str> {
    arguments.get(at).map(String::as_str).ok_or_else(|| io::Error::other("too few arguments"))
}

/// Closes what was inherited. Whoever starts a lab may have files open that programs inherit without
/// being told: a pipe that would never end, a lock that would never go. The provider lives on, and must
/// not hold them.
///
/// # Errors
/// When the open files cannot be listed.
pub(crate) fn let_go() -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.flatten().map(|entry| entry.file_name());
    let open: Vec<RawFd> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The one that the list was read from is closed already.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// How a process ends, with its error where it has one.
#[expect(clippy::print_stderr, reason = "standard error is the provider's log file")]
pub(crate) fn report(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

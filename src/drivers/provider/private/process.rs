//! What all processes of a private provider begin and end with.

use std::os::fd::RawFd;
use std::process::ExitCode;
use std::{fs, io};

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

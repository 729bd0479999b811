//! A program of the person's own inside the provider's network. Its files, and all else, are those outside.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};

use crate::drivers::provider::private::process::argument;

/// Entry of `lab engine-inside PID PROGRAM ARGUMENTS...`: becomes the program.
///
/// # Errors
/// When the provider is gone or another user's, or the program cannot be run.
pub(crate) fn become_program(arguments: &[String]) -> io::Result<()> {
    let pid: u32 = argument(arguments, 0)?.parse().map_err(io::Error::other)?;
    let program = argument(arguments, 1)?;
    let join = |name: &str, kind: CloneFlags| {
        let path = format!("/proc/{pid}/ns/{name}");
        let file =
            File::open(&path).map_err(|error| io::Error::other(format!("{path}: {error}")))?;
        setns(file, kind).map_err(|error| io::Error::other(format!("enter {path}: {error}")))
    };
    if !nix::unistd::geteuid().is_root() {
        join("user", CloneFlags::CLONE_NEWUSER)?;
    }
    join("net", CloneFlags::CLONE_NEWNET)?;
    let error = Command::new(program).args(arguments.get(2..).unwrap_or_default()).exec();
    Err(io::Error::other(format!("run {program}: {error}")))
}

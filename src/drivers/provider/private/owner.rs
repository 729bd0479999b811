//! A user namespace for people who are not root: inside they are, over their own files and over
//! namespaces that they made. Ids beyond their own come from the ranges that `/etc/subuid` and
//! `/etc/subgid` give them.
//!
//! The ranges are written by `newuidmap` and `newgidmap`, from outside the new namespace. A helper that
//! is started before stands outside.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::drivers::host::{self, find_program, run_tool};
use crate::drivers::provider::private::process::argument;

/// Ids that libvirt's helpers need: all that Debian gives to accounts.
const WANTED: u32 = 65_536;

/// A range of ids that a person may give away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First id outside.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// The first range of `user`, known by name or number, in a file like `/etc/subuid`.
fn range(text: &str, user: &str, uid: u32) -> Option<Range> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut parts = line.trim().split(':');
        let owner = parts.next()?;
        let (first, count) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (owner == user || owner == uid).then_some(Range { first, count })
    })
}

/// The ranges of whoever runs this, for users and for groups.
///
/// # Errors
/// Which file lacks a line, and how to add it.
pub fn ranges() -> io::Result<(Range, Range)> {
    let (name, uid) = (host::user(), geteuid());
    let read = |path: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        range(&text, &name, uid.as_raw()).ok_or_else(|| {
            io::Error::other(format!(
                "{path} gives {name} no range of ids: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            ))
        })
    };
    Ok((read("/etc/subuid")?, read("/etc/subgid")?))
}

/// Enters a user namespace whose root is whoever runs this; nothing for root itself. No thread may
/// exist yet.
///
/// # Errors
/// When user namespaces are disabled, or ids cannot be had.
pub(crate) fn become_root() -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    ranges()?;
    let mut helper = Command::new(std::env::current_exe()?)
        .arg("engine-mapper")
        .arg(std::process::id().to_string())
        .args([geteuid().to_string(), getegid().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| {
        io::Error::other(format!(
            "make a user namespace: {error}; `lab doctor` tells whether this computer forbids them"
        ))
    })?;
    if let Some(mut begin) = helper.stdin.take() {
        begin.write_all(b"begin\n")?;
    }
    let mut answer = String::new();
    if let Some(mut out) = helper.stdout.take() {
        out.read_to_string(&mut answer)?;
    }
    helper.wait()?;
    match answer.trim() {
        "done" => Ok(()),
        why => Err(io::Error::other(format!("map ids: {why}"))),
    }
}

/// Entry of `lab engine-mapper PID UID GID`: waits until the process has its namespace, and maps the ids of
/// its starter.
///
/// # Errors
/// When a tool refuses; it is also said on standard output.
pub(crate) fn map(arguments: &[String]) -> io::Result<()> {
    let [pid, uid, gid] =
        [argument(arguments, 0)?, argument(arguments, 1)?, argument(arguments, 2)?];
    let mut line = String::new();
    if BufReader::new(io::stdin()).read_line(&mut line)? == 0 {
        // Whoever asked has no namespace to map.
        return Ok(());
    }
    let mapped = (|| {
        let (users, groups) = ranges()?;
        for (tool, own, range) in [("newuidmap", uid, users), ("newgidmap", gid, groups)] {
            if find_program(tool).is_none() {
                return Err(io::Error::other(format!(
                    "{tool} is not installed: sudo apt install uidmap"
                )));
            }
            let count = range.count.min(WANTED - 1).to_string();
            let first = range.first.to_string();
            run_tool(tool, &[pid, "0", own, "1", "1", &first, &count]).map_err(io::Error::other)?;
        }
        Ok(())
    })();
    let answer =
        mapped.as_ref().map_or_else(|error: &io::Error| error.to_string(), |()| "done".into());
    writeln!(io::stdout(), "{answer}")
}

/// Entry of `lab engine-remove DIR...`: removes what belongs to ids of a range, which its giver may do
/// only as root of a user namespace.
///
/// # Errors
/// When something cannot be removed.
pub(crate) fn remove(arguments: &[String]) -> io::Result<()> {
    become_root()?;
    for path in arguments {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io::Error::other(format!("remove {path}: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_by_name_and_number() {
        let text = "root:1:2\nanna:100000:65536\n1001:200000:1000\nbroken:x:1\n";
        assert_eq!(range(text, "anna", 1000), Some(Range { first: 100_000, count: 65_536 }));
        assert_eq!(range(text, "bert", 1001), Some(Range { first: 200_000, count: 1000 }));
        assert_eq!(range(text, "broken", 7), None);
        assert_eq!(range(text, "nobody", 65_534), None);
    }
}

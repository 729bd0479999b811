//! Where the processes of a private provider begin: the `lab` program, started under hidden names.
//!
//! All of them run before any thread exists, as the kernel demands of processes that change namespaces.

use std::io;
use std::process::ExitCode;

use crate::drivers::provider::private::process::report;
use crate::drivers::provider::private::{inside, owner, supervisor, uplink};

/// A process: its hidden name, and what it does.
type Entry = (&'static str, fn(&[String]) -> io::Result<()>);

/// Every process of a private provider. The names stay as they are: programs of earlier versions
/// that still run are known by them.
const ENTRIES: &[Entry] = &[
    ("engine-supervisor", supervisor::supervise),
    ("engine-init", supervisor::init),
    ("engine-mapper", owner::map),
    ("engine-inside", inside::become_program),
    ("engine-remove", owner::remove),
    ("engine-uplink", uplink::keep),
];

/// Runs the process of that name to its end; `None` where `name` is none of them.
pub fn entry(name: &str, arguments: &[String]) -> Option<ExitCode> {
    let (_, run) = ENTRIES.iter().find(|(known, _)| *known == name)?;
    Some(report(run(arguments)))
}

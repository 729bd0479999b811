//! `lab hosts`: the nodes' names for this computer.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::Hosts;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{print, say};
use crate::cli::session::load;
use crate::drivers::host::hosts_file;
use crate::kubernetes::hosts;

pub(crate) fn run(global: &Global, arguments: &Hosts) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let (label, lines) = (hosts_file::label(&session.lab), hosts(&session.lab));
    if !arguments.install && !arguments.remove {
        print(&lines);
        return Ok(ExitCode::SUCCESS);
    }
    let path = Path::new(hosts_file::PATH);
    let changed = hosts_file::set_block(
        session.store.failpoints(),
        path,
        &label,
        arguments.install.then_some(&lines),
    );
    let changed = changed.map_err(|error| {
        let failure = Failure::failed(format!(
            "write the block of lab {label} to {}: {error}",
            path.display()
        ));
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                failure.hint("it is root's: sudo lab hosts ...")
            }
            _ => failure,
        }
    })?;
    say(
        global,
        match (changed, arguments.install) {
            (true, true) => "written; `lab hosts --remove` and `lab down` take it away",
            (true, false) => "removed",
            (false, _) => "nothing to do",
        },
    );
    Ok(ExitCode::SUCCESS)
}

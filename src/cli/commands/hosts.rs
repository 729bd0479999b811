//! `lab hosts`: the nodes' names for this computer.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::args::Hosts;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{print, say};
use crate::cli::session::load;
use crate::drivers::host::{self, hosts_file};
use crate::kubernetes::hosts;
use crate::model::name::lab_id;
use crate::model::{Lab, Owner};

pub(crate) fn run(global: &Global, arguments: &Hosts) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let has_lab = session.store.record()?.is_some();
    let label = label(&session.lab, &host::owner(), has_lab, sudo_user());
    let lines = hosts(&session.lab);
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

/// Who called sudo, where root is somebody who did.
fn sudo_user() -> Option<u32> {
    let is_root = nix::unistd::geteuid().is_root();
    std::env::var("SUDO_UID").ok().filter(|_| is_root)?.parse().ok()
}

/// Whose lab the block is of: root's own where root has one of that name, else that of the person who called sudo,
/// so that their `lab down` knows it.
fn label(lab: &Lab, owner: &Owner, has_lab: bool, sudo_user: Option<u32>) -> String {
    match sudo_user.filter(|_| !has_lab) {
        None => hosts_file::label(lab),
        Some(uid) => {
            let id = lab_id(&Owner { uid, ..owner.clone() }, &lab.name);
            hosts_file::label(&Lab { id, ..lab.clone() })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::topology;

    #[test]
    fn a_block_that_sudo_wrote_is_the_persons() {
        let owner = |uid| Owner { machine: "here".into(), uid };
        let text = "name: a\nnetwork: {cidr: 10.1.0.0/24}\nkubernetes: none\nnodes: {web: {}}\n";
        let lab = |uid| topology::load(text, &owner(uid)).unwrap().lab;
        let persons = hosts_file::label(&lab(1000));
        let roots = hosts_file::label(&lab(0));
        assert_ne!(persons, roots);
        assert_eq!(label(&lab(0), &owner(0), false, Some(1000)), persons);
        // Whoever runs labs as root by sudo has the lab there.
        assert_eq!(label(&lab(0), &owner(0), true, Some(1000)), roots);
        assert_eq!(label(&lab(1000), &owner(1000), false, None), persons);
    }
}

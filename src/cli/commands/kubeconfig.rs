//! `lab kubeconfig`.

use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{info, print, say};
use crate::cli::session::load;
use crate::drivers::host::kubeconfig_file;
use crate::engine::{self, ProviderKind, Session};

pub(crate) fn run(global: &Global, local: Option<u16>, merge: bool) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    let text = engine::administrator_kubeconfig(&session, local)?;
    match merge {
        true => merged(global, &session, &text)?,
        false => print(&text),
    }
    if local.is_none() && matches!(session.provider, ProviderKind::Private(_)) && !global.quiet {
        info(
            "note: a private lab's addresses are reached from inside it: `lab kubectl`, `lab shell`, or `lab forward` and `lab kubeconfig --local`",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the lab into the person's own file; `down` is told where before it is there.
fn merged(global: &Global, session: &Session, text: &str) -> Result<(), Failure> {
    let path = kubeconfig_file::path()
        .ok_or_else(|| Failure::usage("neither KUBECONFIG nor HOME says where yours is"))?;
    let path = std::path::absolute(&path).unwrap_or(path);
    engine::remember_kubeconfig(&session.store, &path)?;
    let name = engine::context(&session.lab);
    let authorities = session.store.authorities()?;
    let points = session.store.failpoints();
    kubeconfig_file::merge(points, &path, &name, &authorities, text).map_err(|error| {
        Failure::failed(format!("merge the lab into {}: {error}", path.display()))
            .hint("nothing was changed; `lab kubeconfig > FILE` writes one of its own")
    })?;
    say(
        global,
        &format!(
            "the context {name} in {} is the current one; `lab down` takes it out again",
            path.display()
        ),
    );
    Ok(())
}

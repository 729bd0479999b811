//! `lab kubeconfig`.

use std::process::ExitCode;

use super::args::Global;
use super::failure::Failure;
use super::load;
use super::output::{complain, print};
use crate::engine::Place;
use crate::pki::{Identity, Issuer, kubeconfig};

pub(super) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let bundle = session.store.bundle()?;
    let failed = |error: crate::pki::PkiError| {
        Failure::failed(error.to_string()).hint("is the lab up? `lab status`")
    };
    let pair = bundle.pair(Identity::Admin).map_err(failed)?;
    let ca = bundle.ca(Issuer::Kubernetes).map_err(failed)?;
    let Some(endpoint) = session.lab.api_endpoint() else {
        return Err(Failure::failed("find an API server: the lab has no controller"));
    };
    let server = format!("https://{endpoint}:6443");
    print(&kubeconfig(&session.lab.name, &server, ca, "kubernetes-admin", pair));
    if matches!(session.place, Place::Private(_)) && !global.quiet {
        complain(
            "note: a private lab's addresses are reached from inside it; `lab kubectl` works from here",
        );
    }
    Ok(ExitCode::SUCCESS)
}

//! `lab kubeconfig`.

use std::process::ExitCode;

use super::args::Global;
use super::failure::Failure;
use super::load;
use super::output::{complain, print};
use crate::engine::{Place, Session};
use crate::model::code;
use crate::pki::{Identity, Issuer, kubeconfig};

pub(super) fn run(global: &Global, local: Option<u16>) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    print(&text(&session, local)?);
    if local.is_none() && matches!(session.place, Place::Private(_)) && !global.quiet {
        complain(
            "note: a private lab's addresses are reached from inside it: `lab kubectl`, `lab shell`, or `lab forward` and `lab kubeconfig --local`",
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The administrator's kubeconfig: for the lab's own address of the API, or a port of this computer.
pub(super) fn text(session: &Session, local: Option<u16>) -> Result<String, Failure> {
    let bundle = session.store.bundle()?;
    let failed = |error: crate::pki::PkiError| {
        Failure::failed(error.to_string()).code(&code::NOT_UP).hint("is the lab up? `lab status`")
    };
    let pair = bundle.pair(Identity::Admin).map_err(failed)?;
    let ca = bundle.ca(Issuer::Kubernetes).map_err(failed)?;
    let server = match (local, session.lab.api_endpoint()) {
        (Some(port), _) => format!("https://127.0.0.1:{port}"),
        (None, Some(endpoint)) => format!("https://{endpoint}:6443"),
        (None, None) => {
            return Err(Failure::failed("find an API server: the lab has no controller")
                .code(&code::NO_SUCH));
        }
    };
    Ok(kubeconfig(&session.lab.name, &server, ca, "kubernetes-admin", pair))
}

//! The lab in people's own kubeconfigs: where it was put, so that `down` takes it out.

use std::path::{Path, PathBuf};

use crate::drivers::host::kubeconfig_file;
use crate::drivers::state::{Store, StoreError};
use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::model::{Lab, code};
use crate::pki::{Bundle, Identity, Issuer, Pair, PkiError, in_namespace};

/// File of the lab's directory with a path per line.
const FILE: &str = "kubeconfigs";

/// What the lab is called there.
pub fn context(lab: &Lab) -> String {
    format!("lab-{}", lab.name)
}

/// Writes down that the lab will be in the file `path`.
///
/// # Errors
/// When the lab's directory cannot be read or written.
pub fn remember_kubeconfig(store: &Store, path: &Path) -> Result<(), StoreError> {
    let mut all = known(store)?;
    if !all.iter().any(|known| known == path) {
        all.push(path.to_owned());
        let lines: String = all.iter().map(|path| format!("{}\n", path.display())).collect();
        store.write(FILE, &lines)?;
    }
    Ok(())
}

fn known(store: &Store) -> Result<Vec<PathBuf>, StoreError> {
    let text = store.read(FILE)?.unwrap_or_default();
    Ok(text.lines().map(PathBuf::from).collect())
}

/// The files in which the lab still is.
pub(crate) fn still_there(lab: &Lab, store: &Store) -> Result<Vec<PathBuf>, EngineError> {
    let paths = known(store)?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    // Keys that are damaged keep nobody from `down`.
    let authorities = store.authorities()?;
    let name = context(lab);
    Ok(paths.into_iter().filter(|path| kubeconfig_file::has(path, &name, &authorities)).collect())
}

/// Brings the files that still have the lab its certificates of now; which those are.
///
/// # Errors
/// When one of them cannot be read or written.
pub fn refresh(session: &Session) -> Result<Vec<PathBuf>, EngineError> {
    let paths = still_there(&session.lab, &session.store)?;
    refresh_these(session, &paths)?;
    Ok(paths)
}

/// The same for files that had the lab before its own keys changed.
pub(crate) fn refresh_these(session: &Session, paths: &[PathBuf]) -> Result<(), EngineError> {
    if paths.is_empty() {
        return Ok(());
    }
    let (name, ours) = (context(&session.lab), administrator_kubeconfig(session, None)?);
    for path in paths {
        let points = session.store.failpoints();
        kubeconfig_file::refresh(points, path, &name, &ours).map_err(|error| {
            let what = format!("bring {} the lab's certificates: {error}", path.display());
            EngineError::of(&code::COMPUTER, what).hint("`lab kubeconfig --merge`")
        })?;
    }
    Ok(())
}

pub(crate) fn remove(store: &Store, path: &Path, name: &str) -> Result<(), EngineError> {
    kubeconfig_file::remove(store.failpoints(), path, name).map_err(|error| {
        let what = format!("take the context {name} out of {}: {error}", path.display());
        EngineError::of(&code::COMPUTER, what).hint("mend the file, then `lab down` again")
    })
}

/// The administrator's kubeconfig: for the lab's own address of the API, or a port of this computer.
///
/// # Errors
/// When the lab has no certificates yet, or no controller.
pub fn administrator_kubeconfig(
    session: &Session,
    local: Option<u16>,
) -> Result<String, EngineError> {
    let bundle = session.store.bundle()?;
    let pair = bundle.pair(Identity::Admin).map_err(|error| no_certificates(&error))?;
    kubeconfig_of(session, &bundle, ("kubernetes-admin", pair), None, local)
}

fn no_certificates(error: &PkiError) -> EngineError {
    EngineError::of(&code::NOT_UP, error.to_string()).hint("is the lab up? `lab status`")
}

/// The same for the user of that name and certificate.
pub(crate) fn kubeconfig_of(
    session: &Session,
    bundle: &Bundle,
    (user, pair): (&str, &Pair),
    namespace: Option<&str>,
    local: Option<u16>,
) -> Result<String, EngineError> {
    let ca = bundle.ca(Issuer::Kubernetes).map_err(|error| no_certificates(&error))?;
    let server = match (local, session.lab.api_endpoint()) {
        (Some(port), _) => format!("https://127.0.0.1:{port}"),
        (None, Some(endpoint)) => format!("https://{endpoint}:{}", session.lab.kubernetes.api_port),
        (None, None) => {
            return Err(EngineError::of(
                &code::NO_SUCH,
                "find an API server: the lab has no controller",
            ));
        }
    };
    Ok(in_namespace(&session.lab.name, &server, &ca, user, pair, namespace))
}

//! People who use a cluster: a kubeconfig of one's own, and what one may do by it.

use time::OffsetDateTime;

use crate::engine::cluster::script::failed;
use crate::engine::lab::kubeconfig::kubeconfig_of;
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::Reach;
use crate::engine::task::error::EngineError;
use crate::model::user::{Grant, User};
use crate::model::{Node, Role, code};
use crate::pki;

/// What a person is given.
#[derive(Debug)]
pub struct Given {
    /// The kubeconfig.
    pub kubeconfig: String,
    /// When its certificate ends.
    pub ends: OffsetDateTime,
}

/// A kubeconfig for a person, with a certificate that nobody keeps; `local` is a port of this computer that
/// leads to the API, and `namespace` where it begins.
///
/// # Errors
/// When the lab has no certificates yet, or the name is a program's.
pub fn kubeconfig(
    session: &Session,
    user: &User,
    namespace: Option<&str>,
    local: Option<u16>,
) -> Result<Given, EngineError> {
    let bundle = session.of_flavour(session.store.bundle()?);
    let issued = pki::user(&bundle, &session.lab, user, OffsetDateTime::now_utc());
    let issued = issued.map_err(|error| {
        EngineError::of(&code::NO_SUCH, format!("make a certificate: {error}"))
            .hint("another name; is the lab up? `lab status`")
            .preflight()
    })?;
    let kubeconfig = kubeconfig_of(session, &bundle, (&user.name, &issued.pair), namespace, local)?;
    Ok(Given { kubeconfig, ends: issued.ends })
}

/// Has the cluster allow a person something.
///
/// # Errors
/// When no controller answers, or there is no such role or namespace.
pub async fn admit(session: &Session, reach: &Reach, grant: &Grant) -> Result<(), EngineError> {
    let script = (session.flavour().operations.admit)(&session.templates, grant)?;
    let task = format!("let {} {}", grant.user, grant.role);
    asked(session, reach, &task, &script).await.map(drop)
}

/// Takes away what [`admit`] gave a person; what that was, one a line.
///
/// # Errors
/// When no controller answers.
pub async fn dismiss(
    session: &Session,
    reach: &Reach,
    user: &str,
) -> Result<Vec<String>, EngineError> {
    let script = (session.flavour().operations.dismiss)(&session.templates, user)?;
    let said = asked(session, reach, &format!("take away what {user} may do"), &script).await?;
    // Where there is nothing, kubectl says that there, too.
    Ok(said.lines().filter(|line| line.contains('/')).map(str::to_owned).collect())
}

/// Asks the first controller that answers.
async fn asked(
    session: &Session,
    reach: &Reach,
    task: &str,
    script: &str,
) -> Result<String, EngineError> {
    let mut last = EngineError::of(&code::NO_SUCH, format!("{task}: the lab has no controller"));
    let controllers: Vec<&Node> = session.lab.with_role(Role::ControlPlane).collect();
    for node in controllers {
        match reach(node).run(script).await {
            Ok(output) if output.status == 0 => {
                return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
            }
            Ok(output) => last = failed(node, task, &output.text()),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

//! Configuration files of the API server: encryption at rest, audit, admission, role bindings.

use serde::Serialize;

use crate::kubernetes::stage::{Context, StageError};
use crate::kubernetes::step::Step;
use crate::model::lab::PodSecurity;

/// Where the bindings of the lab's groups are written down.
pub(crate) const BINDINGS: &str = "/etc/kubernetes/lab/bindings.yaml";

#[derive(Serialize)]
struct Key<'a> {
    generation: u32,
    key: &'a str,
}

#[derive(Serialize)]
struct Encryption<'a> {
    /// What is written is encrypted with the first.
    keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Admission {
    /// Version of the plugin's API.
    api: Option<&'static str>,
    /// A level of the Pod Security Standards, where the plugin is there and has something to do.
    pod_security: Option<&'static str>,
}

fn admission(context: &Context<'_>) -> Admission {
    let level = context.lab.kubernetes.pod_security;
    let api = context.platform.version.capabilities().pod_security;
    let restricts = api.is_some() && level != PodSecurity::Privileged;
    Admission { api, pod_security: restricts.then(|| level.name()) }
}

pub(crate) fn files(context: &Context<'_>) -> Result<Vec<Step>, StageError> {
    let render =
        |name: &str| context.templates.render(&format!("stages/control_plane/{name}.yaml.j2"), &());
    let keys = context.bundle.encryption()?.into_iter();
    let keys = keys.map(|(generation, key)| Key { generation, key });
    let encryption = context
        .templates
        .render("stages/control_plane/encryption.yaml.j2", &Encryption { keys: keys.collect() })?;
    let admission =
        context.templates.render("stages/control_plane/admission.yaml.j2", &admission(context))?;
    Ok(vec![
        Step::secret("/etc/kubernetes/encryption.yaml", encryption),
        Step::private("/etc/kubernetes/audit-policy.yaml", render("audit-policy")?),
        Step::private("/etc/kubernetes/admission.yaml", admission),
        Step::private("/etc/kubernetes/event-rate-limit.yaml", render("event-rate-limit")?),
        Step::private(BINDINGS, render("bindings")?),
    ])
}

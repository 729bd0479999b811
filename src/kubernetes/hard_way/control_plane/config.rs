//! Configuration files of the API server: encryption at rest, audit, admission, role bindings.

use serde::Serialize;

use crate::kubernetes::stage::{Context, StageError};
use crate::kubernetes::step::Step;

/// Where the bindings of the lab's groups are written down.
pub(crate) const BINDINGS: &str = "/etc/kubernetes/lab/bindings.yaml";

#[derive(Serialize)]
struct Key<'a> {
    key: &'a str,
}

pub(crate) fn files(context: &Context<'_>) -> Result<Vec<Step>, StageError> {
    let render =
        |name: &str| context.templates.render(&format!("stages/control_plane/{name}.yaml.j2"), &());
    let encryption = context.templates.render(
        "stages/control_plane/encryption.yaml.j2",
        &Key { key: &context.bundle.encryption_key.0 },
    )?;
    Ok(vec![
        Step::secret("/etc/kubernetes/encryption.yaml", encryption),
        Step::private("/etc/kubernetes/audit-policy.yaml", render("audit-policy")?),
        Step::private("/etc/kubernetes/admission.yaml", render("admission")?),
        Step::private("/etc/kubernetes/event-rate-limit.yaml", render("event-rate-limit")?),
        Step::private(BINDINGS, render("bindings")?),
    ])
}

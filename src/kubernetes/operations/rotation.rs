//! What a rotation asks of the cluster once all nodes have one of its phases: what Kubernetes itself gave to
//! pods, or wrote down, by what is left behind.

use minijinja::context;

use crate::kubernetes::flavour::{Aftermath, Where};
use crate::kubernetes::stage::{Duty, KUBECTL, StageError};
use crate::pki::{Bundle, Phase, Root};
use crate::render::Templates;

/// In the order in which it is done; each may be done again.
///
/// # Errors
/// When a script cannot be rendered, or the bundle lacks a key.
pub(crate) fn rotated(
    templates: &Templates,
    bundle: &Bundle,
    root: Root,
) -> Result<Vec<Aftermath>, StageError> {
    // A command of ours, no word of a topology's.
    let kubectl = minijinja::Value::from_safe_string(KUBECTL.to_owned());
    let render = |name: &str, data: minijinja::Value| {
        templates.render(&format!("stages/operations/{name}.sh.j2"), &data)
    };
    let one = |title, script| Aftermath { title, at: Where::Any(Duty::Api), script, note: None };
    Ok(match (root, bundle.standing(root).phase) {
        (Root::Ca, Some(Phase::Trusted)) => {
            let given = render("pods-given", context! { kubectl => kubectl.clone() })?;
            let mounted = render("pods-mounted", context! {})?;
            let script = render("pods-trust", context! { kubectl })?;
            let note = "pods of your own that ask the API trust the old authority alone until they start again: \
                        `lab kubectl rollout restart deployment NAME`";
            vec![
                one("give namespaces both authorities", given),
                Aftermath {
                    title: "give pods both authorities",
                    at: Where::Every(Duty::Pods),
                    script: mounted,
                    note: None,
                },
                Aftermath { note: Some(note), ..one("have pods trust both authorities", script) },
            ]
        }
        (Root::ServiceAccount, Some(Phase::Signing)) => {
            let former = bundle.former_token_key()?;
            let script = render("tokens-anew", context! { kubectl, former => &former })?;
            let left = render("tokens-left", context! { former => &former })?;
            vec![
                one("sign kept tokens anew", script),
                Aftermath {
                    title: "give pods new tokens",
                    at: Where::Every(Duty::Pods),
                    script: left,
                    note: None,
                },
            ]
        }
        (Root::EncryptionKey, Some(Phase::Signing)) => {
            vec![one("encrypt Secrets anew", render("secrets-anew", context! { kubectl })?)]
        }
        _ => Vec::new(),
    })
}

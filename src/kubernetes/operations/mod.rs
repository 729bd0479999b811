//! Operations on a running cluster, as scripts: those that kubectl and etcdctl carry out, whatever the
//! flavour.

pub mod etcd;
pub mod link;
pub mod machine;
pub mod retire;
pub(crate) mod rotation;
mod traces;
pub(crate) mod users;

use std::net::Ipv4Addr;

use minijinja::context;

use crate::kubernetes::flavour::Script;
use crate::kubernetes::stage::Shipped;
use crate::render::Templates;

/// The scripts.
pub(crate) const TEMPLATES: Shipped = templates!(
    "operations":
    "admit.sh.j2",
    "api.sh.j2",
    "close.sh.j2",
    "dismiss.sh.j2",
    "drain.sh.j2",
    "etcd-healthy.sh.j2",
    "etcd-load.sh.j2",
    "etcd-refound.sh.j2",
    "etcd-save.sh.j2",
    "etcd-set-aside.sh.j2",
    "etcd-survey.sh.j2",
    "etcd-unpack.sh.j2",
    "forget.sh.j2",
    "give-back.sh.j2",
    "leave-etcd.sh.j2",
    "link.sh.j2",
    "move-pods.sh.j2",
    "news.sh.j2",
    "open.sh.j2",
    "pods-given.sh.j2",
    "pods-mounted.sh.j2",
    "pods-trust.sh.j2",
    "readiness.sh.j2",
    "retire.sh.j2",
    "secrets-anew.sh.j2",
    "settle.sh.j2",
    "take.sh.j2",
    "tokens-anew.sh.j2",
    "tokens-left.sh.j2",
);

/// A kubelet that is dead never says that its pods ended: they are waited for no longer than two minutes
/// beyond their time.
pub(crate) fn drain(templates: &Templates, node: &str) -> Script {
    templates.render("stages/operations/drain.sh.j2", &context! { node })
}

pub(crate) fn forget(templates: &Templates, node: &str) -> Script {
    templates.render("stages/operations/forget.sh.j2", &context! { node })
}

/// A node that a person closed stays so: ours carry an annotation.
pub(crate) fn close(templates: &Templates, node: &str) -> Script {
    templates.render("stages/operations/close.sh.j2", &context! { node })
}

pub(crate) fn open(templates: &Templates, node: &str) -> Script {
    templates.render("stages/operations/open.sh.j2", &context! { node })
}

/// A member of etcd leaves, asked of another one by `client`, etcdctl's options there.
pub(crate) fn leave_etcd(
    templates: &Templates,
    client: &str,
    node: &str,
    address: Option<Ipv4Addr>,
) -> Script {
    // No peer has this address where none is known.
    let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED).to_string();
    templates.render("stages/operations/leave-etcd.sh.j2", &context! { client, node, address })
}

pub(crate) fn settle(templates: &Templates, serves: &str) -> Script {
    // A condition of ours, no word of a topology's.
    let serves = minijinja::Value::from_safe_string(serves.to_owned());
    templates.render("stages/operations/settle.sh.j2", &context! { serves })
}

pub(crate) fn readiness(templates: &Templates) -> Script {
    templates.render("stages/operations/readiness.sh.j2", &context! {})
}

/// Readiness by node name, from what [`readiness`] printed. Lines that say something else are left out.
pub fn ready_nodes(text: &str) -> impl Iterator<Item = (String, bool)> {
    let line = |line: &str| {
        let (name, ready) = line.split_once(' ')?;
        Some((name.to_owned(), ready == "True"))
    };
    text.lines().filter_map(line)
}

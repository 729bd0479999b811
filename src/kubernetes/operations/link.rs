//! A node's link made worse on purpose, and as it was again. Nothing of it outlives a restart of the node.

use minijinja::context;

use crate::kubernetes::flavour::Script;
use crate::model::link::Link;
use crate::model::{Lab, Node};
use crate::render::Templates;

/// Changes the link of a node; `None` only looks. Prints what it is like then, nothing where it is as always.
///
/// # Errors
/// When the template cannot be rendered.
pub fn link(templates: &Templates, lab: &Lab, node: &Node, change: Option<&Link>) -> Script {
    let address = node.address.to_string();
    let ssh: Vec<String> = lab.ssh_ports(node).iter().map(u16::to_string).collect();
    let ssh = ssh.join(", ");
    let emulation = change.map(Link::emulation);
    let (changes, is_down) = (change.is_some(), change.is_some_and(|link| link.is_down));
    let data = context! { address, ssh, changes, emulation, is_down };
    templates.render("stages/operations/link.sh.j2", &data)
}

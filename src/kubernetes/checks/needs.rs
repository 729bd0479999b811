//! What stages need of a node, added up and asked for by `lab inspect`: whether the node is fit for
//! them, before they run and at any time after. Nothing is changed on it.

use minijinja::{Value, context};

use crate::kubernetes::checks::check::Check;
use crate::kubernetes::checks::port::Port;
use crate::kubernetes::checks::scope::{self, Scope};
use crate::model::{Lab, Node, port};
use crate::render::RenderError;

/// What a stage needs of a node.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// MiB of memory that its programs take, measured with Kubernetes 1.20 and nothing else to do.
    pub memory: u32,
    /// MiB of disk that it fills soon.
    pub disk: u32,
    /// Ports that it has there.
    pub ports: &'static [Port],
    /// Programs that it installs.
    pub programs: &'static [&'static str],
}

impl Needs {
    /// Nothing that is worth a word.
    pub const NOTHING: Needs = Needs { memory: 0, disk: 0, ports: &[], programs: &[] };
}

/// Memory, disk, ports and programs for all stages of a node.
pub(crate) fn checks(
    scope: &Scope<'_>,
    node: &Node,
    needs: &[Needs],
) -> Result<Vec<Check>, RenderError> {
    let script = |name: &str, data: Value| scope::script(scope.templates, "checks", name, data);
    let memory: u32 = needs.iter().map(|needs| needs.memory).sum();
    let disk: u32 = needs.iter().map(|needs| needs.disk).sum();
    let ports: Vec<Port> = ports(scope.lab, needs).filter(Port::is_taken).collect();
    let installed = needs.iter().flat_map(|needs| needs.programs.iter().copied());
    let programs: Vec<&str> =
        ["curl", "ip", "nft", "openssl"].into_iter().chain(installed).collect();
    Ok(vec![
        scope.one(
            "memory",
            node,
            format!("it has the {memory} MiB of memory that its roles take"),
            script("memory", context! { needed => memory })?,
            "more `memory` in the topology, then `lab up`",
        ),
        // Space that is free, or was taken by what it is for.
        scope.one(
            "disk",
            node,
            format!("its disk has room for the {disk} MiB that its roles fill"),
            script("disk", context! { needed => disk })?,
            "a larger `disk` in the topology (the node is made anew), or `lab exec -- sudo journalctl --vacuum-size=50M`",
        ),
        scope.one(
            "ports",
            node,
            "the ports of its roles are free, or have whom they are for",
            script("ports", context! { needed => scope::value(&ports) })?,
            "`ss -ltnp` names the process; stop and disable its unit",
        ),
        scope.one(
            "programs",
            node,
            "the programs that its stages install are here",
            script("programs", context! { programs => programs.join(" ") })?,
            "`lab up` installs them; where it cannot, the image must have them",
        ),
    ])
}

/// The ports of all stages of a node, with the API's where the lab has it.
pub(crate) fn ports(lab: &Lab, needs: &[Needs]) -> impl Iterator<Item = Port> {
    let api = lab.kubernetes.api_port;
    needs.iter().flat_map(|needs| needs.ports).copied().map(move |port| match port.number {
        port::API => Port { number: api, last: api, ..port },
        _ => port,
    })
}

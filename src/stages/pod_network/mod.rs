//! `pod-network`: routed pods. Each worker bridges its own pod subnet, and every node has a route
//! to each of them; traffic to the outside leaves under the node's address.

use serde::Serialize;

use super::{After, Context, Stage, StageError, Step};
use crate::model::{Lab, Node, Role};

pub(super) const STAGE: Stage = Stage {
    name: "pod-network",
    title: "Pod network",
    why: "A pod must reach every other pod without address translation; here plain routes do it.",
    after: &[After::SameNode("os")],
    nodes: |lab| {
        let needs = |node: &&Node| node.is(Role::Worker) || node.is(Role::ControlPlane);
        lab.nodes.iter().filter(needs).collect()
    },
    steps,
};

#[derive(Serialize)]
struct Route {
    subnet: String,
    via: String,
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    subnet: Option<String>,
    routes: Vec<Route>,
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let others = context.lab.with_role(Role::Worker).filter(|other| other.name != node.name);
    let route = |other: &Node| {
        let subnet = other.pod_subnet?.to_string();
        Some(Route { subnet, via: other.address.to_string() })
    };
    let data = Data {
        lab: context.lab,
        subnet: node.pod_subnet.map(|subnet| subnet.to_string()),
        routes: others.filter_map(route).collect(),
    };
    let render =
        |name: &str| context.templates.render(&format!("stages/pod_network/{name}.j2"), &data);
    let mut steps: Vec<Step> = super::packages(context, node, "pod-network").into_iter().collect();
    if data.subnet.is_some() {
        steps.push(Step::file("/etc/cni/net.d/10-lab.conflist", render("10-lab.conflist")?));
        steps.push(Step::file("/etc/cni/net.d/99-loopback.conf", render("99-loopback.conf")?));
    }
    steps.extend([
        Step::file("/etc/lab/pod-network.nft", render("pod-network.nft")?),
        // networkd would remove routes it does not know whenever it reconfigures the link.
        Step::file(
            "/etc/systemd/networkd.conf.d/lab.conf",
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n",
        ),
        Step::file(
            "/etc/systemd/system/lab-pod-network.service",
            render("lab-pod-network.service")?,
        ),
        Step::Unit { name: "lab-pod-network.service".into() },
    ]);
    Ok(steps)
}

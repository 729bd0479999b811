//! `load-balancer`: HAProxy on load balancers, keepalived wherever a floating address may be.
//!
//! Both ways to a highly available API: a floating address on the controllers themselves, or
//! HAProxy before them with a floating address on the load balancers. Where one node is both,
//! HAProxy has port 6443 of the floating address and the API server that of the node's own.

mod checks;

use serde::Serialize;

use crate::kubernetes::stage::{After, Context, Retire, Stage, StageError, Turns};
use crate::kubernetes::step::{Run, Step, Wait};
use crate::model::lab::Vip;
use crate::model::{Lab, Node, Role, port};
use crate::pki::{Identity, Issuer};
use crate::render::Templates;

pub(crate) const STAGE: Stage = Stage {
    name: "load-balancer",
    title: "Load balancers and floating addresses",
    why: "Clients know one address of the API; it must lead to an API server that is ready, \
          whichever node is down.",
    after: &[After::SameNode("os"), After::AllNodes("control-plane")],
    nodes: |lab| lab.nodes.iter().filter(|node| takes_part(lab, node)).collect(),
    steps,
    turns: Turns::Rolling,
    serves: Some(checks::SERVES),
    // Packages bring files of their own.
    retire: Retire::WithData(&["/etc/haproxy", "/etc/keepalived"]),
    units: &["keepalived.service", "haproxy.service"],
    checks: checks::checks,
    needs: checks::needs,
    info: checks::info,
    templates: templates!(
        "load_balancer":
        "announce.sh.j2",
        "floating-address.sh.j2",
        "haproxy.cfg.j2",
        "haproxy.service.j2",
        "keepalived.conf.j2",
        "keepalived.service.j2",
        "no-longer.sh.j2",
        "node-info.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

fn takes_part(lab: &Lab, node: &Node) -> bool {
    node.is(Role::LoadBalancer) || lab.vips_of(node).next().is_some()
}

#[derive(Serialize)]
struct Floating<'a> {
    name: &'a str,
    address: String,
    router_id: u8,
    priority: usize,
    peers: Vec<String>,
    check: &'static str,
}

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    api_binds: Vec<String>,
    /// Option of `bind` for addresses that this node may not have at the moment.
    transparent: &'static str,
    controllers: Vec<&'a Node>,
    workers: Vec<&'a Node>,
    /// Those of services, where nobody else here listens at them.
    node_ports: Option<String>,
    vips: Vec<Floating<'a>>,
    addresses: String,
    #[serde(flatten)]
    patience: &'a Patience,
}

/// When somebody who does not answer is taken for dead: all in seconds, but for the failures.
#[derive(Serialize)]
struct Patience {
    /// Between two words of the holder of a floating address.
    advert_interval: u8,
    /// Until a server must have let somebody in, checks too.
    connect_timeout: u8,
    check_interval: u8,
    check_timeout: u8,
    /// Failed checks in a row.
    check_fall: u8,
    /// Good ones in a row: whoever is refused meanwhile comes back with all others at once.
    check_rise: u8,
    /// Until a keepalived whose checks do not report is ended.
    watchdog: u8,
}

const HASTE: Patience = Patience {
    advert_interval: 1,
    connect_timeout: 5,
    check_interval: 1,
    check_timeout: 1,
    check_fall: 2,
    check_rise: 2,
    watchdog: 6,
};

/// Emulated nodes answer late.
const EMULATED: Patience = Patience {
    advert_interval: 2,
    connect_timeout: 15,
    check_interval: 30,
    check_timeout: 30,
    check_fall: 3,
    check_rise: 1,
    watchdog: 150,
};

fn floating<'a>(lab: &'a Lab, node: &Node, vip: &'a Vip) -> Floating<'a> {
    let holders: Vec<&Node> = lab.with_role(vip.role).collect();
    let place = holders.iter().position(|holder| holder.name == node.name).unwrap_or_default();
    let peers = holders.iter().filter(|holder| holder.name != node.name);
    Floating {
        name: &vip.name,
        address: vip.address.to_string(),
        router_id: vip.router_id,
        // All differ, so that an election ends; a lab has far fewer holders than that.
        priority: 200usize.saturating_sub(place).max(1),
        peers: peers.map(|peer| peer.address.to_string()).collect(),
        check: if vip.role == Role::LoadBalancer { "check-proxy" } else { "check-api" },
    }
}

fn data<'a>(context: &'a Context<'_>, node: &'a Node) -> Data<'a> {
    let lab = context.lab;
    let vips: Vec<Floating<'_>> = lab.vips_of(node).map(|vip| floating(lab, node, vip)).collect();
    let addresses: Vec<&str> = vips.iter().map(|vip| vip.address.as_str()).collect();
    let shares_port = node.is(Role::ControlPlane);
    let api_binds = match shares_port {
        true => addresses.iter().map(|address| (*address).to_owned()).collect(),
        false => vec!["ipv4@".to_owned()],
    };
    Data {
        lab,
        node,
        api_binds,
        transparent: if shares_port { " transparent" } else { "" },
        controllers: lab.with_role(Role::ControlPlane).collect(),
        workers: lab.with_role(Role::Worker).collect(),
        // On a worker kube-proxy itself answers them, at every address of the node.
        node_ports: (!node.is(Role::Worker))
            .then(|| format!("{}-{}", port::NODE_PORTS.0, port::NODE_PORTS.1)),
        addresses: addresses.join(" "),
        vips,
        patience: if context.platform.acceleration.is_emulated() { &EMULATED } else { &HASTE },
    }
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let data = data(context, node);
    let render =
        |name: &str| context.templates.render(&format!("stages/load_balancer/{name}.j2"), &data);
    let mut steps: Vec<Step> =
        crate::kubernetes::stage::packages(context, node, "load-balancer").into_iter().collect();
    let health = context.bundle.pair(Identity::Health)?;
    let ca = context.bundle.ca(Issuer::Kubernetes)?;
    steps.extend([
        Step::directory("/etc/lab/pki", 0o755),
        Step::file("/etc/lab/pki/ca.crt", &ca),
        Step::file("/etc/lab/pki/health.crt", &health.certificate),
        Step::secret("/etc/lab/pki/health.key", &health.key),
    ]);
    let mut units = Vec::new();
    if node.is(Role::LoadBalancer) {
        let both = format!("{}{}", health.certificate, health.key);
        steps.extend([
            Step::directory("/etc/haproxy/pki", 0o755),
            Step::file("/etc/haproxy/pki/ca.crt", ca),
            Step::secret("/etc/haproxy/pki/health.pem", both),
            Step::private("/etc/haproxy/haproxy.cfg", render("haproxy.cfg")?),
            Step::private("/etc/systemd/system/haproxy.service", render("haproxy.service")?),
        ]);
        units.push("haproxy.service");
    }
    if !data.vips.is_empty() {
        steps.extend([
            Step::executable("/etc/lab/floating-address", render("floating-address.sh")?),
            Step::private("/etc/keepalived/keepalived.conf", render("keepalived.conf")?),
            Step::private("/etc/systemd/system/keepalived.service", render("keepalived.service")?),
        ]);
        units.push("keepalived.service");
    }
    for unit in UNITS.iter().filter(|unit| !units.contains(&unit.0)) {
        steps.push(no_longer(context.templates, unit)?);
    }
    steps.extend(units.into_iter().map(Step::reloading_unit));
    steps.extend(proofs(node));
    Ok(steps)
}

/// The stage's units, and what each has to itself.
const UNITS: [(&str, &str); 2] = [
    ("haproxy.service", "/etc/haproxy"),
    ("keepalived.service", "/etc/keepalived /etc/lab/floating-address"),
];

#[derive(Serialize)]
struct Gone<'a> {
    unit: &'a str,
    file: &'a str,
    paths: &'a str,
}

/// A node may keep the stage and lose one of its units: a floating address that nobody wants any more
/// would be announced for ever, and HAProxy would hold a port that the API server needs.
fn no_longer(templates: &Templates, (unit, paths): &(&str, &str)) -> Result<Step, StageError> {
    let file = format!("/etc/systemd/system/{unit}");
    let data = Gone { unit, file: &file, paths };
    let script = templates.render("stages/load_balancer/no-longer.sh.j2", &data)?;
    Ok(Step::Run(Run {
        title: format!("have no {unit}"),
        unless: Some(format!("test ! -e {file}")),
        script,
        transient: true,
    }))
}

/// The stage ends when HAProxy has somebody to lead to. That the API answers at each floating address
/// is proven once, by stage `verify`: asked by every node, an API server that starts would answer
/// questions before it serves.
fn proofs(node: &Node) -> Vec<Step> {
    if !node.is(Role::LoadBalancer) {
        return Vec::new();
    }
    let anew = Step::Run(Run {
        title: "start HAProxy anew where it hangs".into(),
        unless: Some(checks::ALIVE.into()),
        script: "systemctl restart haproxy.service\n".into(),
        transient: true,
    });
    let proof = Step::Wait(Wait {
        title: "HAProxy has an API server that is ready".into(),
        probe: checks::SERVES.into(),
        timeout: 600,
        hint: "journalctl -u haproxy -n 30 --no-pager".into(),
        optional: false,
    });
    vec![anew, proof]
}

//! `etcd`: the member on this node, with TLS on both sides and an authority of its own.

mod checks;
mod client;

use serde::Serialize;

use crate::kubernetes::hard_way::components;
use crate::kubernetes::stage::{After, Context, Duty, Retire, Stage, StageError, Turns};
use crate::kubernetes::step::{Directory, Run, Step, Wait};
use crate::model::{Node, Role, port};
use crate::pki::{Identity, Issuer};

pub use client::{CLIENT, TLS};

pub(crate) const STAGE: Stage = Stage {
    name: "etcd",
    title: "etcd",
    why: "Everything Kubernetes knows is in etcd; the members agree on it by majority.",
    after: &[After::SameNode("os")],
    nodes: |lab| lab.with_role(Role::Etcd).collect(),
    steps,
    turns: Turns::Rolling,
    duties: &[Duty::Member],
    serves: Some(client::SERVES),
    retire: Retire::WithData(&["/var/lib/etcd"]),
    units: &["etcd.service"],
    checks: checks::checks,
    needs: |_, _| checks::NEEDS,
    info: checks::info,
    templates: templates!(
        "etcd":
        "etcd-hashes.sh.j2",
        "etcd-members.sh.j2",
        "etcd.service.j2",
        "first-start.sh.j2",
        "node-info.sh.j2",
        "promote.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Cipher suites of Go's names: ECDHE with AEAD.
pub(crate) const CIPHERS: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\
TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,\
TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";

#[derive(Serialize)]
struct Data<'a> {
    node: &'a Node,
    etcd: String,
    etcdctl: String,
    from_artifacts: bool,
    /// All founders as etcd writes them; empty for a member that joins later.
    founders: String,
    /// Addresses of the other members.
    others: String,
    token: String,
    ciphers: &'a str,
    emulated: bool,
    heartbeat_ms: u32,
    election_ms: u32,
    tls: &'a str,
}

/// A member as etcd's list of founders has it.
pub fn founder_entry(node: &Node) -> String {
    format!("{}=https://{}:{}", node.name, node.address, port::ETCD_PEER)
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let (etcd, link) = crate::kubernetes::stage::binary(context, "etcd");
    let (etcdctl, ctl_link) = crate::kubernetes::stage::binary(context, "etcdctl");
    // Emulated members answer late; both times grow together, as etcd asks.
    let emulated = context.platform.acceleration.is_emulated();
    let (heartbeat_ms, election_ms) = if emulated { (1000, 10_000) } else { (100, 1000) };
    let others = context.lab.with_role(Role::Etcd).filter(|other| other.name != node.name);
    let others: Vec<String> = others.map(|other| other.address.to_string()).collect();
    let founders = context.etcd_founders;
    let is_founder = founders.iter().any(|founder| *founder == founder_entry(node));
    let data = Data {
        node,
        etcd,
        etcdctl: etcdctl.clone(),
        from_artifacts: link.is_some(),
        founders: if is_founder { founders.join(",") } else { String::new() },
        others: others.join(" "),
        token: context.lab.id.to_string(),
        ciphers: CIPHERS,
        emulated,
        heartbeat_ms,
        election_ms,
        tls: TLS,
    };
    let unit = context.templates.render("stages/etcd/etcd.service.j2", &data)?;
    let unit = components::with_flags(unit, &context.lab.kubernetes.components, "etcd");
    let mut steps = Vec::new();
    match link {
        Some(link) => steps.extend([Some(link), ctl_link].into_iter().flatten()),
        None => steps.extend(crate::kubernetes::stage::packages(context, node, "etcd")),
    }
    steps.push(Step::Run(Run {
        transient: false,
        title: "have a user for etcd".into(),
        unless: Some("id -u etcd >/dev/null 2>&1".into()),
        script: "useradd --system --home-dir /var/lib/etcd --shell /usr/sbin/nologin etcd\n".into(),
    }));
    steps.extend([
        Step::directory("/etc/etcd", 0o755),
        Step::Directory(Directory {
            path: "/etc/etcd/pki".into(),
            mode: 0o750,
            owner: "root:etcd".into(),
        }),
        Step::Directory(Directory {
            path: "/var/lib/etcd".into(),
            mode: 0o700,
            owner: "etcd:etcd".into(),
        }),
        Step::file("/etc/etcd/pki/ca.crt", context.bundle.ca(Issuer::Etcd)?),
    ]);
    for (name, identity) in [
        ("server", Identity::EtcdServer(node)),
        ("peer", Identity::EtcdPeer(node)),
        ("healthcheck-client", Identity::EtcdHealth),
    ] {
        let pair = context.bundle.pair(identity)?;
        steps.push(Step::file(format!("/etc/etcd/pki/{name}.crt"), &pair.certificate));
        let key = Step::secret(format!("/etc/etcd/pki/{name}.key"), &pair.key);
        steps.push(key.owned_by("etcd:etcd"));
    }
    steps.extend([
        Step::private("/etc/systemd/system/etcd.service", unit),
        Step::Run(Run {
            title: "decide with whom the member first starts".into(),
            unless: Some("test -d /var/lib/etcd/member".into()),
            script: context.templates.render("stages/etcd/first-start.sh.j2", &data)?,
            transient: true,
        }),
        Step::unit("etcd.service"),
        Step::Run(Run {
            title: "make a member that joined a voting one".into(),
            unless: None,
            script: context.templates.render("stages/etcd/promote.sh.j2", &data)?,
            transient: true,
        }),
        Step::Wait(Wait {
            optional: false,
            title: "this etcd member is healthy".into(),
            probe: format!("ETCDCTL_API=3 {etcdctl} {CLIENT} endpoint health >/dev/null 2>&1"),
            timeout: 300,
            hint: "journalctl -u etcd -n 30 --no-pager".into(),
        }),
    ]);
    Ok(steps)
}

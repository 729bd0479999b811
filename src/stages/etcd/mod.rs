//! `etcd`: the member on this node, with TLS on both sides and an authority of its own.

use serde::Serialize;

use super::{After, Context, Stage, StageError, Step};
use crate::model::platform::Acceleration;
use crate::model::{Node, Role};
use crate::pki::{Identity, Issuer};

pub(super) const STAGE: Stage = Stage {
    name: "etcd",
    title: "etcd",
    why: "Everything Kubernetes knows is in etcd; the members agree on it by majority.",
    after: &[After::SameNode("os")],
    nodes: |lab| lab.with_role(Role::Etcd).collect(),
    steps,
};

/// Cipher suites of Go's names: ECDHE with AEAD.
pub(super) const CIPHERS: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\
TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,\
TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";

/// Options for etcdctl on a member, as a health client.
const ETCDCTL: &str = "--cacert=/etc/etcd/pki/ca.crt --cert=/etc/etcd/pki/healthcheck-client.crt \
--key=/etc/etcd/pki/healthcheck-client.key";

#[derive(Serialize)]
struct Data<'a> {
    node: &'a Node,
    etcd: String,
    from_artifacts: bool,
    members: Vec<String>,
    token: String,
    ciphers: &'a str,
    heartbeat_ms: u32,
    election_ms: u32,
}

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let (etcd, link) = super::binary(context, "etcd");
    let (etcdctl, ctl_link) = super::binary(context, "etcdctl");
    // Emulated members answer late; both times grow together, as etcd asks.
    let (heartbeat_ms, election_ms) = match context.platform.acceleration {
        Acceleration::Kvm => (100, 1000),
        Acceleration::Emulated => (500, 5000),
    };
    let members = context.lab.with_role(Role::Etcd);
    let data = Data {
        node,
        etcd,
        from_artifacts: link.is_some(),
        members: members.map(|m| format!("{}=https://{}:2380", m.name, m.address)).collect(),
        token: context.lab.id.to_string(),
        ciphers: CIPHERS,
        heartbeat_ms,
        election_ms,
    };
    let unit = context.templates.render("stages/etcd/etcd.service.j2", &data)?;
    let mut steps = Vec::new();
    match link {
        Some(link) => steps.extend([Some(link), ctl_link].into_iter().flatten()),
        None => steps.extend(super::packages(context, node, "etcd")),
    }
    steps.push(Step::Run {
        title: "have a user for etcd".into(),
        unless: Some("id -u etcd >/dev/null 2>&1".into()),
        script: "useradd --system --home-dir /var/lib/etcd --shell /usr/sbin/nologin etcd\n".into(),
    });
    steps.extend([
        Step::directory("/etc/etcd", 0o755),
        Step::Directory { path: "/etc/etcd/pki".into(), mode: 0o750, owner: "root:etcd".into() },
        Step::Directory { path: "/var/lib/etcd".into(), mode: 0o700, owner: "etcd:etcd".into() },
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
        Step::Unit { name: "etcd.service".into() },
        Step::Wait {
            title: "this etcd member is healthy".into(),
            probe: format!(
                "ETCDCTL_API=3 {etcdctl} --endpoints=https://127.0.0.1:2379 {ETCDCTL} \
                 endpoint health >/dev/null 2>&1"
            ),
            timeout: 300,
            hint: "journalctl -u etcd -n 30 --no-pager".into(),
        },
    ]);
    Ok(steps)
}

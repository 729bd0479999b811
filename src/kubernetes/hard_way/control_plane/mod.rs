//! `control-plane`: API server, controller manager and scheduler of one controller.

pub(crate) mod checks;
pub(crate) mod config;

use serde::Serialize;

use crate::kubernetes::hard_way::components;
use crate::kubernetes::stage::{After, Context, Duty, KUBECTL, Retire, Stage, StageError, Turns};
use crate::kubernetes::step::{Run, Step, Wait};
use crate::model::version::Capabilities;
use crate::model::{Lab, Node, Role, port};
use crate::pki::{Identity, Issuer, kubeconfig};
use config::BINDINGS;

pub(crate) const STAGE: Stage = Stage {
    name: "control-plane",
    title: "Control plane",
    why: "The API server is the only door to etcd; the controller manager and the scheduler act \
          through it.",
    after: &[After::SameNode("os"), After::AllNodes("etcd")],
    nodes: |lab| lab.with_role(Role::ControlPlane).collect(),
    steps,
    turns: Turns::Rolling,
    duties: &[Duty::Api],
    serves: Some(checks::READY),
    // Add-ons put their manifests there.
    retire: Retire::WithData(&["/etc/kubernetes/lab"]),
    units: &["kube-scheduler.service", "kube-controller-manager.service", "kube-apiserver.service"],
    checks: checks::checks,
    needs: |_, _| checks::NEEDS,
    info: checks::info,
    templates: templates!(
        "control_plane":
        "admission.yaml.j2",
        "anonymous-refused.sh.j2",
        "api-ready.sh.j2",
        "audit-policy.yaml.j2",
        "bindings.yaml.j2",
        "encryption.yaml.j2",
        "event-rate-limit.yaml.j2",
        "kube-apiserver.service.j2",
        "kube-controller-manager.service.j2",
        "kube-scheduler.service.j2",
        "leases.service.j2",
        "no-open-ports.sh.j2",
        "secrets-encrypted.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

#[derive(Serialize)]
struct Data<'a> {
    lab: &'a Lab,
    node: &'a Node,
    ciphers: &'a str,
    etcd_servers: Vec<String>,
    /// HAProxy on this node has port 6443 of the floating address.
    shares_port: bool,
    /// Emulated API servers answer late: who takes that for a loss of its lease starts again and asks
    /// for everything anew, which makes them answer later still. For the same reason they count nothing
    /// for metrics: a count per resource and minute is most of what an idle etcd is asked, and a count
    /// per priority level and millisecond most of what a busy API server does. Their timers fire together
    /// (`stages/timers.service.j2`).
    emulated: bool,
    capabilities: Capabilities,
}

const BINARIES: &[&str] =
    &["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];

/// What a control plane consists of, as units and as pods.
pub(crate) const COMPONENTS: [&str; 3] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// True when the API server takes the node's own address alone: HAProxy has, or will have, another one on
/// the same port. It does so wherever floating addresses are HAProxy's, so that it need not start anew when
/// nodes become load balancers, or cease to be.
pub(crate) fn leaves_room(lab: &Lab, node: &Node) -> bool {
    let is_held_by = |role| lab.vips.iter().any(|vip| vip.role == role);
    node.is(Role::LoadBalancer) || is_held_by(Role::LoadBalancer) && !is_held_by(Role::ControlPlane)
}

const SUPER_ADMIN: &str = "/run/lab/super-admin.conf";

fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let link = |name: &&str| crate::kubernetes::stage::binary(context, name).1;
    let mut steps: Vec<Step> = BINARIES.iter().filter_map(link).collect();
    steps.extend(directories());
    steps.extend(certificates(context, node)?);
    steps.extend(config::files(context)?);
    steps.extend(kubeconfigs(context, node)?);
    for component in COMPONENTS {
        let path = format!("/etc/systemd/system/{component}.service");
        steps.push(Step::private(path, unit(context, node, component)?));
    }
    let [api_server, others @ ..] =
        COMPONENTS.map(|component| Step::unit(format!("{component}.service")));
    steps.push(api_server);
    steps.extend([
        Step::Wait(Wait {
            optional: false,
            title: "the API server is ready".into(),
            probe: "kubectl --kubeconfig=/etc/kubernetes/controller-manager.conf get --raw=/healthz >/dev/null 2>&1".into(),
            timeout: 600,
            hint: "journalctl -u kube-apiserver -n 30 --no-pager".into(),
        }),
    ]);
    steps.extend(bound(context, node)?);
    // Not before: whoever got the lease beside an API server that is not healthy would end, and leave
    // the others waiting for the lease to run out.
    steps.extend(others);
    Ok(steps)
}

/// The unit of a component, with the flags of the topology. A flag stands on a line of its own.
pub(crate) fn unit(
    context: &Context<'_>,
    node: &Node,
    component: &str,
) -> Result<String, StageError> {
    let lab = context.lab;
    let data = Data {
        lab,
        node,
        ciphers: crate::kubernetes::hard_way::etcd::CIPHERS,
        emulated: context.platform.acceleration.is_emulated(),
        shares_port: leaves_room(lab, node),
        etcd_servers: etcd_servers(lab),
        capabilities: context.platform.version.capabilities(),
    };
    let name = format!("stages/control_plane/{component}.service.j2");
    let text = context.templates.render(&name, &data)?;
    Ok(components::with_flags(text, &lab.kubernetes.components, component))
}

/// Where API servers find etcd.
pub(crate) fn etcd_servers(lab: &Lab) -> Vec<String> {
    let members = lab.with_role(Role::Etcd);
    members.map(|member| format!("https://{}:{}", member.address, port::ETCD_CLIENT)).collect()
}

/// The lab's groups are bound to their roles, once and by a credential that goes again; then the API server
/// serves the administrator.
pub(crate) fn bound(context: &Context<'_>, node: &Node) -> Result<[Step; 4], StageError> {
    Ok([
        super_admin(context, node)?,
        Step::Run(Run {
            transient: false,
            title: "bind the lab's groups to their roles".into(),
            unless: Some(format!("test ! -e {SUPER_ADMIN}")),
            // Between the question whether a binding is there and its creation, another controller
            // may have made it ("already exists"): applied again, nothing is left to do.
            script: format!(
                "bind() {{ kubectl --kubeconfig={SUPER_ADMIN} apply -f {BINDINGS} >/dev/null; }}\n\
                 bind || bind\n"
            ),
        }),
        Step::Run(Run {
            transient: false,
            title: "remove the super-admin credential".into(),
            unless: None,
            script: format!("rm -f {SUPER_ADMIN}\n"),
        }),
        Step::Wait(Wait {
            optional: false,
            title: "the API server is ready for the administrator".into(),
            probe: checks::READY.into(),
            timeout: 300,
            hint: format!("{KUBECTL} get --raw='/readyz?verbose' 2>&1 | tail -n 30"),
        }),
    ])
}

pub(crate) fn directories() -> [Step; 5] {
    [
        Step::directory("/etc/kubernetes", 0o755),
        Step::directory("/etc/kubernetes/pki/etcd", 0o755),
        Step::directory("/etc/kubernetes/lab", 0o700),
        Step::directory("/var/log/kubernetes/audit", 0o700),
        Step::directory("/run/lab", 0o700),
    ]
}

pub(crate) fn certificates(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let bundle = context.bundle;
    let pki = "/etc/kubernetes/pki";
    let mut steps = vec![
        Step::file(format!("{pki}/ca.crt"), bundle.ca(Issuer::Kubernetes)?),
        Step::file(format!("{pki}/etcd/ca.crt"), bundle.ca(Issuer::Etcd)?),
        Step::file(format!("{pki}/front-proxy-ca.crt"), bundle.ca(Issuer::FrontProxy)?),
    ];
    for (name, identity) in [
        ("apiserver", Identity::ApiServer(node)),
        ("apiserver-etcd-client", Identity::ApiServerEtcd),
        ("apiserver-kubelet-client", Identity::ApiServerKubelet),
        ("front-proxy-client", Identity::FrontProxy),
        ("controller-manager", Identity::ControllerManagerServer(node)),
        ("scheduler", Identity::SchedulerServer(node)),
    ] {
        let pair = bundle.pair(identity)?;
        steps.push(Step::file(format!("{pki}/{name}.crt"), &pair.certificate));
        steps.push(Step::secret(format!("{pki}/{name}.key"), &pair.key));
    }
    let account = bundle.service_account()?;
    steps.push(Step::file(format!("{pki}/sa.pub"), &account.certificate));
    steps.push(Step::secret(format!("{pki}/sa.key"), &account.key));
    Ok(steps)
}

pub(crate) fn kubeconfigs(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let bundle = context.bundle;
    let ca = bundle.ca(Issuer::Kubernetes)?;
    let config = |file: &str, user: &str, identity| {
        let pair = bundle.pair(identity)?;
        let text = kubeconfig(&context.lab.name, &server(context.lab, node), &ca, user, pair);
        Ok::<_, StageError>(Step::secret(format!("/etc/kubernetes/{file}.conf"), text))
    };
    Ok(vec![
        config(
            "controller-manager",
            "system:kube-controller-manager",
            Identity::ControllerManager,
        )?,
        config("scheduler", "system:kube-scheduler", Identity::Scheduler)?,
        config("admin", "kubernetes-admin", Identity::Admin)?,
    ])
}

/// The credential that may do everything. It goes only where the groups are not bound yet: the administrator
/// is bound by them.
fn super_admin(context: &Context<'_>, node: &Node) -> Result<Step, StageError> {
    let (ca, pair) = (context.bundle.ca(Issuer::Kubernetes)?, context.super_admin);
    let text = kubeconfig(
        &context.lab.name,
        &server(context.lab, node),
        &ca,
        "kubernetes-super-admin",
        pair,
    );
    let bound = format!("{KUBECTL} diff -f {BINDINGS} >/dev/null 2>&1");
    Ok(Step::secret(SUPER_ADMIN, text).transient(&bound))
}

/// Each controller talks to its own API server: no component depends on another node.
pub(crate) fn server(lab: &Lab, node: &Node) -> String {
    format!("https://{}:{}", node.address, lab.kubernetes.api_port)
}

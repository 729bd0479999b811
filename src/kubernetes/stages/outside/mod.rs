//! `outside`: proxies, and authorities of a company's own. First of all, since packages come from there.

mod checks;

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::kubernetes::stage::{Context, Retire, Stage, StageError, packages};
use crate::kubernetes::step::Step;
use crate::model::name::hex;
use crate::model::os::Family;
use crate::model::outside::Proxy;
use crate::model::{Lab, Node};

pub(crate) const STAGE: Stage = Stage {
    name: "outside",
    title: "Way outside",
    why: "Where a proxy is in between, or a company has an authority of its own, packages and images \
          come only to who knows of them.",
    nodes: |lab| lab.nodes.iter().filter(|_| !lab.outside.is_plain()).collect(),
    steps,
    retire: Retire::WithData(&[]),
    undone: Some("stages/outside/trust.sh.j2"),
    checks: checks::checks,
    templates: templates!(
        "outside":
        "95lab-proxy.j2",
        "lab-outside.conf.j2",
        "lab-proxy.sh.j2",
        "reached.sh.j2",
        "trust.sh.j2",
        "trusted.sh.j2",
    ),
    page: include_str!("page.md"),
    ..Stage::PLAIN
};

/// Where shells read who is asked.
pub(super) const PROFILE: &str = "/etc/profile.d/lab-proxy.sh";
/// The authorities, from where each comes to the place that its system has for them.
const AUTHORITIES: &str = "/etc/lab/authorities.pem";
/// The same for apt, which people run by sudo, without what shells have.
const APT: &str = "/etc/apt/apt.conf.d/95lab-proxy";

#[derive(Serialize)]
struct Data<'a> {
    http: Option<&'a str>,
    https: Option<&'a str>,
    /// As programs read it, commas between.
    no_proxy: String,
    /// Hosts for which apt asks nobody.
    direct: Vec<&'a str>,
    /// What runs with it must run anew when these change.
    authorities: String,
}

impl<'a> Data<'a> {
    fn of(lab: &'a Lab) -> Self {
        let Proxy { http, https, no_proxy } = &lab.outside.proxy;
        let hosts = no_proxy.iter().filter(|one| !one.starts_with('.') && !one.contains('/'));
        let name = |one: &'a String| one.split(':').next().unwrap_or(one);
        Self {
            http: http.as_deref(),
            https: https.as_deref(),
            no_proxy: without_proxy(lab),
            direct: hosts.map(name).collect(),
            authorities: hex(&Sha256::digest(lab.outside.authorities.concat())),
        }
    }
}

/// What is of the lab itself, and what the topology says besides.
fn without_proxy(lab: &Lab) -> String {
    let kubernetes = &lab.kubernetes;
    let own = [
        "localhost".to_owned(),
        "127.0.0.0/8".to_owned(),
        lab.network.cidr.to_string(),
        format!(".{}", lab.domain),
        kubernetes.pod_cidr.to_string(),
        kubernetes.service_cidr.to_string(),
        ".svc".to_owned(),
        format!(".{}", kubernetes.cluster_domain),
    ];
    let own = own.into_iter().take(if kubernetes.is_none() { 4 } else { usize::MAX });
    let all = own.chain(lab.outside.proxy.no_proxy.iter().cloned());
    all.collect::<Vec<_>>().join(",")
}

/// What a service is told of the way outside; `None` where it is a plain one.
pub(crate) fn for_service(context: &Context<'_>) -> Result<Option<String>, StageError> {
    let lab = context.lab;
    let text = context.templates.render("stages/outside/lab-outside.conf.j2", &Data::of(lab))?;
    Ok((!lab.outside.is_plain()).then_some(text))
}

/// What a command is told, in front of it.
pub(crate) fn for_command(lab: &Lab) -> String {
    let Proxy { http, https, .. } = &lab.outside.proxy;
    let mut text = String::new();
    for (name, value) in [("HTTP_PROXY", http), ("HTTPS_PROXY", https)] {
        if let Some(value) = value {
            let _ = write!(text, "{name}={value} ");
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("env {text}NO_PROXY={} ", without_proxy(lab)),
    }
}

/// All files are there, with nothing in them where nothing is said: then what is no longer said is gone, too.
fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    let lab = context.lab;
    let family = context.platform.os(&node.os).map_or(Family::Debian, |os| os.family);
    let data = Data::of(lab);
    let render = |name: &str| context.templates.render(&format!("stages/outside/{name}.j2"), &data);
    let mut steps = vec![Step::file(PROFILE, render("lab-proxy.sh")?)];
    if family == Family::Debian {
        steps.push(Step::file(APT, render("95lab-proxy")?));
    }
    steps.extend(packages(context, node, "outside"));
    steps.extend([
        Step::file(AUTHORITIES, lab.outside.authorities.concat()),
        Step::run("trust these authorities", render("trust.sh")?),
    ]);
    Ok(steps)
}

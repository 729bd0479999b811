//! Rules about floating addresses and load balancers: who takes port 6443 where.

use crate::model::role::Role;
use crate::model::topology::draft::{LabDraft, NodeDraft};
use crate::model::topology::problem::Problem;
use crate::model::{code, port};

pub(crate) fn rules(lab: &LabDraft, problems: &mut Vec<Problem>) {
    router_ids(lab, problems);
    endpoint(lab, problems);
    unreachable_balancers(lab, problems);
    shared_port(lab, problems);
    port_of_another(lab, problems);
}

/// Ports that other programs of a cluster have, and those that services may have on every node.
fn port_of_another(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let api = lab.kubernetes.api_port;
    let web = [("http", port::HTTP), ("https", port::HTTPS)];
    let web = web.into_iter().filter(|_| balancers(lab).next().is_some());
    let own = port::NAMED.iter().copied().filter(|(name, _)| *name != "api").chain(web);
    let whose = own.filter(|(_, port)| *port == api).map(|(name, _)| name.replace('_', "-")).next();
    let whose = whose.or_else(|| {
        (port::NODE_PORTS.0..=port::NODE_PORTS.1).contains(&api).then(|| "services".into())
    });
    if let Some(whose) = whose {
        let message = format!("the API cannot have port {api}: it is that of {whose}");
        problems.push(
            Problem::error(&code::SHARED_PORT, &lab.spans.api_port, message)
                .help(format!("write another `api_port`, like {} or 8443", port::API)),
        );
    }
}

fn router_ids(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let given: Vec<_> =
        lab.vips.iter().zip(&lab.spans.router_ids).filter(|(vip, _)| vip.router_id_given).collect();
    for (index, (vip, at)) in given.iter().enumerate() {
        let earlier = given.iter().take(index).find(|(other, _)| other.router_id == vip.router_id);
        if let Some((first, place)) = earlier {
            problems.push(
                Problem::error(
                    &code::ROUTER_ID_TWICE,
                    at,
                    format!(
                        "'{}' and '{}' have the same router_id {}",
                        first.name, vip.name, vip.router_id
                    ),
                )
                .also(place, "first used here")
                .help("remove one `router_id`; lab then chooses one that is free"),
            );
        }
    }
}

fn endpoint(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let Some(name) = &lab.kubernetes.endpoint else { return };
    let at = Some(&lab.spans.endpoint);
    let is_refused = problems.iter().any(|problem| problem.span.as_ref() == at);
    if is_refused || lab.vips.iter().any(|vip| vip.name == *name) {
        return;
    }
    let names: Vec<&str> = lab.vips.iter().map(|vip| vip.name.as_str()).collect();
    let help = match crate::model::near::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "add it under `vips`, or remove `endpoint`".into(),
        None => format!("name one of: {}", names.join(", ")),
    };
    let text = format!("endpoint '{name}' is no floating address of this lab");
    problems.push(Problem::error(&code::UNKNOWN_ENDPOINT, &lab.spans.endpoint, text).help(help));
}

fn balancers(lab: &LabDraft) -> impl Iterator<Item = &NodeDraft> {
    lab.nodes.iter().filter(|draft| draft.node.is(Role::LoadBalancer))
}

fn unreachable_balancers(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let floating = lab.vips.iter().any(|vip| vip.role == Role::LoadBalancer);
    let Some(second) = balancers(lab).nth(1).filter(|_| !floating) else { return };
    let count = balancers(lab).count();
    problems.push(
        Problem::warning(
            &code::BALANCERS_WITHOUT_ADDRESS,
            &second.name_span,
            format!("{count} load balancers, but no floating address: clients know only the first"),
        )
        .help("add one with `role: load-balancer` under `vips`"),
    );
}

/// API server and HAProxy on one node: the floating address is HAProxy's, the node's own the API
/// server's. Without a floating address of its own HAProxy would have no place.
fn shared_port(lab: &LabDraft, problems: &mut Vec<Problem>) {
    let both = balancers(lab).find(|draft| draft.node.is(Role::ControlPlane));
    let Some(draft) = both else { return };
    let name = &draft.node.name;
    if !lab.vips.iter().any(|vip| vip.role == Role::LoadBalancer) {
        problems.push(
            Problem::error(
                &code::SHARED_PORT,
                &draft.name_span,
                format!(
                    "'{name}' is controller and load balancer, and both want port {}",
                    lab.kubernetes.api_port
                ),
            )
            .help("add a floating address with `role: load-balancer`: HAProxy then takes that one"),
        );
    }
    for (vip, at) in lab.vips.iter().zip(&lab.spans.vips) {
        if vip.role == Role::ControlPlane {
            problems.push(
                Problem::error(
                    &code::FLOATING_ON_BALANCERS,
                    at,
                    format!(
                        "'{}' is held by controllers, of which '{name}' is a load balancer, too",
                        vip.name
                    ),
                )
                .also(
                    &draft.name_span,
                    format!(
                        "API server and HAProxy would both want its port {}",
                        lab.kubernetes.api_port
                    ),
                )
                .help("write `role: load-balancer` for it"),
            );
        }
    }
}

//! What must be so of the way outside: proxies answer, authorities are trusted.

use std::collections::BTreeSet;

use minijinja::context;

use crate::kubernetes::checks::{Plan, Scope};
use crate::model::outside::Proxy;
use crate::render::RenderError;

pub(crate) fn checks(scope: &Scope<'_>) -> Result<Plan, RenderError> {
    let mut plan = Plan::default();
    let outside = &scope.lab.outside;
    let Proxy { http, https, .. } = &outside.proxy;
    let proxies: BTreeSet<String> = http.iter().chain(https).cloned().collect();
    let lines: Vec<String> = outside.authorities.iter().filter_map(|pem| last_line(pem)).collect();
    let (asks, trusts) = (!proxies.is_empty(), !lines.is_empty());
    let reached = scope.script("reached", context! { proxies })?;
    let trusted = scope.script("trusted", context! { lines })?;
    for node in &scope.lab.nodes {
        if asks {
            let hint = "cat /etc/profile.d/lab-proxy.sh";
            let proves = "its proxies answer";
            plan.nodes.push(scope.one("proxy-reached", node, proves, reached.clone(), hint));
        }
        if trusts {
            let proves = "it trusts the authorities that the topology names";
            let hint = "cat /etc/lab/authorities.pem";
            plan.nodes.push(scope.one("authorities-trusted", node, proves, trusted.clone(), hint));
        }
    }
    Ok(plan)
}

/// The last line of what a certificate is.
fn last_line(pem: &str) -> Option<String> {
    pem.lines().rev().nth(1).map(str::to_owned)
}

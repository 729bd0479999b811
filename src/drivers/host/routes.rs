//! Routes of the computer itself to the pods of a lab, through the lab's bridge. They carry a protocol
//! number of ours: nobody else's are read or changed. When the bridge goes, they go with it.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use ipnet::Ipv4Net;

use crate::drivers::host::tool::{ToolError, find_program};

/// Pod subnets and the nodes they are reached through.
pub type Routes = BTreeMap<Ipv4Net, Ipv4Addr>;

/// Marks routes as ours, as on the nodes.
const PROTOCOL: &str = "76";

/// Our routes through `bridge`.
///
/// # Errors
/// When `ip` cannot be run.
pub fn list(bridge: &str) -> Result<Routes, ToolError> {
    let text = ip(&["-json", "-4", "route", "show", "dev", bridge, "proto", PROTOCOL])?;
    // No such device: no routes.
    let found: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    let route = |route: &serde_json::Value| {
        let net = route["dst"].as_str()?.parse().ok()?;
        Some((net, route["gateway"].as_str()?.parse().ok()?))
    };
    Ok(found.iter().filter_map(route).collect())
}

/// Makes our routes through `bridge` exactly these.
///
/// # Errors
/// When they are others afterwards, with the commands that a person with the right could type.
pub fn set(bridge: &str, wanted: &Routes) -> Result<(), ToolError> {
    for net in list(bridge)?.keys().filter(|net| !wanted.contains_key(*net)) {
        ip(&["route", "del", &net.to_string(), "dev", bridge, "proto", PROTOCOL])?;
    }
    for (net, via) in wanted {
        let (net, via) = (net.to_string(), via.to_string());
        ip(&["route", "replace", &net, "via", &via, "dev", bridge, "proto", PROTOCOL])?;
    }
    if list(bridge)? == *wanted {
        return Ok(());
    }
    let commands: Vec<String> = wanted
        .iter()
        .map(|(net, via)| format!("ip route replace {net} via {via} dev {bridge} proto {PROTOCOL}"))
        .collect();
    Err(ToolError::new(
        "set the routes to the pods",
        format!("as root, type:\n{}", commands.join("\n")),
    ))
}

/// What `ip` prints. Its status is not asked for: the first process of a private engine collects its
/// children elsewhere. What counts is read afterwards.
fn ip(arguments: &[&str]) -> Result<String, ToolError> {
    let program = find_program("ip").ok_or_else(|| ToolError::not_installed("ip"))?;
    let failed = |doing: &str, error: std::io::Error| ToolError::new(doing, error.to_string());
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed("run ip", error))?;
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut text).map_err(|error| failed("read from ip", error))?;
    }
    let _ = child.wait();
    Ok(text)
}

/// Routes as one line, `NET=VIA,NET=VIA`; the other end is [`parse`].
pub fn format(routes: &Routes) -> String {
    let each: Vec<String> = routes.iter().map(|(net, via)| format!("{net}={via}")).collect();
    each.join(",")
}

/// Reads what [`format`] wrote; `None` when it is something else.
pub fn parse(text: &str) -> Option<Routes> {
    let pair = |word: &str| {
        let (net, via) = word.split_once('=')?;
        Some((net.parse().ok()?, via.parse().ok()?))
    };
    text.split(',').filter(|word| !word.is_empty()).map(pair).collect()
}

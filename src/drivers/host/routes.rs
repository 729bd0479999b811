//! Routes of the computer itself to the pods of a lab, through the lab's bridge. They carry a protocol
//! number of ours: nobody else's are read or changed. When the bridge goes, they go with it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::process::Stdio;

use ipnet::Ipv4Net;

use crate::drivers::host::tool::{ToolError, tool};

/// Pod subnets and the nodes they are reached through.
pub type Routes = BTreeMap<Ipv4Net, Ipv4Addr>;

/// Marks routes as ours, as on the nodes.
const PROTOCOL: &str = "76";

/// Why the routes cannot be read or set: a fragment after "failed to".
#[derive(Debug)]
pub enum RouteError {
    /// `ip` cannot be run.
    Ip(ToolError),
    /// What `ip` says cannot be read.
    Unread(io::Error),
    /// They are others than they should be, for want of rights.
    Unset {
        /// What a person with the right could type.
        commands: Vec<String>,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(error) => error.fmt(f),
            Self::Unread(error) => write!(f, "read from ip: {error}"),
            Self::Unset { commands } => {
                let commands = commands.join("\n");
                write!(f, "set the routes to the pods; as root, type:\n{commands}")
            }
        }
    }
}

impl std::error::Error for RouteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ip(error) => Some(error),
            Self::Unread(error) => Some(error),
            Self::Unset { .. } => None,
        }
    }
}

/// Our routes through `bridge`.
///
/// # Errors
/// When `ip` cannot be run.
pub fn list(bridge: &str) -> Result<Routes, RouteError> {
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
pub fn set(bridge: &str, wanted: &Routes) -> Result<(), RouteError> {
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
    let command = |(net, via): (&Ipv4Net, &Ipv4Addr)| {
        format!("ip route replace {net} via {via} dev {bridge} proto {PROTOCOL}")
    };
    Err(RouteError::Unset { commands: wanted.iter().map(command).collect() })
}

/// What `ip` prints. Its status is not asked for: the first process of a private provider collects its
/// children elsewhere. What counts is read afterwards.
pub(crate) fn ip(arguments: &[&str]) -> Result<String, RouteError> {
    let mut child = tool("ip")
        .map_err(RouteError::Ip)?
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| RouteError::Ip(ToolError::NotRun { name: "ip".into(), source }))?;
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut text).map_err(RouteError::Unread)?;
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

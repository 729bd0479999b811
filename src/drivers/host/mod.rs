//! Facts about this computer: who and where we are, what networks it has, whether KVM works.

pub mod capacity;
pub mod fence;
pub mod footprint;
pub mod hosts_file;
pub mod kubeconfig_file;
pub mod neighbours;
pub mod routes;
pub mod tool;
pub mod trusted;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipnet::Ipv4Net;
use nix::unistd::Uid;

use crate::model::Owner;
use crate::model::inventory::HostNetwork;
use crate::model::platform::Acceleration;

pub use tool::{ToolError, find_program, run_tool};

/// Directories that `lab` uses on this computer, and folders that a person named.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// Labs' directories.
    pub state: PathBuf,
    /// Images and downloads; may be deleted at any time.
    pub cache: PathBuf,
    /// A person's own topologies and templates.
    pub config: PathBuf,
    /// Sockets; short, because a socket's path may have 107 characters.
    pub runtime: PathBuf,
    /// A person's own keys and known hosts.
    pub ssh: PathBuf,
    /// The folder of binaries that `LAB_ARTIFACTS` names.
    pub artifacts: Option<PathBuf>,
    /// The folder of image archives that `LAB_IMAGES` names.
    pub archives: Option<PathBuf>,
}

impl Dirs {
    /// Why one of those that `lab` makes is not ours alone; `None` when all are.
    pub fn distrust(&self) -> Option<String> {
        [&self.state, &self.cache, &self.runtime].into_iter().find_map(|dir| trusted::distrust(dir))
    }

    /// By the XDG rules, and `lab`'s own variables.
    pub fn from_environment() -> Self {
        let variable =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let home = variable("HOME").unwrap_or_else(|| PathBuf::from("/"));
        let dir = |name: &str, default: &str| {
            variable(name).unwrap_or_else(|| home.join(default)).join("lab")
        };
        let state = dir("XDG_STATE_HOME", ".local/state");
        let runtime = runtime(variable("XDG_RUNTIME_DIR"), &state, nix::unistd::geteuid());
        Self {
            state,
            cache: dir("XDG_CACHE_HOME", ".cache"),
            config: dir("XDG_CONFIG_HOME", ".config"),
            runtime,
            ssh: home.join(".ssh"),
            artifacts: folder_of("LAB_ARTIFACTS"),
            archives: folder_of("LAB_IMAGES"),
        }
    }
}

/// Bytes of the longest directory of labs in which sockets of providers have room.
const LONGEST_STATE: usize = 60;

/// Where sockets of providers are. What systemd made for a login it empties at logout, which providers
/// outlive: sockets are beside the labs then, where that is no longer than sockets' paths may be.
fn runtime(named: Option<PathBuf>, state: &Path, user: Uid) -> PathBuf {
    match named {
        Some(dir) if !dir.starts_with("/run/user") => dir.join("lab"),
        _ if user.is_root() => PathBuf::from("/run/lab"),
        _ if state.as_os_str().len() <= LONGEST_STATE => state.join(".run"),
        Some(dir) => dir.join("lab"),
        None => std::env::temp_dir().join(format!("lab-{user}")),
    }
}

/// The folder that a variable names, as an absolute path: it is remembered.
fn folder_of(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)?;
    Some(std::path::absolute(&path).unwrap_or(path))
}

/// Who runs `lab`, for the ids derived from it.
pub fn owner() -> Owner {
    let id = fs::read_to_string("/etc/machine-id").ok().map(|text| text.trim().to_owned());
    let name = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let machine = id.filter(|id| !id.is_empty()).or_else(name).unwrap_or_else(|| "host".into());
    Owner { machine, uid: nix::unistd::geteuid().as_raw() }
}

/// Name of whoever runs `lab`; the number where there is none.
pub fn user() -> String {
    let id = nix::unistd::geteuid();
    let entry = nix::unistd::User::from_uid(id).ok().flatten();
    entry.map_or_else(|| id.to_string(), |entry| entry.name)
}

/// Now, RFC 3339 in UTC, whole seconds.
pub fn timestamp() -> String {
    let now = time::OffsetDateTime::now_utc();
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    now.format(format).unwrap_or_default()
}

/// Now, fit for a file name.
pub fn compact_timestamp() -> String {
    timestamp().replace([':', '-'], "")
}

/// What the processor offers for virtualisation: `vmx`, `svm`, or nothing.
pub fn virtualisation() -> Option<&'static str> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = text.lines().filter(|line| line.starts_with("flags"));
    let words: Vec<&str> = flags.flat_map(str::split_ascii_whitespace).collect();
    ["vmx", "svm"].into_iter().find(|word| words.contains(word))
}

/// What tells this computer's processor from others, as guests that are not emulated see it.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wanted = ["model name", "flags", "microcode"];
    let lines = text.lines().take_while(|line| !line.is_empty());
    let wanted = lines.filter(|line| wanted.iter().any(|key| line.starts_with(key)));
    wanted.collect::<Vec<_>>().join("\n")
}

/// True when the processor offers hardware virtualisation.
pub fn has_virtualisation() -> bool {
    virtualisation().is_some()
}

/// Decides between KVM and emulation. `/dev/kvm` alone proves nothing: nested setups may have the
/// file and hang every guest, so the processor must have the feature, too.
pub fn acceleration(wanted: &str) -> (Acceleration, String) {
    match wanted {
        "kvm" => (Acceleration::Kvm, "KVM, as asked".into()),
        "tcg" => (Acceleration::Emulated, "emulation, as asked".into()),
        "no-kvm-here" => {
            (Acceleration::Emulated, "emulation (slow): this libvirt offers no KVM".into())
        }
        _ => {
            let has = has_virtualisation();
            let opens = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
            match (has, opens) {
                (true, true) => (Acceleration::Kvm, "KVM".into()),
                (true, false) => (
                    Acceleration::Emulated,
                    "emulation (slow): /dev/kvm cannot be opened; join the group kvm".into(),
                ),
                (false, _) => (
                    Acceleration::Emulated,
                    "emulation (slow): this processor offers no virtualisation (no vmx, no svm)"
                        .into(),
                ),
            }
        }
    }
}

/// Addresses and routes of all tables. Default routes are left out: they cover everything.
pub fn used_networks() -> Vec<HostNetwork> {
    let mut used = Vec::new();
    let routes = ip_json(&["-4", "route", "show", "table", "all"]);
    for route in routes.iter().filter(|route| route["type"].as_str().is_none_or(|t| t == "unicast"))
    {
        let device = route["dev"].as_str().unwrap_or("?");
        if let Some(net) = route["dst"].as_str().and_then(parse_net) {
            used.push(HostNetwork { net, device: device.into() });
        }
    }
    for (device, local, prefix) in addresses(&ip_json(&["-4", "address", "show"])) {
        let net = Ipv4Net::new(local, prefix).ok().map(|net| net.trunc());
        used.extend(net.map(|net| HostNetwork { net, device: device.into() }));
    }
    used.retain(|used| used.net.prefix_len() > 0 && used.device != "lo");
    used
}

fn parse_net(text: &str) -> Option<Ipv4Net> {
    match text {
        "default" => None,
        text if text.contains('/') => text.parse().ok(),
        text => Ipv4Net::new(text.parse().ok()?, 32).ok(),
    }
}

/// Addresses of links, as `ip address` tells them: each with its device and the length of its prefix.
fn addresses(links: &[serde_json::Value]) -> Vec<(&str, Ipv4Addr, u8)> {
    let mut found = Vec::new();
    for link in links {
        let device = link["ifname"].as_str().unwrap_or("?");
        for address in link["addr_info"].as_array().into_iter().flatten() {
            let local = address["local"].as_str().and_then(|text| text.parse().ok());
            let prefix = address["prefixlen"].as_u64().and_then(|n| u8::try_from(n).ok());
            found.extend(local.zip(prefix).map(|(local, prefix)| (device, local, prefix)));
        }
    }
    found
}

fn ip_json(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = Command::new("ip").arg("-json").args(arguments).output();
    output.ok().and_then(|o| serde_json::from_slice(&o.stdout).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_where_a_logout_does_not_take_them() {
        let (root, anna) = (Uid::from_raw(0), Uid::from_raw(1000));
        let (short, long) = (Path::new("/home/anna/.local/state/lab"), Path::new(LONG));
        let named = |dir: &str| Some(PathBuf::from(dir));
        for (given, state, user, wanted) in [
            (named("/run/user/1000"), short, anna, "/home/anna/.local/state/lab/.run"),
            (None, short, anna, "/home/anna/.local/state/lab/.run"),
            // Rather there than nowhere.
            (named("/run/user/1000"), long, anna, "/run/user/1000/lab"),
            (named("/tmp/mine"), short, anna, "/tmp/mine/lab"),
            (named("/run/user/0"), short, root, "/run/lab"),
            (None, short, root, "/run/lab"),
        ] {
            assert_eq!(runtime(given, state, user), Path::new(wanted));
        }
    }

    const LONG: &str =
        "/home/a-person-with-a-long-name/in-a-folder-with-a-long-name/.local/state/lab";
}

//! A picture of this computer, as far as a lab could change it: taken before the first `up` and after
//! `down --prove`, so that the difference can be shown. Reading changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::drivers::host::tool::run_tool;
use crate::drivers::provider::Provider;
use crate::model::name::hex;

/// Programs whose namespaces are looked at: those that a lab starts.
const PROGRAMS: &[&str] =
    &["lab", "libvirtd", "virtlogd", "dnsmasq", "qemu-system", "pasta", "passt", "slirp4netns"];

/// Facts by kind; each fact is one line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFootprint(BTreeMap<String, BTreeSet<String>>);

/// One fact that is there now and was not, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Kind of fact.
    pub kind: String,
    /// The fact.
    pub fact: String,
    /// True when it came, false when it went.
    pub came: bool,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", if self.came { "+" } else { "-" }, self.kind, self.fact)
    }
}

impl HostFootprint {
    /// Looks at this computer and, when given, at its libvirt. Private providers of labs other than `lab`
    /// come and go as their owners like, and are left out.
    pub fn take(lab: Uuid, provider: Option<&dyn Provider>) -> Self {
        let mut picture = Self::default();
        picture.network();
        picture.firewall();
        picture
            .add("mount", mounts(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()));
        picture.add("namespace", namespaces(Path::new("/proc"), &lab.to_string()));
        picture.add("named namespace", names(Path::new("/run/netns")));
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let files = ["/etc/hosts", "/etc/ssh/ssh_config", "/etc/resolv.conf"].map(PathBuf::from);
        let own = [".ssh/config", ".ssh/known_hosts", ".kube/config"].map(|name| home.join(name));
        picture.add("file", files.iter().chain(&own).filter_map(|path| digest(path)));
        if let Some(provider) = provider {
            picture.libvirt(provider);
        }
        picture
    }

    /// Everything that came or went since `before`. Kinds that only one of them has were not looked
    /// at both times, and are left out.
    pub fn since(&self, before: &Self) -> Vec<Difference> {
        let mut all = Vec::new();
        for (kind, now) in &self.0 {
            let Some(then) = before.0.get(kind) else { continue };
            let told =
                |fact: &String, came| Difference { kind: kind.clone(), fact: fact.clone(), came };
            all.extend(now.difference(then).map(|fact| told(fact, true)));
            all.extend(then.difference(now).map(|fact| told(fact, false)));
        }
        all
    }

    /// How many facts of each kind it holds.
    pub fn counts(&self) -> Vec<(String, usize)> {
        self.0.iter().map(|(kind, facts)| (kind.clone(), facts.len())).collect()
    }

    fn add(&mut self, kind: &str, facts: impl IntoIterator<Item = String>) {
        self.0.entry(kind.into()).or_default().extend(facts);
    }

    fn network(&mut self) {
        for (kind, arguments) in [
            ("link", &["-brief", "link", "show"][..]),
            ("address", &["-brief", "address", "show"]),
            ("route", &["route", "show", "table", "all"]),
            ("route", &["-6", "route", "show", "table", "all"]),
            ("rule", &["rule", "show"]),
        ] {
            if let Ok(text) = run_tool("ip", arguments) {
                self.add(kind, text.lines().filter_map(|line| stable(kind, line)));
            }
        }
    }

    fn firewall(&mut self) {
        // Both need root; a kind that cannot be read is left out.
        if let Ok(text) = run_tool("nft", &["--stateless", "list", "ruleset"]) {
            self.add("firewall rule", numbered(&text));
        }
        if let Ok(text) = run_tool("iptables-save", &[] as &[&str]) {
            let rules = text.lines().filter(|line| line.starts_with('-'));
            self.add("iptables rule", rules.map(str::to_owned));
        }
    }

    fn libvirt(&mut self, provider: &dyn Provider) {
        let Ok(found) = provider.inventory() else { return };
        let domain = |d: &crate::model::inventory::FoundDomain| {
            format!("{} {} active={} {:?}", d.name, d.uuid, d.active, d.snapshots)
        };
        self.add("domain", found.domains.iter().map(domain));
        let network = |n: &crate::model::inventory::FoundNetwork| {
            format!("{} {} active={} {:?}", n.name, n.uuid, n.active, n.cidrs)
        };
        self.add("libvirt network", found.networks.iter().map(network));
        self.add("pool", found.pools.iter().map(|p| format!("{} {}", p.name, p.uuid)));
        for pool in &found.pools {
            self.add("volume", pool.volumes.iter().map(|v| format!("{}/{v}", pool.name)));
        }
    }
}

/// A line without what changes by itself: lifetimes, carrier states and the like.
fn stable(kind: &str, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match (kind, words.as_slice()) {
        (_, []) => None,
        ("link", [name, _, mac, ..]) => Some(format!("{name} {mac}")),
        ("address", [name, _, rest @ ..]) => Some(format!("{name} {}", rest.join(" "))),
        ("route", words) => {
            let cut = words.iter().position(|word| *word == "expires").unwrap_or(words.len());
            Some(words.get(..cut)?.join(" "))
        }
        _ => Some(words.join(" ")),
    }
}

/// Rules with the table and chain they are in; the same rule twice in one chain counts twice.
fn numbered(ruleset: &str) -> Vec<String> {
    let (mut table, mut chain) = (String::new(), String::new());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for line in ruleset.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("table ") {
            table = rest.trim_end_matches(" {").into();
            chain.clear();
            all.push(format!("table {table}"));
        } else if let Some(rest) = line.strip_prefix("chain ") {
            chain = rest.trim_end_matches(" {").into();
        } else if !line.is_empty() && line != "}" {
            let rule = format!("{table} {chain}: {line}");
            let count = seen.entry(rule.clone()).or_default();
            *count += 1;
            all.push(if *count > 1 { format!("{rule} ({count})") } else { rule });
        }
    }
    all
}

fn mounts(mountinfo: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.split(' ').skip(4);
        let point = words.next()?.to_owned();
        let (_, rest) = line.split_once(" - ")?;
        let mut rest = rest.split(' ');
        Some(format!("{point} {} {}", rest.next()?, rest.next()?))
    };
    mountinfo.lines().filter_map(line).collect()
}

/// Namespaces of the processes that `lab` may have started: not those that this process is in, nor those
/// of other labs' providers.
fn namespaces(proc: &Path, lab: &str) -> BTreeSet<String> {
    let (mut all, mut others) = (BTreeSet::new(), namespaces_of(&proc.join("self")));
    for process in names(proc).iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        let dir = proc.join(process);
        let program = fs::read_to_string(dir.join("comm")).unwrap_or_default();
        if !PROGRAMS.iter().any(|known| program.trim().starts_with(known)) {
            continue;
        }
        let command = fs::read_to_string(dir.join("cmdline")).unwrap_or_default();
        let is_provider = command.contains("engine-");
        if program.trim() == "lab" && !is_provider {
            // Somebody else's command, wherever it was typed.
            continue;
        }
        match is_provider && !command.contains(lab) {
            true => others.extend(namespaces_of(&dir)),
            false => all.extend(namespaces_of(&dir)),
        }
    }
    all.retain(|one| !others.contains(one));
    all
}

fn namespaces_of(process: &Path) -> BTreeSet<String> {
    let link = |kind: &str| fs::read_link(process.join("ns").join(kind)).ok();
    let found = ["net", "mnt", "pid"].into_iter().filter_map(link);
    found.map(|target| target.display().to_string()).collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn digest(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(format!("{} {}", path.display(), hex(&Sha256::digest(&bytes))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_by_itself_is_no_difference() {
        let line = "lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>";
        assert_eq!(stable("link", line).as_deref(), Some("lo 00:00:00:00:00:00"));
        let route = "fe80::/64 dev eth0 proto ra expires 1790sec pref medium";
        assert_eq!(stable("route", route).as_deref(), Some("fe80::/64 dev eth0 proto ra"));
    }

    #[test]
    fn a_rule_is_told_with_its_chain_and_counts_as_often_as_it_stands_there() {
        let text = "table ip nat {\n\tchain POST {\n\t\tmasquerade\n\t\tmasquerade\n\t}\n}\n";
        assert_eq!(
            numbered(text),
            ["table ip nat", "ip nat POST: masquerade", "ip nat POST: masquerade (2)"]
        );
    }

    #[test]
    fn a_difference_has_a_direction() {
        let mut before = HostFootprint::default();
        before.add("link", ["a".to_owned(), "b".to_owned()]);
        let mut after = HostFootprint::default();
        after.add("link", ["b".to_owned(), "c".to_owned()]);
        after.add("mount", ["only now".to_owned()]);
        let told: Vec<String> = after.since(&before).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["+ link: c", "- link: a"]);
    }
}

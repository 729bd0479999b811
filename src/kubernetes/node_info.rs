//! What a node says of itself: memory, processor, disk, versions, addresses. Its stages bring the
//! script ([`Flavour::node_info`](crate::kubernetes::flavour::Flavour::node_info)), here what it prints is read: never
//! trusted to have a shape.

use serde::Serialize;

/// One node's state of health, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Vitals {
    /// Operating system, for people.
    pub os: Option<String>,
    /// Kubernetes version of what runs there.
    pub kubernetes: Option<String>,
    /// etcd version of the member there.
    pub etcd: Option<String>,
    /// True when the member leads; `None` on nodes without one.
    pub etcd_leader: Option<bool>,
    /// Virtual processors.
    pub cpus: Option<u64>,
    /// Share of all processors in use, percent, over half a second.
    pub cpu_percent: Option<u64>,
    /// Memory, MiB.
    pub memory_mib: Option<u64>,
    /// Memory that is in use and cannot be freed, MiB.
    pub memory_used_mib: Option<u64>,
    /// Size of the root file system, MiB.
    pub disk_mib: Option<u64>,
    /// What is in use of it, MiB.
    pub disk_used_mib: Option<u64>,
    /// Names of the floating addresses that the node has now.
    pub vips: Vec<String>,
    /// What its link was made to be like, where that is not as always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<String>,
}

/// Reads what the script printed. Lines that mean nothing are left out.
pub fn parse(text: &str) -> Vitals {
    let mut vitals = Vitals::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let clean: String = value.chars().filter(|c| !c.is_control()).take(80).collect();
        let word = Some(clean.clone()).filter(|word| !word.is_empty());
        let number = clean.parse().ok();
        match key {
            "os" => vitals.os = word,
            "kubernetes" => vitals.kubernetes = word,
            "etcd" => vitals.etcd = word,
            "etcd_leader" => vitals.etcd_leader = clean.parse().ok(),
            "cpus" => vitals.cpus = number,
            "cpu_percent" => vitals.cpu_percent = number.map(|percent: u64| percent.min(100)),
            "memory_mib" => vitals.memory_mib = number,
            "memory_used_mib" => vitals.memory_used_mib = number,
            "disk_mib" => vitals.disk_mib = number,
            "disk_used_mib" => vitals.disk_used_mib = number,
            "vip" => vitals.vips.extend(word),
            "link" => vitals.link.extend(word),
            _ => {}
        }
    }
    vitals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_lines_are_left_out() {
        let vitals =
            parse("cpus=2\nmemory_mib=much\nvip=api\nos=De\u{1b}bian\nnonsense\ncpu_percent=400\n");
        assert_eq!(vitals.cpus, Some(2));
        assert_eq!(vitals.memory_mib, None);
        assert_eq!(vitals.vips, ["api"]);
        assert_eq!(vitals.os.as_deref(), Some("Debian"));
        assert_eq!(vitals.cpu_percent, Some(100));
    }
}

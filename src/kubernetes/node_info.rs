//! What a node says of itself: memory, processor, disk, versions, addresses. A script and the
//! reading of what it prints; what a node prints is never trusted to have a shape.

use serde::Serialize;

use crate::kubernetes::hard_way::etcd;
use crate::model::{Lab, Node, Role};

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
}

/// Script that prints a node's vitals as `key=value` lines. Changes nothing.
pub fn script(lab: &Lab, node: &Node) -> String {
    let mut text = String::from(
        "set +e
sample() { awk '/^cpu / {idle = $5 + $6; all = 0; for (i = 2; i <= 9; i++) all += $i; print idle, all}' /proc/stat; }
set -- $(sample); sleep 0.5; set -- \"$@\" $(sample)
test $(($4 - $2)) -gt 0 && echo cpu_percent=$((100 - 100 * ($3 - $1) / ($4 - $2)))
echo cpus=$(nproc)
awk '/^MemTotal:/ {t = $2} /^MemAvailable:/ {a = $2} END {print \"memory_mib=\" int(t / 1024); print \"memory_used_mib=\" int((t - a) / 1024)}' /proc/meminfo
df -Pk / | awk 'NR == 2 {print \"disk_mib=\" int($2 / 1024); print \"disk_used_mib=\" int($3 / 1024)}'
sed -n 's/^PRETTY_NAME=\"\\{0,1\\}\\([^\"]*\\).*/os=\\1/p' /etc/os-release
",
    );
    let binary = match (node.is(Role::Worker), node.is(Role::ControlPlane)) {
        (true, _) => Some("kubelet"),
        (_, true) => Some("kube-apiserver"),
        _ => None,
    };
    if let Some(binary) = binary {
        text.push_str(&format!(
            "f=/run/lab-version-{binary}\n\
             test -s $f || {{ v=$(/usr/local/bin/{binary} --version 2>/dev/null | awk '{{print $2}}'); test -z \"$v\" || echo \"$v\" > $f; }}\n\
             test ! -s $f || echo kubernetes=$(cat $f)\n"
        ));
    }
    if node.is(Role::Etcd) {
        text.push_str(&format!(
            "ETCDCTL_API=3 etcdctl --command-timeout=5s {} endpoint status 2>/dev/null | awk -F', ' '{{print \"etcd=\" $3; for (i = 4; i <= NF; i++) if ($i == \"true\" || $i == \"false\") {{print \"etcd_leader=\" $i; exit}}}}'\n",
            etcd::CLIENT
        ));
    }
    for vip in lab.vips_of(node) {
        text.push_str(&format!(
            "ip -o -4 address show to {}/32 | grep -q . && echo vip={}\n",
            vip.address, vip.name
        ));
    }
    text.push_str("exit 0\n");
    text
}

/// Reads what [`script`] printed. Lines that mean nothing are left out.
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

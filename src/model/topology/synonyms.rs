//! Words of the field that topologies of other tools use, and what they are here.

/// Words, and the one that they mean, in the order in which candidates are looked for.
const SYNONYMS: &[(&[&str], &[&str])] = &[
    (
        &[
            "master",
            "masters",
            "controller",
            "controllers",
            "controlplane",
            "control_plane",
            "server",
            "manager",
        ],
        &["control-plane"],
    ),
    (&["node", "nodes", "minion", "agent", "workers", "compute"], &["worker"]),
    (&["lb", "loadbalancer", "load_balancer", "haproxy", "balancer", "proxy"], &["load-balancer"]),
    (&["ram", "mem", "memory_mb", "memorymb", "memsize"], &["memory"]),
    (&["cpu", "vcpu", "vcpus", "cores", "numcpus", "processors"], &["cpus"]),
    (
        &["ip", "ipaddress", "ip_address", "addr", "static_ip", "hostip"],
        &["address", "first_address"],
    ),
    (&["ips", "static_ips", "ip_addresses"], &["addresses"]),
    (&["start_ip", "first_ip"], &["first_address"]),
    (&["subnet", "net", "network_cidr", "ip_range", "addresses"], &["cidr"]),
    (&["cni", "network_plugin", "networking"], &["pod_network"]),
    (&["pod_subnet", "pods_cidr", "cluster_cidr", "podcidr", "pod_network_cidr"], &["pod_cidr"]),
    (
        &["service_subnet", "services_cidr", "servicecidr", "service_cluster_ip_range"],
        &["service_cidr"],
    ),
    (&["replicas", "number", "quantity", "instances", "amount"], &["count"]),
    (&["hosts", "machines", "vms", "groups", "servers", "node_groups"], &["nodes"]),
    (&["vip", "floating_ips", "virtual_ips"], &["vips"]),
    (&["os", "distro", "box", "base_image", "os_image", "template"], &["image"]),
    (&["storage", "disk_size", "disksize", "hdd", "disks"], &["disk"]),
    (&["img", "base", "source", "path", "qcow2"], &["image", "file"]),
    (&["link", "href", "address"], &["url"]),
    (&["checksum", "sha", "sha256sum", "hash", "digest"], &["sha256"]),
    (&["family", "os_family", "distribution", "system"], &["like", "image"]),
    (&["ports", "expose", "open", "allow", "firewall_ports", "ingress_ports"], &["open_ports"]),
    (&["firewalld", "ufw", "nftables", "iptables"], &["firewall"]),
    (&["true", "yes", "enabled", "enable"], &["on"]),
    (&["false", "no", "disabled", "disable"], &["off"]),
    (&["cpu_mode", "cpu_type", "cpumodel", "cputype"], &["cpu_model"]),
    (&["extra_disks", "data_disks", "additional_disks", "volumes"], &["disks"]),
    (&["mount_point", "mountpoint", "mount_path"], &["mount"]),
    (&["fs", "fstype", "format"], &["filesystem"]),
    (&["k8s", "kube", "cluster"], &["kubernetes"]),
    (&["http_proxy", "https_proxy", "proxies", "proxy_url", "proxyconfig"], &["proxy"]),
    (&["noproxy", "except", "exceptions", "bypass", "exclude"], &["no_proxy"]),
    (
        &[
            "ca_certs",
            "ca_certificates",
            "trusted_cas",
            "trusted_ca",
            "extra_ca",
            "authorities",
            "ca",
        ],
        &["trusted_authorities"],
    ),
    (
        &[
            "imagepullsecrets",
            "image_pull_secrets",
            "registry_auth",
            "docker_config",
            "registry_credentials",
        ],
        &["registry_logins"],
    ),
    (
        &["registries", "registry_mirrors", "insecure_registries"],
        &["mirrors", "registry_logins", "kubernetes"],
    ),
    (&["k8s_version", "kubernetes_version", "release"], &["version"]),
    (&["role", "type", "kind"], &["roles"]),
    (&["userdata", "cloud_init", "cloudinit", "user-data"], &["user_data"]),
    (&["user_data", "common", "all", "vars", "globals", "default"], &["defaults"]),
    (
        &[
            "scripts",
            "script",
            "cmds",
            "commands",
            "run",
            "files",
            "packages",
            "timezone",
            "runcmd",
            "write_files",
            "users",
            "init",
        ],
        &["user_data", "defaults"],
    ),
    (
        &[
            "nested",
            "uefi",
            "firmware",
            "bios",
            "boot",
            "hugepages",
            "hostdevs",
            "pci",
            "usb",
            "gpu",
            "arch",
            "machine",
            "machine_type",
            "tpm",
            "video",
            "graphics",
            "sound",
        ],
        &["xml", "defaults"],
    ),
    (
        &[
            "additional_san",
            "additional_sans",
            "cert_sans",
            "certsans",
            "apiservercertsans",
            "extra_sans",
            "sans",
            "tls_san",
        ],
        &["certificate_names"],
    ),
    (&["mac", "macaddress", "mac_address", "hwaddr"], &["mac", "overrides"]),
    (&["dns_domain", "clusterdomain", "cluster_dns_domain"], &["cluster_domain", "domain"]),
    (&["dns", "nameservers", "dns_servers", "resolvers", "dns_forwarders"], &["forwarders"]),
    (&["host_bridge", "br", "bridge_name", "bridged", "interface"], &["bridge"]),
    (&["libvirt_network", "network_name", "name", "source"], &["existing"]),
    (&["dns_records", "dns_hosts", "extra_hosts", "aliases"], &["records"]),
    (&["dhcp_hosts", "static_leases", "leases", "reserved"], &["reservations"]),
    (&["gw", "router", "gateway_ip"], &["gateway"]),
    (&["route", "open"], &["routed"]),
    (&["none", "private", "hostonly", "host_only", "internal"], &["isolated"]),
    (&["username", "login"], &["user"]),
    (&["keys", "ssh_keys", "public_keys", "ssh_authorized_keys"], &["authorized_keys"]),
    (&["virtual_router_id", "vrid"], &["router_id"]),
];

/// The candidate that a word of the field means.
pub(crate) fn meant<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let known: Vec<&str> = candidates.collect();
    let is_it = |other: &&str| other.replace('-', "_") == word;
    let of_word = SYNONYMS.iter().filter(|(words, _)| words.iter().any(is_it));
    let mut targets = of_word.flat_map(|(_, targets)| targets.iter());
    targets.find_map(|target| known.iter().find(|known| *known == target).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_field_lead_to_what_there_is() {
        let meant = |word: &str, known: &[&'static str]| meant(word, known.iter().copied());
        let group = ["roles", "count", "first_address", "cpus", "memory", "disk", "image"];
        assert_eq!(meant("RAM", &group), Some("memory"));
        assert_eq!(meant("ip", &group), Some("first_address"));
        assert_eq!(meant("ip", &["address", "mac"]), Some("address"));
        assert_eq!(meant("disk-size", &group), Some("disk"));
        assert_eq!(meant("master", &["etcd", "control-plane", "worker"]), Some("control-plane"));
        assert_eq!(meant("ip", &["name"]), None);
        assert_eq!(meant("mac", &["names", "overrides"]), Some("overrides"));
        assert_eq!(meant("scripts", &["roles", "user_data"]), Some("user_data"));
        assert_eq!(meant("tls-san", &["version", "certificate_names"]), Some("certificate_names"));
        assert_eq!(meant("zebra", &group), None);
    }
}

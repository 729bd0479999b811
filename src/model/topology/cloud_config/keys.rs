//! The keys of cloud-config, as cloud-init 22 to 25 documents them: what each holds, and whose it is.

use crate::model::topology::cloud_config::shape::Shape;

/// What a key is here.
pub(super) enum Key {
    /// A person may say it.
    Known(Shape),
    /// `lab` itself writes it: another value would undo pinned host keys, the login, the addresses or the modules
    /// that set them up.
    Owned,
    /// Nothing would come of it: why, and what to write instead.
    Useless(&'static str, &'static str),
}

const OWNED: &[&str] = &[
    "users",
    "user",
    "ssh_keys",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_pwauth",
    "disable_root",
    "hostname",
    "fqdn",
    "prefer_fqdn_over_hostname",
    "manage_etc_hosts",
    "preserve_hostname",
    "chpasswd",
    "password",
    "datasource_list",
    "datasource",
    "network",
    "merge_how",
    "merge_type",
    "system_info",
    "cloud_init_modules",
    "cloud_config_modules",
    "cloud_final_modules",
];

const NOBODY: &str = "there is no default user";
const OWN_KEYS: &str = "write the key under `ssh`, as `authorized_keys: [\"ssh-ed25519 ...\"]`";
const RESOLVER: &str = "nodes ask the network's own DNS";
const NO_RESOLVER: &str = "remove it";
const USELESS: &[(&str, &str, &str)] = &[
    ("ssh_import_id", NOBODY, OWN_KEYS),
    ("ssh_authorized_keys", NOBODY, OWN_KEYS),
    ("resolv_conf", RESOLVER, NO_RESOLVER),
    ("manage_resolv_conf", RESOLVER, NO_RESOLVER),
];

const KNOWN: &[(Shape, &[&str])] = &[
    (Shape::Commands, &["runcmd", "bootcmd"]),
    (Shape::Packages, &["packages"]),
    (Shape::Files, &["write_files"]),
    (Shape::List, &["mounts", "fs_setup", "mount_default_fields"]),
    (
        Shape::Mapping,
        &[
            "apt",
            "ntp",
            "disk_setup",
            "swap",
            "power_state",
            "yum_repos",
            "ca_certs",
            "chef",
            "puppet",
            "salt_minion",
            "device_aliases",
            "random_seed",
            "rh_subscription",
            "phone_home",
            "wireguard",
            "keyboard",
            "ansible",
            "landscape",
            "lxd",
            "zypper",
            "apk_repos",
            "ubuntu_pro",
            "ubuntu_advantage",
            "snap",
        ],
    ),
    (
        Shape::Truth,
        &[
            "package_update",
            "package_upgrade",
            "package_reboot_if_required",
            "no_ssh_fingerprints",
            "ssh_quiet_keygen",
        ],
    ),
    (Shape::Text, &["timezone", "locale", "locale_configfile", "final_message", "yum_repo_dir"]),
    (
        Shape::Anything,
        &[
            "groups",
            "growpart",
            "resize_rootfs",
            "ssh",
            "output",
            "rsyslog",
            "updates",
            "vendor_data",
            "reporting",
            "apt_pipelining",
            "byobu_by_default",
            "grub_dpkg",
            "grub-dpkg",
            "ca-certs",
            "drivers",
            "fan",
            "debug",
            "mcollective",
            "spacewalk",
            "manual_cache_clean",
            "ssh_publish_hostkeys",
            "ssh_fp_console_blacklist",
            "disable_ec2_metadata",
            "disable_root_opts",
            "allow_public_ssh_keys",
            "warnings",
            "seedfrom",
            "apt_update",
            "apt_upgrade",
            "apt_reboot_if_required",
            "apt_sources",
            "apt_mirror",
            "authkey_hash",
            "launch-index",
            "create_hostname_file",
            "runcmd_shell",
            "rpi",
            "interactive_sections",
            "autoinstall",
        ],
    ),
];

/// What is known of a key.
pub(super) fn find(key: &str) -> Option<Key> {
    if OWNED.contains(&key) {
        return Some(Key::Owned);
    }
    if let Some((_, why, cure)) = USELESS.iter().find(|(name, ..)| *name == key) {
        return Some(Key::Useless(why, cure));
    }
    let known = KNOWN.iter().find(|(_, names)| names.contains(&key));
    known.map(|(shape, _)| Key::Known(*shape))
}

/// All that a person may say.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().flat_map(|(_, names)| names.iter().copied())
}

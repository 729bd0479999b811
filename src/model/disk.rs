//! Disks that a node has besides the one it boots from.

use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::word::words;

/// What a person can have, at most: drives `vdd` to `vds`.
pub const MOST: usize = 16;
/// What QEMU shows of a serial number.
const SERIAL: usize = 20;

words! {
    /// What lab puts onto a new disk.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    pub enum Filesystem {
        /// The system's usual one.
        Ext4 = "ext4",
        /// Nothing: the disk stays raw.
        Raw = "none",
    }
}

/// A further disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its name among those of the node.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What the guest finds it by: `/dev/disk/by-id/virtio-SERIAL`.
    pub serial: String,
    /// What is put onto it while nothing is on it.
    pub filesystem: Filesystem,
    /// Where it is mounted, an absolute path.
    pub mount: Option<String>,
    /// Stays when its node is made anew, or leaves the topology.
    pub keep: bool,
}

impl Disk {
    /// The device inside the guest.
    pub fn device(&self) -> String {
        format!("/dev/disk/by-id/virtio-{}", self.serial)
    }

    /// The systemd unit that it is itself.
    pub fn device_unit(&self) -> String {
        format!("{}.device", escaped(&self.device()))
    }

    /// The systemd unit that mounts it.
    pub fn unit(&self) -> Option<String> {
        self.mount.as_deref().map(|path| format!("{}.mount", escaped(path)))
    }
}

/// A path as systemd writes it in names of units.
fn escaped(path: &str) -> String {
    let mut name = String::new();
    for (at, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            b'.' | b'_' => name.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => name.push(char::from(byte)),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    name
}

/// Judges a serial number.
///
/// # Errors
/// What is wrong with it.
pub fn serial(text: &str) -> Result<(), Flaw> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let help = format!("write up to {SERIAL} letters, digits, '-', '_' and '.', like `data-1`");
    match text {
        "" => Err(Flaw::new("the serial number is empty", help)),
        _ if text.len() > SERIAL => Err(Flaw::new(
            format!("a serial number has at most {SERIAL} characters: the guest sees no more"),
            help,
        )),
        _ if !text.chars().all(is_plain) => {
            Err(Flaw::new("a serial number has a character that none can have", help))
        }
        _ if text.starts_with("lab-") => Err(Flaw::new(
            "serial numbers that begin with 'lab-' are those of lab's own disks",
            help,
        )),
        _ => Ok(()),
    }
}

/// Folders that a system does not live without, with all that is in them.
const TREES: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt/lab",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/cloud",
    "/var/lib/dpkg",
    "/var/lib/lab",
    "/var/lib/rpm",
    "/var/lib/systemd",
];
/// Folders that have such in them.
const FOLDERS: &[&str] =
    &["/", "/home", "/opt", "/tmp", "/var", "/var/lib", "/var/log", "/var/tmp"];

/// Judges the folder that a disk is to be mounted at.
///
/// # Errors
/// What is wrong with it.
pub fn mount(text: &str) -> Result<(), Flaw> {
    let help = "write a folder of its own, like `/srv/data` or `/var/lib/containerd`";
    let Some(rest) = text.strip_prefix('/') else {
        return Err(Flaw::new("the mount point is not an absolute path", help));
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_part =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(is_plain);
    if !rest.is_empty() && !rest.split('/').all(is_part) {
        let message = "the mount point has a part that a unit cannot name";
        return Err(Flaw::new(
            message,
            "write letters, digits, '-', '_' and '.' between the slashes",
        ));
    }
    let lies_in =
        |tree: &&str| text.strip_prefix(*tree).is_some_and(|r| r.is_empty() || r.starts_with('/'));
    // Whoever logs in has a folder there.
    let is_a_home = text.strip_prefix("/home/").is_some_and(|rest| !rest.contains('/'));
    if FOLDERS.contains(&text) || is_a_home || TREES.iter().any(lies_in) || text.len() > 200 {
        return Err(Flaw::new(format!("a disk at {text} would hide what the system needs"), help));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_as_systemd_names_them() {
        assert_eq!(escaped("/srv/data"), "srv-data");
        assert_eq!(escaped("/var/lib/my-app_1.2"), "var-lib-my\\x2dapp_1.2");
        assert_eq!(escaped("/.hidden/x"), "\\x2ehidden-x");
    }

    #[test]
    fn what_the_system_needs_is_not_hidden() {
        for good in ["/srv", "/srv/data", "/var/lib/etcd", "/home/anna/work", "/data", "/usrdata"] {
            assert!(mount(good).is_ok(), "{good}");
        }
        for bad in [
            "/",
            "/usr",
            "/usr/local",
            "/var",
            "/home/anna",
            "srv",
            "/srv/../etc",
            "/a b",
            "/srv/",
            "//x",
            "",
        ] {
            assert!(mount(bad).is_err(), "{bad}");
        }
        assert!(serial("data-1").is_ok());
        for bad in ["", "lab-seed", "a b", "123456789012345678901"] {
            assert!(serial(bad).is_err(), "{bad}");
        }
    }
}

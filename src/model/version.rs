//! Kubernetes versions, and everything that differs between them.

use serde::Serialize;

/// The release used when neither the topology nor the artifacts say one.
pub const DEFAULT: Version = Version { minor: 36, patch: 2 };
/// Oldest minor release that is supported.
pub const OLDEST_MINOR: u32 = 20;
/// Newest minor release whose changes are known here. A newer one is set up like this one, with a warning.
pub const NEWEST_MINOR: u32 = 37;

/// A Kubernetes version; the major number is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 36 of 1.36.2.
    pub minor: u32,
    /// The 2 of 1.36.2.
    pub patch: u32,
}

impl Version {
    /// Reads `1.36.2` or `v1.36.2`; pre-release and build suffixes are ignored.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim().trim_start_matches('v');
        let text = text.split(['-', '+']).next()?;
        let mut parts = text.split('.');
        let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
        if major != "1" || parts.next().is_some() {
            return None;
        }
        Some(Version { minor: minor.parse().ok()?, patch: patch.parse().ok()? })
    }

    /// True when this build of `lab` cannot bootstrap the version.
    pub fn is_too_old(self) -> bool {
        self.minor < OLDEST_MINOR
    }

    /// What to say of a version that came after this build of `lab`; `None` for those it knows.
    pub fn unknown(self) -> Option<String> {
        (self.minor > NEWEST_MINOR).then(|| {
            format!(
                "Kubernetes {self} is newer than this `lab`, which sets it up like 1.{NEWEST_MINOR}"
            )
        })
    }

    /// What this version's components understand.
    pub fn capabilities(self) -> Capabilities {
        Capabilities {
            kubelet_needs_dockershim_flags: self.minor < 24,
            insecure_ports: self.minor < 23,
            kubelet_seccomp_default: self.minor >= 25,
            deny_service_external_ips: self.minor >= 21,
            costly_fairness: self.minor < 26,
            pod_security: match self.minor {
                ..=22 => None,
                23 | 24 => Some("v1beta1"),
                _ => Some("v1"),
            },
            readiness_has_a_timeout: self.minor >= 25,
            kubeadm: match self.minor {
                ..=21 => "v1beta2",
                22..=30 => "v1beta3",
                _ => "v1beta4",
            },
            kubeadm_lists: self.minor >= 31,
            kubeadm_super_admin: self.minor >= 29,
            kubeadm_patches: match self.minor {
                ..=21 => "--experimental-patches",
                _ => "--patches",
            },
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The only place where versions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Before 1.24 the kubelet defaults to dockershim and must be told to use CRI and CNI.
    pub kubelet_needs_dockershim_flags: bool,
    /// Before 1.23 controller manager and scheduler also serve plain HTTP to everybody, unless told
    /// not to.
    pub insecure_ports: bool,
    /// `seccompDefault` is on by default in the configuration API from 1.25.
    pub kubelet_seccomp_default: bool,
    /// The admission plugin `DenyServiceExternalIPs` (CIS 1.2.3).
    pub deny_service_external_ips: bool,
    /// Before 1.26 API Priority and Fairness counts each of its levels a thousand times a second for
    /// metrics (kubernetes issue 108272); it can be turned off.
    pub costly_fairness: bool,
    /// Version of the API by which the admission plugin `PodSecurity` is configured; it came with 1.23.
    pub pod_security: Option<&'static str>,
    /// From 1.25 readiness asks etcd once more, with a time-out of its own (`--etcd-readycheck-timeout`).
    pub readiness_has_a_timeout: bool,
    /// Version of the API by which kubeadm is configured.
    pub kubeadm: &'static str,
    /// From that API's `v1beta4` on flags are lists of names and values, and time-outs have a place of their own.
    pub kubeadm_lists: bool,
    /// From 1.29 on kubeadm looks for one more kubeconfig, `super-admin.conf`.
    pub kubeadm_super_admin: bool,
    /// The flag by which kubeadm is told of changes to manifests.
    pub kubeadm_patches: &'static str,
}

//! A connection to libvirt.

use std::sync::Mutex;

use uuid::Uuid;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::network::Network;

use crate::drivers::provider::{ProviderError, Result};

/// The first libvirt that makes overlays with subclusters; as it writes versions.
const OLDEST: u32 = 8_000_000;

/// A version of libvirt or QEMU as people write it.
pub(crate) fn readable(number: u32) -> String {
    format!("{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
}

/// A connection to libvirt.
pub struct Libvirt {
    pub(crate) connect: Connect,
    pub(crate) uri: String,
    /// libvirt refuses other pool operations while one of a pool's volumes is being made.
    pub(crate) pools: Mutex<()>,
}

/// An error with what was being done.
pub(crate) fn failed(doing: impl Into<String>) -> impl FnOnce(virt::error::Error) -> ProviderError {
    let doing = doing.into();
    move |error| ProviderError::new(doing, error.message().trim().to_owned())
}

impl Libvirt {
    /// Connects to `uri`.
    ///
    /// # Errors
    /// When libvirt does not answer there, with what usually helps.
    pub fn open(uri: &str) -> Result<Self> {
        // libvirt's own complaints on standard error would stand beside ours.
        virt::error::clear_error_callback();
        let connect = Connect::open(Some(uri)).map_err(|error| {
            let known = if error.message().contains("ermission denied") {
                "sudo usermod -aG libvirt $USER, then log in again (that group equals root here)"
            } else {
                "is libvirtd running? `--provider private` brings one of its own"
            };
            failed(format!("connect to libvirt at {uri}"))(error).hint(known)
        })?;
        let version = connect.lib_version().map_err(failed("ask libvirt's version"))?;
        if version < OLDEST {
            let found = format!("it is version {}", readable(version));
            return Err(ProviderError::new(format!("use libvirt at {uri}"), found)
                .hint(format!("lab needs libvirt {} or newer", readable(OLDEST))));
        }
        Ok(Self { connect, uri: uri.into(), pools: Mutex::new(()) })
    }

    /// True when guests of this libvirt can use KVM.
    pub fn offers_kvm(&self) -> bool {
        let found =
            self.connect.domain_capabilities(None, Some("x86_64"), Some("q35"), Some("kvm"), 0);
        found.is_ok()
    }

    /// False once the connection was lost.
    pub(crate) fn is_alive(&self) -> bool {
        self.connect.is_alive().unwrap_or(false)
    }

    pub(crate) fn is_test(&self) -> bool {
        self.uri.starts_with("test:")
    }

    pub(crate) fn domain(&self, uuid: Uuid) -> Option<Domain> {
        self.connect.lookup_domain_by_uuid_string(&uuid.to_string()).ok()
    }

    pub(crate) fn find_network(&self, uuid: Uuid) -> Option<Network> {
        self.connect.lookup_network_by_uuid_string(&uuid.to_string()).ok()
    }

    /// Refuses a name that somebody else's object has.
    pub(crate) fn refuse_foreign(
        &self,
        kind: &str,
        name: &str,
        found: Option<String>,
        ours: Uuid,
    ) -> Result<()> {
        match found {
            Some(uuid) if uuid != ours.to_string() => Err(ProviderError::new(
                format!("make {kind} '{name}'"),
                format!("a {kind} of that name exists and was not made by this lab ({uuid})"),
            )
            .hint("rename the lab in its topology file, or remove the other one yourself")),
            _ => Ok(()),
        }
    }
}

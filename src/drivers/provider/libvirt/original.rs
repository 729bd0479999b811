//! Domains and volumes of others, as something to copy. They are looked at, and nothing more.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use virt::storage_vol::StorageVol;

use crate::drivers::host::tool::run_tool;
use crate::drivers::provider::libvirt::connection::{Libvirt, failed};
use crate::drivers::provider::{ProviderError, Result};

/// What a copy is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Its first disk.
    pub disk: PathBuf,
    /// The disk's format, a word of QEMU's.
    pub format: String,
    /// The kernel that it is booted by, where that is no affair of the disk.
    pub kernel: Option<PathBuf>,
    /// The kernel's first file system.
    pub initrd: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Document {
    os: Option<Os>,
    devices: Devices,
}

#[derive(Deserialize)]
struct Os {
    kernel: Option<PathBuf>,
    initrd: Option<PathBuf>,
    cmdline: Option<String>,
}

#[derive(Deserialize)]
struct Devices {
    #[serde(rename = "disk", default)]
    disks: Vec<Disk>,
}

#[derive(Deserialize)]
struct Disk {
    #[serde(rename = "@device", default)]
    device: String,
    driver: Option<Driver>,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Driver {
    #[serde(rename = "@type", default)]
    format: String,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "@file")]
    file: Option<PathBuf>,
    #[serde(rename = "@dev")]
    device: Option<PathBuf>,
    #[serde(rename = "@pool")]
    pool: Option<String>,
    #[serde(rename = "@volume")]
    volume: Option<String>,
}

#[derive(Deserialize)]
struct Volume {
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "@type", default)]
    name: String,
}

impl Libvirt {
    /// What a copy of a domain, or of `POOL/VOLUME`, is made of.
    ///
    /// # Errors
    /// When there is none, when it runs, or has no disk that is a file.
    pub fn original(&self, name: &str) -> Result<Original> {
        match name.split_once('/') {
            Some((pool, volume)) => self.original_volume(pool, volume),
            None => self.original_domain(name),
        }
    }

    fn original_volume(&self, pool: &str, name: &str) -> Result<Original> {
        let doing = || format!("copy the volume {pool}/{name}");
        let volume = self.volume_of(pool, name)?;
        let disk = volume.path().map_err(failed(doing()))?;
        let xml = volume.xml_desc(0).map_err(failed(doing()))?;
        let read: Volume = read(&xml, doing)?;
        let format = read.target.format.map(|format| format.name);
        let format = format.filter(|format| !format.is_empty()).unwrap_or_else(|| "raw".into());
        stays_in_its_pool(Path::new(&disk), &format, &doing())?;
        Ok(Original { disk: disk.into(), format, kernel: None, initrd: None })
    }

    fn volume_of(&self, pool: &str, name: &str) -> Result<StorageVol> {
        let doing = || format!("find the volume {pool}/{name}");
        let pool = self.connect.lookup_storage_pool_by_name(pool).map_err(failed(doing()))?;
        pool.lookup_storage_vol_by_name(name).map_err(failed(doing()))
    }

    fn original_domain(&self, name: &str) -> Result<Original> {
        let doing = || format!("copy the domain {name}");
        let domain = self.connect.lookup_domain_by_name(name).map_err(failed(doing()))?;
        if domain.is_active().map_err(failed(doing()))? {
            let why = "it runs, and half of what it knows is not on its disk yet";
            return Err(ProviderError::new(doing(), why)
                .hint(format!("shut it down first: `virsh shutdown {name}`")));
        }
        if domain.has_managed_save(0).map_err(failed(doing()))? {
            let why = "it was saved while it ran, and half of what it knows is not on its disk";
            return Err(ProviderError::new(doing(), why)
                .hint(format!("start it and shut it down: `virsh start {name}`")));
        }
        let flags = virt::sys::VIR_DOMAIN_XML_INACTIVE;
        let xml = domain.xml_desc(flags).map_err(failed(doing()))?;
        let read: Document = read(&xml, doing)?;
        let is_disk = |disk: &Disk| disk.device.is_empty() || disk.device == "disk";
        let Some(Disk { driver, source: Some(source), .. }) =
            read.devices.disks.into_iter().find(is_disk)
        else {
            return Err(ProviderError::new(doing(), "it has no disk"));
        };
        let disk = match source {
            Source { file: Some(path), .. } | Source { device: Some(path), .. } => path,
            Source { pool: Some(pool), volume: Some(volume), .. } => {
                let volume = self.volume_of(&pool, &volume)?;
                volume.path().map_err(failed(doing()))?.into()
            }
            _ => return Err(ProviderError::new(doing(), "its disk is no file of this computer")),
        };
        let format = driver.map(|driver| driver.format).filter(|format| !format.is_empty());
        let (kernel, initrd) = read.os.map_or(Ok((None, None)), |os| boot(os, &doing()))?;
        Ok(Original { disk, format: format.unwrap_or_else(|| "raw".into()), kernel, initrd })
    }
}

/// Kernel and initrd of a domain that is booted by them, as lab boots guests.
fn boot(os: Os, doing: &str) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let words = os.cmdline.unwrap_or_default();
    let root = words.split_ascii_whitespace().find_map(|word| word.strip_prefix("root="));
    match (os.kernel, os.initrd) {
        (None, _) => Ok((None, None)),
        (Some(kernel), Some(initrd)) if root == Some(ROOT) => Ok((Some(kernel), Some(initrd))),
        _ => {
            let why = format!(
                "it is booted by a kernel beside its disk, and not as lab boots guests: with an initrd and root={ROOT}"
            );
            Err(ProviderError::new(doing, why)
                .hint("give its disk a boot loader, and have the domain boot from that"))
        }
    }
}

/// A volume's format may have been guessed from what is on it, which whoever used it wrote: nothing that it
/// names outside of its own folder is copied.
fn stays_in_its_pool(disk: &Path, format: &str, doing: &str) -> Result<()> {
    let shown = disk.display().to_string();
    let arguments = ["info", "--backing-chain", "--output=json", "-f", format, &shown];
    let text = run_tool("qemu-img", &arguments)
        .map_err(|error| ProviderError::new(doing, String::from(error)))?;
    let chain: Vec<Link> = serde_json::from_str(&text)
        .map_err(|error| ProviderError::new(doing, error.to_string()))?;
    let files = chain.iter().flat_map(|link| {
        let data = link.specific.as_ref().and_then(|specific| specific.data.file.as_ref());
        std::iter::once(&link.filename).chain(data)
    });
    match files.into_iter().find(|file| file.parent() != disk.parent()) {
        None => Ok(()),
        Some(file) => {
            let why = format!("it stands on {}, outside of its pool", file.display());
            Err(ProviderError::new(doing, why))
        }
    }
}

/// What qemu-img says of one file of a chain.
#[derive(Deserialize)]
struct Link {
    filename: PathBuf,
    #[serde(rename = "format-specific")]
    specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Specific {
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    /// Where the data is, if not in the file itself.
    #[serde(rename = "data-file")]
    file: Option<PathBuf>,
}

/// The disk without partitions that lab boots guests from.
const ROOT: &str = "/dev/vda";

fn read<'x, T: Deserialize<'x>>(xml: &'x str, doing: impl Fn() -> String) -> Result<T> {
    quick_xml::de::from_str(xml).map_err(|error| ProviderError::new(doing(), error.to_string()))
}

//! What is remembered of an image that is on this computer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::drivers::assets::download;
use crate::drivers::assets::error::{AssetError, Fault};
use crate::model::os::Os;

/// What is remembered about a local image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Local {
    /// Hex sha256 of the disk.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// Time of its last change, seconds.
    pub mtime: i64,
    /// Virtual size of the disk, bytes.
    pub virtual_size: u64,
    /// Kernel and initrd are beside it.
    pub direct_boot: bool,
    /// `pull` or `build`, and when.
    pub source: String,
    /// Hash of what a built image was made from; empty for others.
    #[serde(default)]
    pub inputs: String,
    /// The system that it is, where a person brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<String>,
    /// Kernel and initrd as they were, by file name; empty in files of earlier versions.
    #[serde(default)]
    pub boot: BTreeMap<String, FileMark>,
}

/// A file as it was when it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Hex sha256.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Time of its last change, seconds.
    pub mtime: i64,
}

impl FileMark {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let sha256 = download::hash(path, "sha256")?;
        Ok(Self { sha256, size: meta.len(), mtime: meta.mtime() })
    }
}

/// Refuses an image of a person's own that is not the one which a topology means by its name.
pub(super) fn refuse_another(os: &Os, local: &Local) -> Result<(), AssetError> {
    let Some(like) = &os.like else { return Ok(()) };
    let refused = |why: String| {
        let name = &os.name;
        let cure = format!("another `name`, or `lab images rm {name}` where nobody needs that one");
        Err(AssetError::new(
            Fault::OtherBase,
            format!("use the image {name}"),
            format!("{why}: {cure}"),
        ))
    };
    match (&os.sha256, &local.like) {
        (Some(wanted), _) if *wanted != local.sha256 => {
            refused(format!("the one here has the sha256 {}, and {wanted} is wanted", local.sha256))
        }
        (_, Some(other)) if other != like => {
            refused(format!("the one here is like {other}, and {like} is wanted"))
        }
        _ => Ok(()),
    }
}

/// Refuses an image whose file is another one by now. Nothing is copied over what disks may stand on.
pub(super) fn refuse_changed(os: &Os, local: &Local) -> Result<(), AssetError> {
    let Some(file) = &os.file else { return Ok(()) };
    // One that is gone changes nothing.
    let Ok(meta) = fs::metadata(file) else { return Ok(()) };
    let is_later = meta.mtime() >= local.mtime;
    let is_other = meta.len() != local.size
        || is_later && download::hash(file, "sha256").is_ok_and(|hash| hash != local.sha256);
    if !is_other {
        return Ok(());
    }
    let name = &os.name;
    let why = format!("{} is another one than was copied from it", file.display());
    let cure = format!("`lab images rm {name}` has it copied anew");
    Err(AssetError::new(
        Fault::OtherBase,
        format!("use the image {name}"),
        format!("{why}: {cure}"),
    ))
}

//! Opening what a person's folder has: regular files that are inside of it, and nothing else.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use crate::drivers::assets::error::AssetError;

/// Opens a regular file of the folder `root`. Links are followed as long as they stay inside.
///
/// # Errors
/// When it is a FIFO, a device or anything else that is read for ever, or leads out of the folder.
pub(crate) fn open(root: &Path, path: &Path) -> Result<File, AssetError> {
    let doing = format!("use {}", path.display());
    let real = fs::canonicalize(path).map_err(AssetError::io(&doing))?;
    let inside = fs::canonicalize(root).map_err(AssetError::io(&doing))?;
    if !real.starts_with(&inside) {
        let why = format!("it leads out of its folder, to {}", real.display());
        return Err(AssetError::unfit(doing, why));
    }
    // Between this look and that one it may have become another thing: opening it must not wait.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY).bits();
    regular(&doing, &fs::metadata(&real).map_err(AssetError::io(&doing))?)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&real);
    let file = file.map_err(AssetError::io(&doing))?;
    regular(&doing, &file.metadata().map_err(AssetError::io(&doing))?)?;
    Ok(file)
}

fn regular(doing: &str, meta: &fs::Metadata) -> Result<(), AssetError> {
    let kind = meta.file_type();
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(AssetError::unfit(doing, format!("it is {what}, not a regular file")))
}

//! The NoCloud seed as a disk image: a small FAT file system labelled CIDATA, which every
//! cloud-init finds, also where the kernel has no SATA driver for a CD-ROM.

use std::io::{Cursor, Write};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

use crate::render::Seed;

/// Bytes of a seed disk. 1.44 MB: room for any sane cloud-config, and nothing to upload.
pub const SEED_BYTES: usize = 1_474_560;

/// Makes the disk image. The same seed gives the same bytes.
///
/// # Errors
/// When the files do not fit.
pub fn image(seed: &Seed) -> std::io::Result<Vec<u8>> {
    let mut disk = Cursor::new(vec![0u8; SEED_BYTES]);
    let options = FormatVolumeOptions::new()
        .volume_label(*b"CIDATA     ")
        .volume_id(0x6c61_6221)
        .fat_type(FatType::Fat12);
    fatfs::format_volume(&mut disk, options)?;
    {
        let options = FsOptions::new().update_accessed_date(false);
        let system = FileSystem::new(&mut disk, options)?;
        let root = system.root_dir();
        for (name, text) in [
            ("meta-data", &seed.meta_data),
            ("user-data", &seed.user_data),
            ("network-config", &seed.network_config),
        ] {
            let mut file = root.create_file(name)?;
            file.write_all(text.as_bytes())?;
            file.flush()?;
        }
        if !seed.personality.is_empty() {
            let directory = root.create_dir("lab")?;
            for (name, text) in &seed.personality {
                let mut file = directory.create_file(name)?;
                file.write_all(text.as_bytes())?;
                file.flush()?;
            }
        }
    }
    Ok(disk.into_inner())
}

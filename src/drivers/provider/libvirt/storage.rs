//! Pools and volumes.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use uuid::Uuid;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use crate::drivers::assets::sparse;
use crate::drivers::provider::libvirt::connection::{Libvirt, failed};
use crate::drivers::provider::{Content, ProviderError, Result};
use crate::render::{PoolSpec, VolumeSpec};

const CHUNK: usize = 1 << 20;
/// libvirt cannot rename a volume, so an empty one beside it says that it was completed.
pub(crate) const DONE: &str = ".done";

fn lock(libvirt: &Libvirt) -> std::sync::MutexGuard<'_, ()> {
    libvirt.pools.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn pool(libvirt: &Libvirt, name: &str) -> Result<StoragePool> {
    libvirt
        .connect
        .lookup_storage_pool_by_name(name)
        .map_err(failed(format!("find storage pool '{name}'")))
}

pub(crate) fn volume(
    libvirt: &Libvirt,
    pool: &str,
    name: &str,
) -> std::result::Result<StorageVol, virt::error::Error> {
    libvirt.connect.lookup_storage_pool_by_name(pool)?.lookup_storage_vol_by_name(name)
}

pub(crate) fn ensure_pool(libvirt: &Libvirt, spec: &PoolSpec) -> Result<()> {
    let name = &spec.name;
    let doing = |what: &str| format!("{what} storage pool '{name}'");
    let _guard = lock(libvirt);
    let found = libvirt.connect.lookup_storage_pool_by_uuid(spec.uuid).ok();
    let was_there = found.is_some();
    let pool = match found {
        Some(pool) => pool,
        None => libvirt
            .connect
            .define_storage_pool_xml(&spec.xml, 0)
            .map_err(failed(doing("define")))?,
    };
    if !pool.is_active().unwrap_or(false) {
        // One that has disks of guests has its directory; without it a file system is not mounted.
        let has_disks = was_there && is_used(libvirt, &spec.path);
        if !libvirt.is_test() && !has_disks {
            pool.build(0).map_err(failed(doing("make the directory of")))?;
        }
        pool.create(0).map_err(|error| {
            let error = failed(doing("start"))(error);
            match has_disks {
                true => error.hint(format!("guests have disks in {}: is it mounted?", spec.path)),
                false => error,
            }
        })?;
    }
    pool.set_autostart(true).map_err(failed(doing("autostart")))?;
    pool.refresh(0).map_err(failed(doing("refresh")))
}

/// True when some domain has a disk in that directory.
fn is_used(libvirt: &Libvirt, directory: &str) -> bool {
    let inside = format!("'{}/", quick_xml::escape::escape(directory));
    let domains = libvirt.connect.list_all_domains(0).unwrap_or_default();
    domains.iter().any(|domain| domain.xml_desc(0).is_ok_and(|xml| xml.contains(&inside)))
}

pub(crate) fn ensure_volume(libvirt: &Libvirt, spec: &VolumeSpec, content: &Content) -> Result<()> {
    let doing = format!("create volume {} in pool {}", spec.name, spec.pool);
    let _guard = lock(libvirt);
    let pool = pool(libvirt, &spec.pool)?;
    let fill = |volume: &StorageVol| match content {
        Content::Nothing => Ok(()),
        // The test driver has no uploads.
        _ if libvirt.is_test() => Ok(()),
        Content::Bytes(bytes) => upload(libvirt, volume, &mut Cursor::new(bytes), bytes.len()),
        Content::File(path) => File::open(path)
            .and_then(|file| file.metadata().map(|meta| (file, meta.len() as usize)))
            .map_err(|error| {
                ProviderError::new(doing.clone(), format!("{}: {error}", path.display()))
            })
            .and_then(|(mut file, length)| upload(libvirt, volume, &mut file, length)),
    };
    match create(&pool, spec, &doing, fill)? {
        true => mark(&pool, &spec.name, doing),
        false => Ok(()),
    }
}

/// Creates a volume from a file of this computer. It counts once it is sealed.
pub(crate) fn copy_volume(libvirt: &Libvirt, spec: &VolumeSpec, from: &Path) -> Result<()> {
    let doing = format!("create volume {} in pool {}", spec.name, spec.pool);
    let _guard = lock(libvirt);
    let pool = pool(libvirt, &spec.pool)?;
    let fill = |volume: &StorageVol| {
        if libvirt.is_test() {
            return Ok(());
        }
        copy(from, volume).map_err(|error| ProviderError::new(doing.clone(), error.to_string()))
    };
    create(&pool, spec, &doing, fill).map(drop)
}

/// Creates a volume and fills it, in place of one that was never completed. False when there is one
/// that was.
fn create(
    pool: &StoragePool,
    spec: &VolumeSpec,
    doing: &str,
    fill: impl FnOnce(&StorageVol) -> Result<()>,
) -> Result<bool> {
    let complete = pool.lookup_storage_vol_by_name(&format!("{}{DONE}", spec.name)).is_ok();
    if let Ok(old) = pool.lookup_storage_vol_by_name(&spec.name) {
        if complete {
            return Ok(false);
        }
        old.delete(0).map_err(failed(doing))?;
    }
    let volume = StorageVol::create_xml(pool, &spec.xml, 0).map_err(failed(doing))?;
    if let Err(error) = fill(&volume) {
        // Nothing half-filled may stay under the name; the error that matters is the first.
        let _ = volume.delete(0);
        return Err(error);
    }
    Ok(true)
}

/// Bytes that a volume takes on its disk; 0 when there is none.
pub(crate) fn bytes(libvirt: &Libvirt, pool: &str, name: &str) -> Result<u64> {
    let Ok(volume) = volume(libvirt, pool, name) else { return Ok(0) };
    volume.info().map(|info| info.allocation).map_err(failed("measure a volume"))
}

/// Has a volume count as complete.
pub(crate) fn seal(libvirt: &Libvirt, pool_name: &str, name: &str) -> Result<()> {
    let doing = format!("complete volume {name} in pool {pool_name}");
    let _guard = lock(libvirt);
    let pool = pool(libvirt, pool_name)?;
    pool.lookup_storage_vol_by_name(name).map_err(failed(doing.clone()))?;
    match pool.lookup_storage_vol_by_name(&format!("{name}{DONE}")) {
        Ok(_) => Ok(()),
        Err(_) => mark(&pool, name, doing),
    }
}

fn mark(pool: &StoragePool, name: &str, doing: String) -> Result<()> {
    let xml =
        format!("<volume><name>{name}{DONE}</name><capacity unit='bytes'>1</capacity></volume>");
    StorageVol::create_xml(pool, &xml, 0).map(drop).map_err(failed(doing))
}

/// Fills a volume that is a file of this computer.
fn copy(source: &Path, volume: &StorageVol) -> io::Result<()> {
    let path = volume.path().map_err(|error| io::Error::other(error.message().to_owned()))?;
    sparse::copy(source, Path::new(&path))
}

fn upload(
    libvirt: &Libvirt,
    volume: &StorageVol,
    source: &mut dyn Read,
    length: usize,
) -> Result<()> {
    let doing = || format!("fill volume {}", volume.name().unwrap_or_default());
    let stream = Stream::new(&libvirt.connect, 0).map_err(failed(doing()))?;
    volume.upload(&stream, 0, length as u64, 0).map_err(failed(doing()))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = source
            .read(&mut buffer)
            .map_err(|error| ProviderError::new(doing(), error.to_string()))?;
        if read == 0 {
            break;
        }
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            let sent = stream.send(rest).map_err(failed(doing()))?;
            rest = rest.get(usize::try_from(sent).unwrap_or(0)..).unwrap_or_default();
        }
    }
    stream.finish().map_err(failed(doing()))
}

/// When a volume was last written to, as libvirt writes it: seconds and a fraction. Empty on libvirt's
/// test driver, which tells no times; `None` when there is no such volume.
fn written(libvirt: &Libvirt, pool: &str, name: &str) -> Result<Option<String>> {
    let Ok(volume) = volume(libvirt, pool, name) else { return Ok(None) };
    let xml = volume.xml_desc(0).map_err(failed(format!("look at volume {name}")))?;
    let time = xml.split_once("<mtime>").and_then(|(_, rest)| rest.split_once("</mtime>"));
    Ok(Some(time.map(|(time, _)| time.to_owned()).unwrap_or_default()))
}

/// When a volume was completed: its mark is never written again.
pub(crate) fn identity(libvirt: &Libvirt, pool: &str, name: &str) -> Result<Option<String>> {
    written(libvirt, pool, &format!("{name}{DONE}"))
}

/// True when a volume was written to after it was completed.
pub(crate) fn changed(libvirt: &Libvirt, pool: &str, name: &str) -> Result<bool> {
    let times = (written(libvirt, pool, name)?, identity(libvirt, pool, name)?);
    let (Some(last), Some(completed)) = times else { return Ok(false) };
    // Both parts as numbers: a fraction is written without its last zeros.
    let moment = |text: &str| {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        let nanoseconds = format!("{fraction:0<9}").parse().unwrap_or(0);
        (seconds.parse().unwrap_or(0), nanoseconds)
    };
    let (last, completed): ((u64, u64), (u64, u64)) = (moment(&last), moment(&completed));
    Ok(last > completed)
}

/// Deletes a volume, its mark first, so that what remains after a crash counts as none.
pub(crate) fn remove_volume(libvirt: &Libvirt, pool: &str, name: &str) -> Result<()> {
    let _guard = lock(libvirt);
    remove_one(libvirt, pool, &format!("{name}{DONE}"))?;
    remove_one(libvirt, pool, name)
}

impl Libvirt {
    /// Forgets that a volume was completed; it is then made again.
    ///
    /// # Errors
    /// When libvirt refuses.
    pub fn remove_volume_mark(&self, pool: &str, volume: &str) -> Result<()> {
        let _guard = lock(self);
        remove_one(self, pool, &format!("{volume}{DONE}"))
    }
}

fn remove_one(libvirt: &Libvirt, pool: &str, name: &str) -> Result<()> {
    match volume(libvirt, pool, name) {
        Ok(volume) => volume.delete(0).map_err(failed(format!("delete volume {name}"))),
        Err(_) => Ok(()),
    }
}

pub(crate) fn remove_pool(libvirt: &Libvirt, uuid: Uuid) -> Result<()> {
    let _guard = lock(libvirt);
    let Ok(pool) = libvirt.connect.lookup_storage_pool_by_uuid(uuid) else { return Ok(()) };
    let name = pool.name().unwrap_or_default();
    let doing = |what: &str| format!("{what} storage pool '{name}'");
    if !pool.is_active().unwrap_or(false) {
        // Its volumes can only be deleted while it runs.
        let _ = pool.create(0);
    }
    let names = pool.list_volumes().unwrap_or_default();
    if let Some(foreign) = names.iter().find(|name| !is_ours(name)) {
        return Err(ProviderError::new(
            doing("empty"),
            format!("it holds '{foreign}', which lab did not make"),
        )
        .hint("move that file away, then `lab down` again"));
    }
    for volume in pool.list_all_volumes(0).unwrap_or_default() {
        volume.delete(0).map_err(failed(doing("empty")))?;
    }
    if pool.is_active().unwrap_or(false) {
        pool.destroy().map_err(failed(doing("stop")))?;
    }
    if !libvirt.is_test() {
        // Fine when the directory is gone or holds what is not ours.
        let _ = pool.delete(0);
    }
    pool.undefine().map_err(failed(doing("undefine")))
}

/// Names that lab gives to volumes: disks, seeds, kernels, the artifact disk, and their marks.
fn is_ours(name: &str) -> bool {
    let name = name.trim_end_matches(DONE);
    name.ends_with("-seed.img")
        || (name.starts_with("artifacts-") && name.ends_with(".img"))
        || [".qcow2", ".vmlinuz", ".initrd"].iter().any(|suffix| name.ends_with(suffix))
}

//! Container images of a person's own, packed out of plain programs: in them is what was named, and nothing else.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};
use sha2::{Digest, Sha256};
use tempfile::Builder;

use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::images::archive::{self, Entry, Start};
use crate::drivers::assets::regular;
use crate::drivers::state::files::directory;
use crate::model::name::hex;

/// Where programs are looked for, as in other images.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is in the image, without a leading slash.
    pub path: String,
    /// Where it is on this computer.
    pub file: PathBuf,
}

impl Part {
    /// Reads `PATH=FILE`, or a program's file alone, which goes to `/usr/local/bin`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, AssetError> {
        let wrong = |why: &str| AssetError::unfit(format!("put {text:?} into an image"), why);
        let (path, file) = match text.split_once('=') {
            Some((path, file)) => (path.to_owned(), PathBuf::from(file)),
            None => {
                let file = PathBuf::from(text);
                let name = file.file_name().and_then(|name| name.to_str());
                let name = name.ok_or_else(|| wrong("it is no name of a file"))?;
                (format!("/usr/local/bin/{name}"), file)
            }
        };
        let plain = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && !part.contains(char::is_control)
        };
        match path.strip_prefix('/') {
            Some(inside) if inside.split('/').all(plain) => {
                Ok(Self { path: inside.to_owned(), file })
            }
            _ => {
                Err(wrong("a place in an image is an absolute path, like /usr/local/bin/NAME=FILE"))
            }
        }
    }
}

/// An archive that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Hex sha256.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// Writes the archive of an image called `name` to `out`; what was there before is replaced once it is whole.
///
/// # Errors
/// When runtimes would not take the name, a file cannot be read, or a program lacks what starts it.
pub fn pack(
    name: &str,
    command: &[&str],
    parts: &[Part],
    out: &Path,
) -> Result<Packed, AssetError> {
    refuse_name(name)?;
    let mut places = BTreeSet::new();
    if let Some(twice) = parts.iter().find(|part| !places.insert(part.path.as_str())) {
        let doing = format!("pack {name}");
        return Err(AssetError::unfit(doing, format!("/{} is named twice", twice.path)));
    }
    let entries = parts.iter().map(|part| entry(part, &places)).collect::<Result<Vec<_>, _>>()?;
    let doing = format!("write {}", out.display());
    let mut bytes = Vec::new();
    archive::write(&mut bytes, name, &Start { command, path: PATH }, &entries)
        .map_err(AssetError::io(&doing))?;
    whole(out, &bytes).map_err(AssetError::io(doing))?;
    Ok(Packed { sha256: hex(&Sha256::digest(&bytes)), size: bytes.len() as u64 })
}

/// Puts a file there once all of it is on the disk.
fn whole(out: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part =
        Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(directory(out))?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(out).map(drop).map_err(|error| error.error)
}

/// Runtimes take names with a tag, of few letters.
fn refuse_name(name: &str) -> Result<(), AssetError> {
    let of = |text: &str, more: &str| {
        let mut letters = text.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphanumeric())
            && letters.all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let fits = name.rsplit_once(':').is_some_and(|(repository, tag)| {
        let small = repository == repository.to_lowercase() && !repository.contains("//");
        small && of(repository, "-._/:") && of(tag, "-._") && tag.len() <= 128
    });
    match fits {
        true => Ok(()),
        false => Err(AssetError::unfit(
            format!("call an image {name:?}"),
            "a name is like registry.k8s.io/kube-apiserver:v1.36.2, in small letters and with a tag",
        )),
    }
}

fn entry(part: &Part, places: &BTreeSet<&str>) -> Result<Entry, AssetError> {
    let doing = format!("put {} into an image", part.file.display());
    let real = fs::canonicalize(&part.file).map_err(AssetError::io(&doing))?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    let mut content = Vec::new();
    regular::open(folder, &real)?.read_to_end(&mut content).map_err(AssetError::io(&doing))?;
    if let Some(loader) = loader(&content)
        && !places.contains(loader.trim_start_matches('/'))
    {
        let why = format!(
            "it is linked to libraries and started by {loader}, which is not in the image: build it static, \
             or name {loader} and every library, too"
        );
        return Err(AssetError::unfit(doing, why));
    }
    Ok(Entry { path: part.path.clone(), content, link: None })
}

/// What the kernel starts a program of this computer's kind with; `None` for one that needs nobody, and for what is
/// no program.
fn loader(content: &[u8]) -> Option<String> {
    let header = FileHeader64::<LittleEndian>::parse(content).ok()?;
    let segments = header.program_headers(LittleEndian, content).ok()?;
    let named = segments.iter().find_map(|one| one.interpreter(LittleEndian, content).ok()?);
    Some(String::from_utf8_lossy(named?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_absolute_and_plain() {
        let part = |text: &str| Part::parse(text).ok().map(|part| part.path);
        assert_eq!(part("bin/kubelet"), Some("usr/local/bin/kubelet".into()));
        assert_eq!(part("/bin/sh=busybox"), Some("bin/sh".into()));
        for wrong in ["bin/sh=busybox", "/=x", "/a/../b=x", "/a//b=x", "..", "/a\n=x", ""] {
            assert_eq!(part(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn names_are_those_that_runtimes_take() {
        for name in ["registry.k8s.io/kube-proxy:v1.20.2", "a:1", "localhost:5000/a/b:V_1.0-x"] {
            assert!(refuse_name(name).is_ok(), "{name}");
        }
        for name in ["a", "A:1", "a:", ":1", "a/:-x", "-a:1", "a b:1", "a//b:1", "a:1\n", ""] {
            assert!(refuse_name(name).is_err(), "{name:?}");
        }
    }
}

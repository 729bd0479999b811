//! The version of Kubernetes' binaries, read and not asked: nothing that a topology names is run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;

use crate::drivers::assets::error::AssetError;
use crate::drivers::assets::regular;
use crate::model::Version;

/// File beside the binaries that says what they are, `v1.36.2`.
const FILE: &str = "version";
/// Bytes of the longest version that is looked for.
const LONGEST: usize = 64;

/// What the file `version` of the folder says; `None` when there is none.
///
/// # Errors
/// When it is no version, or no regular file.
pub(crate) fn told(dir: &Path) -> Result<Option<Version>, AssetError> {
    let path = dir.join(FILE);
    if std::fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let doing = format!("read {}", path.display());
    let mut text = String::new();
    let file = regular::open(dir, &path)?;
    file.take(1 << 10).read_to_string(&mut text).map_err(AssetError::io(&doing))?;
    Version::parse(&text)
        .map(Some)
        .ok_or_else(|| AssetError::unfit(doing, format!("it says '{}', no version", text.trim())))
}

/// The version that the linker wrote into a program of Kubernetes.
///
/// # Errors
/// When it is no Linux program, or holds none or several.
pub(crate) fn linked(root: &Path, program: &Path) -> Result<Version, AssetError> {
    let doing = format!("read the version of {}", program.display());
    let mut file = regular::open(root, program)?;
    let mut magic = [0; 4];
    let is_program = file.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF";
    if !is_program {
        let why = format!("it is no Linux program; a file `{FILE}` beside it may say what it is");
        return Err(AssetError::unfit(doing, why));
    }
    let found = strings(&mut file).map_err(AssetError::io(&doing))?;
    // The linker writes it more than once, for the server and for its client library; what else looks
    // like a version is some library's own.
    let mut found: Vec<(usize, Version)> =
        found.into_iter().map(|(version, places)| (places.len(), version)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    match found.as_slice() {
        [] => Err(AssetError::unfit(
            doing,
            format!("it names none; a file `{FILE}` beside it may say it"),
        )),
        [(often, one), (as_often, other), ..] if often == as_often => Err(AssetError::unfit(
            doing,
            format!("it names several, {other} and {one}; a file `{FILE}` beside it may say which"),
        )),
        [(_, version), ..] => Ok(*version),
    }
}

/// Versions that stand alone, as the linker puts the strings that it was given: after something that is
/// no text, and ended by a zero byte; with the places where each stands. Others are parts of longer texts.
fn strings(file: &mut impl Read) -> io::Result<BTreeMap<Version, BTreeSet<u64>>> {
    let mut found: BTreeMap<Version, BTreeSet<u64>> = BTreeMap::new();
    let mut begin = 0;
    // The end of each chunk stays for the next: a version may lie on the border.
    let mut buffer = vec![0; 1 << 20];
    let mut kept = 0;
    loop {
        let read = file.read(buffer.get_mut(kept..).unwrap_or_default())?;
        let filled = kept + read;
        let bytes = buffer.get(..filled).unwrap_or_default();
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'v') {
            if let Some(version) = alone(bytes, at) {
                found.entry(version).or_default().insert(begin + at as u64);
            }
        }
        if read == 0 {
            return Ok(found);
        }
        kept = filled.min(LONGEST + 1);
        begin += (filled - kept) as u64;
        buffer.copy_within(filled - kept..filled, 0);
    }
}

/// The version that begins at `at`, if one stands there alone.
fn alone(bytes: &[u8], at: usize) -> Option<Version> {
    let before = bytes.get(at.checked_sub(1)?)?;
    let rest = bytes.get(at..bytes.len().min(at + LONGEST))?;
    if before.is_ascii_graphic() || *before == b' ' || !rest.get(1)?.is_ascii_digit() {
        return None;
    }
    let end = rest.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    // What follows a dash or a plus is of the same release.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-+.".contains(c);
    let number = text.split(['-', '+']).next()?;
    Version::parse(number).filter(|_| text.chars().all(plain))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(bytes: &[u8]) -> Vec<String> {
        let all = strings(&mut &*bytes).unwrap();
        all.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_linker_wrote_goes_before_what_a_library_has() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("kube-apiserver");
        let linked = |text: &[u8]| {
            std::fs::write(&program, [b"\x7fELF\0", text].concat()).unwrap();
            linked(dir.path(), &program).map_err(|error| error.to_string())
        };
        let version = linked(b"v1.36.8\0v1.36.2\0text\0v1.36.2\0v1.1.1\0").unwrap();
        assert_eq!(version.to_string(), "1.36.2");
        assert!(linked(b"v1.36.8\0v1.36.2\0").unwrap_err().contains("several, 1.36.2 and 1.36.8"));
        assert!(linked(b"nothing\0").unwrap_err().contains("names none"));
    }

    #[test]
    fn only_versions_that_stand_alone_count() {
        assert_eq!(found(b"archive\0v1.20.2\0archive\0v1.20.2\0"), ["1.20.2"]);
        assert_eq!(found(b"\x01v1.36.2+k3s1\0"), ["1.36.2"]);
        for other in [
            &b"see v1.0.7\0"[..],
            b"\0v1.0.7 of it\0",
            b"\0v1.0.7",
            b"v1.0.7\0",
            b"\0v1.0\0",
            b"\0vendor\0",
        ] {
            assert!(found(other).is_empty(), "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_version_on_the_border_of_two_chunks_is_found_once() {
        for before in (1 << 20) - 12..(1 << 20) + 4 {
            let mut bytes = vec![0; before];
            bytes.extend(b"v1.36.2\0and more");
            assert_eq!(found(&bytes), ["1.36.2"], "{before}");
        }
    }
}

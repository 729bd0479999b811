//! A lab's block in this computer's hosts file. What stands outside of it stays, byte for byte.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::file_lock::FileLock;
use crate::drivers::state::files;
use crate::model::Lab;

/// Where names are looked up before DNS is asked.
pub const PATH: &str = "/etc/hosts";

/// What a lab's block is known by: names may be had twice, by different people.
pub fn label(lab: &Lab) -> String {
    format!("{} {}", lab.name, lab.id)
}

/// The first and the last line of a block.
fn fences(label: &str) -> [String; 2] {
    [format!("# BEGIN lab {label}\n"), format!("# END lab {label}\n")]
}

/// True when the file has the block `label`.
pub fn has_block(path: &Path, label: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| find(&bytes, label).ok().flatten().is_some())
}

/// Writes the block `label`, or removes it when `lines` is `None`. True when the file changed.
///
/// # Errors
/// When the file cannot be read or written, or holds half a block.
pub fn set_block(
    points: &Failpoints,
    path: &Path,
    label: &str,
    lines: Option<&str>,
) -> io::Result<bool> {
    // What a link points to is what is meant, and what would be replaced.
    let path = fs::canonicalize(path)?;
    let changed = || -> io::Result<Option<Vec<u8>>> {
        let old = fs::read(&path)?;
        let new = with_block(&old, label, lines)?;
        Ok((new != old).then_some(new))
    };
    // Who has nothing to change need not be allowed to.
    if changed()?.is_none() {
        return Ok(false);
    }
    // Another lab may be at it.
    let _lock = FileLock::wait(&path)?;
    let Some(new) = changed()? else { return Ok(false) };
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    match files::write_for_owner(points, &path, &new, mode) {
        // One that is mounted over, as in a container, cannot be exchanged.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => fs::write(&path, &new)?,
        written => written?,
    }
    Ok(true)
}

/// Where the block is, fences and all.
fn find(bytes: &[u8], label: &str) -> io::Result<Option<std::ops::Range<usize>>> {
    let [begin, end] = fences(label);
    let line = |fence: &str, from: usize| {
        let starts = |at: &usize| *at == 0 || bytes.get(at - 1) == Some(&b'\n');
        (from..bytes.len())
            .filter(starts)
            .find(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(fence.as_bytes())))
    };
    let Some(start) = line(&begin, 0) else { return Ok(None) };
    match line(&end, start) {
        Some(stop) => Ok(Some(start..stop + end.len())),
        None => Err(io::Error::other(format!("'{}' has no '{}'", begin.trim(), end.trim()))),
    }
}

/// The text of a hosts file with a lab's lines in it, or without them.
///
/// # Errors
/// When half of a block is there.
pub fn with_block(old: &[u8], label: &str, lines: Option<&str>) -> io::Result<Vec<u8>> {
    let [begin, end] = fences(label);
    let block = lines.map(|lines| format!("{begin}{lines}{end}")).unwrap_or_default();
    let mut new = old.to_vec();
    match find(old, label)? {
        Some(range) => drop(new.splice(range, block.into_bytes())),
        None => {
            if !block.is_empty() && !new.is_empty() && !new.ends_with(b"\n") {
                // A block begins on a line of its own; the line feed stays when it goes.
                new.push(b'\n');
            }
            new.extend(block.into_bytes());
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "10.0.0.1 a.b a\n";

    #[test]
    fn what_is_around_the_block_stays() {
        for old in
            [&b"127.0.0.1 localhost\r\n\xff\n"[..], b"", b"# BEGIN lab other\n# END lab other\n"]
        {
            let one = with_block(old, "one", Some(LINES)).unwrap_or_default();
            let again = with_block(&one, "one", Some(LINES)).unwrap_or_default();
            assert_eq!(one, again);
            let mut more = one.clone();
            more.extend(b"later");
            let changed = with_block(&more, "one", Some("10.0.0.2 c\n")).unwrap_or_default();
            assert!(changed.starts_with(old) && changed.ends_with(b"# END lab one\nlater"));
            let gone = with_block(&changed, "one", None).unwrap_or_default();
            assert_eq!(gone, [old, b"later"].concat());
        }
    }

    #[test]
    fn half_a_block_is_an_error() {
        assert!(with_block(b"# BEGIN lab one\n", "one", None).is_err());
        // Not at the beginning of a line: somebody's remark.
        let remark = b"x # BEGIN lab one\n";
        assert_eq!(with_block(remark, "one", None).unwrap_or_default(), remark);
    }
}

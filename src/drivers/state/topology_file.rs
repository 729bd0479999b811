//! A topology's text from a file or standard input, and what such a file is where it is no text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::drivers::state::files::read_regular;
use crate::model::Flaw;

/// Why a topology could not be read.
#[derive(Debug)]
pub enum Unread {
    /// The file system refuses.
    Io(io::Error),
    /// It is no text: what it is, and how it becomes one.
    NoText(Flaw),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a topology: at most `limit` bytes of a regular file or, for `-`, of standard input.
///
/// # Errors
/// Why it cannot be read.
pub fn read_topology(path: &Path, limit: u64) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    if is_a_stream(path) {
        let stdin = path == Path::new("-");
        let stream: &mut dyn Read = if stdin { &mut io::stdin() } else { &mut File::open(path)? };
        stream.take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        bytes = read_regular(path, limit + 1)?;
    }
    // What is cut is too large, whatever it ends with.
    if bytes.len() as u64 > limit {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return Err(Unread::NoText(what_it_is(error.as_bytes(), at, path)));
        }
    };
    // Some editors put a byte order mark first; it means nothing.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// What is piped in, by its name, or as the shell's `<(command)`.
fn is_a_stream(path: &Path) -> bool {
    path == Path::new("-") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

/// What bytes are that are no UTF-8 from byte `at` on.
fn what_it_is(bytes: &[u8], at: usize, path: &Path) -> Flaw {
    let name = path.display();
    let converted = |from: &str| format!("save it as UTF-8: `iconv -f {from} -t UTF-8 {name}`");
    let unpacked = |tool: &str| format!("unpack it: `{tool} -c {name}`");
    let known: &[(&[u8], &str, String)] = &[
        (&[0xff, 0xfe], "it is text in UTF-16", converted("UTF-16")),
        (&[0xfe, 0xff], "it is text in UTF-16", converted("UTF-16")),
        (&[0x1f, 0x8b], "it is packed with gzip", unpacked("gunzip")),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "it is packed with xz", unpacked("unxz")),
        (&[0x28, 0xb5, 0x2f, 0xfd], "it is packed with zstd", unpacked("unzstd")),
        (b"QFI\xfb", "it is an image of a disk", "name a topology: `-f FILE`".into()),
        (b"\x7fELF", "it is a program", "name a topology: `-f FILE`".into()),
    ];
    if let Some((_, what, cure)) = known.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Flaw::new(*what, cure.clone());
    }
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let byte = bytes.get(at).copied().unwrap_or_default();
    let message = format!("in line {line} is a byte 0x{byte:02x}, which is not UTF-8");
    Flaw::new(message, converted("ISO-8859-1"))
}

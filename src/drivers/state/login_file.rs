//! A file with logins of registries, as it is on this computer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::drivers::state::files::read_regular;
use crate::model::flaw::Flaw;
use crate::model::logins::Logins;

/// More is no such file.
const MAX_BYTES: u64 = 1 << 20;

/// Reads the logins in a file that nobody else may read.
///
/// # Errors
/// Why they cannot be used; no login is in the message.
pub fn read(path: &Path) -> Result<Logins, Flaw> {
    let failed = |error: std::io::Error| {
        let help = "`registry_logins` names a file, from the folder of the topology";
        Flaw::new(error.to_string(), help)
    };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let help = format!("chmod 600 {}", path.display());
        return Err(Flaw::new(format!("others may read it (mode {:o})", mode & 0o777), help));
    }
    let bytes = read_regular(path, MAX_BYTES).map_err(failed)?;
    Logins::parse(&String::from_utf8_lossy(&bytes))
}

//! Which guests go first where processors are short. libvirt does this by control groups, which a private
//! engine has none of; what is left is the niceness of QEMU's threads, and of its session where Linux
//! schedules sessions (`/proc/PID/autogroup`), set by a hook of libvirt's.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const HOOK: &str = include_str!("precedence.sh");

/// Puts the hook where libvirt looks for it when it starts. `etc` becomes `/etc/libvirt` inside.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn install(etc: &Path) -> io::Result<()> {
    let hooks = etc.join("hooks");
    fs::create_dir_all(&hooks)?;
    let hook = hooks.join("qemu");
    fs::write(&hook, HOOK)?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))
}

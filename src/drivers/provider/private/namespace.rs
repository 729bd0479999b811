//! Namespaces and mounts of a private provider.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Directories that libvirt insists on, and what stands in for them. The host may lack them.
const COVERED: &[(&str, &str)] = &[
    ("lib", "/var/lib/libvirt"),
    ("log", "/var/log/libvirt"),
    ("cache", "/var/cache/libvirt"),
    ("etc", "/etc/libvirt"),
];

fn bind(from: &Path, to: impl AsRef<Path>) -> io::Result<()> {
    let to = to.as_ref();
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>).map_err(
        |error| io::Error::other(format!("mount {} on {}: {error}", from.display(), to.display())),
    )
}

/// Leaves the host's namespaces.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn enter() -> io::Result<()> {
    nix::unistd::setsid().map_err(io::Error::from)?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID)
        .map_err(|error| io::Error::other(format!("make namespaces: {error}")))
}

/// Covers libvirt's directories, `/run` and, when asked, `/dev/kvm`. Names of the outside are asked of
/// `resolver`.
///
/// # Errors
/// When a mount is refused.
pub(crate) fn cover(dir: &Path, run: &Path, hide_kvm: bool, resolver: &str) -> io::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(io::Error::from)?;
    for (name, target) in COVERED {
        let target = Path::new(target);
        if !target.is_dir() {
            make_room(target, &dir.join("spare"))?;
        }
        bind(&dir.join(name), target)?;
    }
    cover_accounts(dir)?;
    if hide_kvm && Path::new("/dev/kvm").exists() {
        let plain = dir.join("no-kvm");
        fs::write(&plain, "")?;
        bind(&plain, "/dev/kvm")?;
        // Read-only, too: to root a writable file looks usable, and libvirt asks QEMU each time.
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        // In a user namespace the kernel may refuse; there the device is not ours to open anyway.
        let _ = mount(None::<&str>, "/dev/kvm", None::<&str>, flags, None::<&str>);
    }
    fs::create_dir_all(run.join("libvirt/common"))?;
    // Whoever opens a console holds a lock there.
    fs::create_dir_all(run.join("lock"))?;
    // Before `/run` is covered, where it leads on many computers.
    let file = fs::canonicalize("/etc/resolv.conf").ok();
    bind(run, "/run")?;
    file.map_or(Ok(()), |file| cover_resolver(dir, run, &file, resolver))
}

/// The names of the outside are asked of the uplink, whatever this computer asks: its own resolver may
/// be a program of its own, which nobody reaches from inside.
fn cover_resolver(dir: &Path, run: &Path, file: &Path, resolver: &str) -> io::Result<()> {
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let own = dir.join("resolv.conf");
    fs::write(&own, format!("nameserver {resolver}\n"))?;
    open(&own, 0o644)?;
    if let Ok(name) = file.strip_prefix("/run") {
        // dnsmasq passes through as an ordinary user.
        let mut folder = run.to_owned();
        for part in name.parent().into_iter().flatten() {
            folder.push(part);
            fs::create_dir_all(&folder)?;
            open(&folder, 0o755)?;
        }
        fs::write(run.join(name), "")?;
    }
    bind(&own, file)
}

/// Makes the directory `target` appear inside without making it on the host: its parent becomes a
/// memory file system that holds everything the real one does, and `target`.
fn make_room(target: &Path, spare: &Path) -> io::Result<()> {
    let Some(parent) = target.parent() else { return Ok(()) };
    let real = spare.join(parent.strip_prefix("/").unwrap_or(parent));
    fs::create_dir_all(&real)?;
    bind(parent, &real)?;
    let none = None::<&Path>;
    mount(none, parent, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0755"))
        .map_err(|error| io::Error::other(format!("cover {}: {error}", parent.display())))?;
    for entry in fs::read_dir(&real)? {
        let entry = entry?;
        let (from, to) = (entry.path(), parent.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_dir() {
            fs::create_dir(&to)?;
            bind(&from, &to)?;
        } else {
            fs::write(&to, "")?;
            bind(&from, &to)?;
        }
    }
    fs::create_dir(target)
}

/// libvirtd looks up its built-in default user and group before it reads its configuration; where
/// they do not exist, private copies of the account files have them.
fn cover_accounts(dir: &Path) -> io::Result<()> {
    let files = [
        ("/etc/passwd", &["libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin"][..]),
        ("/etc/group", &["libvirt-qemu:x:64055:", "kvm:x:64056:"][..]),
    ];
    for (path, lines) in files {
        let mut text = fs::read_to_string(path)?;
        let has = |line: &str| {
            let name = line.split(':').next().unwrap_or_default();
            text.lines().any(|other| other.split(':').next() == Some(name))
        };
        let missing: Vec<&str> = lines.iter().copied().filter(|line| !has(line)).collect();
        if missing.is_empty() {
            continue;
        }
        for line in missing {
            text.push_str(line);
            text.push('\n');
        }
        let copy = dir.join(Path::new(path).file_name().unwrap_or_default());
        fs::write(&copy, text)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
        bind(&copy, path)?;
    }
    Ok(())
}

/// Mounts the views of the new namespaces, inside their first process.
///
/// # Errors
/// When a mount is refused.
pub(crate) fn mount_views() -> io::Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let view = |kind: &str, at: &str| mount(Some(kind), at, Some(kind), safe, None::<&str>);
    view("proc", "/proc").map_err(|error| io::Error::other(format!("mount /proc: {error}")))?;
    view("sysfs", "/sys").map_err(|error| io::Error::other(format!("mount /sys: {error}")))?;
    // libvirt works without control groups; only its accounting is poorer.
    let _ = view("cgroup2", "/sys/fs/cgroup");
    Ok(())
}

//! `lab images build`: a bootable Debian disk from packages alone, with everything the stages
//! install already inside, and the container images no registry is needed for.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::drivers::assets::error::{AssetError, Fault};
use crate::drivers::assets::images::archive::{self, Entry, Start};
use crate::drivers::assets::images::sources;
use crate::drivers::host::tool::{find_program, run_tool};
use crate::model::name::hex;
use crate::model::os::Os;
use crate::render::CLOUD_INIT;

/// The system itself: what a guest needs to boot, be configured and be reached.
const BASE: &[&str] = &[
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "zstd",
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "libnss-resolve",
    "libnss-myhostname",
    "udev",
    "dbus",
    "cloud-init",
    "openssh-server",
    "sudo",
    "netplan.io",
    "iproute2",
    "iputils-ping",
    "ca-certificates",
    "curl",
    "e2fsprogs",
    "qemu-guest-agent",
    "kmod",
    "procps",
    "jq",
    "bind9-dnsutils",
    "less",
    "openssl",
    "python3",
];
/// What stages of load balancing and networks need, besides the catalogue's packages.
const MORE: &[&str] =
    &["haproxy", "keepalived", "ipset", "ebtables", "busybox-static", "catatonit"];

const OPTIONS: &[&str] = &[
    "--mode=root",
    "--variant=apt",
    "--format=directory",
    "--architectures=amd64",
    "--aptopt=Apt::Install-Recommends \"false\"",
    "--aptopt=Acquire::Languages \"none\"",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/lintian/*",
];

/// Options of mkfs for the guest's disk.
const MKFS: &[&str] = &[
    "-q",
    "-F",
    "-L",
    "root",
    "-m",
    "1",
    "-E",
    "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
    "-d",
];

fn packages(os: &Os) -> Vec<&str> {
    let mut packages: Vec<&str> = BASE.iter().chain(MORE).copied().collect();
    packages.extend(os.packages.values().flatten().map(String::as_str));
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Hash of everything that decides what a build gives, but for the packages' versions.
pub(crate) fn inputs(os: &Os) -> String {
    let mut hash = Sha256::new();
    hash.update([packages(os).join(","), OPTIONS.join(","), format!("{:?}", os.suite)].join("\n"));
    hash.update(archive::FORMAT);
    for file in CLOUD_INIT.get_dir("build").into_iter().flat_map(include_dir::Dir::files) {
        hash.update(file.contents());
    }
    hex(&hash.finalize())
}

/// What was built, in a directory that goes with it.
pub(crate) struct Built {
    /// The disk.
    pub disk: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial file system.
    pub initrd: PathBuf,
    _work: tempfile::TempDir,
}

/// Builds in a directory of its own in `dir`.
pub(crate) fn build(os: &Os, dir: &Path, say: &dyn Fn(&str)) -> Result<Built, AssetError> {
    let doing = format!("build {}", os.name);
    let Some(suite) = os.suite.as_deref() else {
        let why = "only Debian images are built here; use `lab images pull`";
        return Err(AssetError::new(Fault::Missing, doing, why));
    };
    let io = || AssetError::io(&doing);
    let work = tempfile::Builder::new().prefix("build-").tempdir_in(dir).map_err(io())?;
    let sources = work.path().join("debian.sources");
    fs::write(&sources, sources::of_suite(suite, &os.name)?).map_err(io())?;
    let root = work.path().join("root");

    say("installing packages (mmdebstrap)");
    bootstrap(os, suite, work.path(), &root, &sources)?;
    say("packing container images");
    container_images(&root).map_err(io())?;
    say("making the disk");
    let boot = root.join("boot");
    let file = |name: &str| work.path().join(name);
    let (disk, kernel, initrd) = (file("disk.qcow2"), file("vmlinuz"), file("initrd.img"));
    take(&boot, "vmlinuz-", &kernel).map_err(io())?;
    take(&boot, "initrd.img-", &initrd).map_err(io())?;
    make_disk(&root, work.path(), &disk)?;
    Ok(Built { disk, kernel, initrd, _work: work })
}

fn bootstrap(
    os: &Os,
    suite: &str,
    work: &Path,
    root: &Path,
    sources: &Path,
) -> Result<(), AssetError> {
    let mut arguments: Vec<String> = OPTIONS.iter().map(|option| (*option).to_owned()).collect();
    arguments.push(format!("--include={}", packages(os).join(",")));
    arguments.extend(apt_access().into_iter().map(|option| format!("--aptopt={option}")));
    for hook in hooks(work).map_err(AssetError::io("write the build's hooks"))? {
        arguments.push(format!("--customize-hook={}", hook.display()));
    }
    arguments.extend([suite.to_owned(), root.display().to_string(), sources.display().to_string()]);
    let log = work.parent().unwrap_or(work).join("build.log");
    let io = || AssetError::io(format!("write {}", log.display()));
    let file = File::create(&log).map_err(io())?;
    let copy = file.try_clone().map_err(io())?;
    let failed = |why: String| AssetError::new(Fault::Computer, "run mmdebstrap", why);
    let program = find_program("mmdebstrap")
        .ok_or_else(|| failed("it is not installed; install the package of that name".into()))?;
    let status = Command::new(program)
        .args(&arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .status()
        .map_err(|error| failed(error.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let tail = crate::drivers::provider::tail(&log).unwrap_or_default();
    Err(failed(format!("{status}\n{tail}\nthe whole log is {}", log.display())))
}

fn hooks(work: &Path) -> std::io::Result<Vec<PathBuf>> {
    use std::os::unix::fs::PermissionsExt;
    let mut paths = Vec::new();
    for file in CLOUD_INIT.get_dir("build").into_iter().flat_map(include_dir::Dir::files) {
        let path = work.join(file.path().file_name().unwrap_or_default());
        fs::write(&path, file.contents())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

/// How this computer reaches its mirrors: proxies and time-outs of its apt.
fn apt_access() -> Vec<String> {
    let dump =
        run_tool("apt-config", &["dump", "--no-empty", "--format", "%f \"%v\"%n", "Acquire"]);
    let keep = [
        "Acquire::http::Proxy",
        "Acquire::https::Proxy",
        "Acquire::Retries",
        "Acquire::Check-Valid-Until",
        "Acquire::Check-Date",
    ];
    dump.unwrap_or_default()
        .lines()
        .filter(|line| keep.iter().any(|prefix| line.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

/// A pause image for pods' namespaces and a busybox to try things with.
fn container_images(root: &Path) -> std::io::Result<()> {
    let dir = root.join("usr/share/lab/images");
    fs::create_dir_all(&dir)?;
    let program = |path: &str, from: &str| {
        let content = fs::read(root.join(from))?;
        Ok::<_, std::io::Error>(Entry { path: path.into(), content, link: None })
    };
    let pause = [program("pause", "usr/bin/catatonit")?];
    let out = BufWriter::new(File::create(dir.join("pause.tar"))?);
    archive::write(out, "lab.local/pause:1", &started_by(&["/pause", "-P"]), &pause)?;
    let mut busybox = vec![program("bin/busybox", "bin/busybox")?];
    for applet in [
        "sh", "cat", "echo", "hostname", "httpd", "ip", "ls", "nc", "nslookup", "ping", "ps",
        "sleep", "wget",
    ] {
        busybox.push(Entry {
            path: format!("bin/{applet}"),
            content: Vec::new(),
            link: Some("busybox".into()),
        });
    }
    let out = BufWriter::new(File::create(dir.join("busybox.tar"))?);
    archive::write(out, "lab.local/busybox:1", &started_by(&["/bin/sh"]), &busybox)
}

fn started_by<'a>(command: &'a [&'a str]) -> Start<'a> {
    Start { command, path: "/bin" }
}

fn take(boot: &Path, prefix: &str, to: &Path) -> std::io::Result<()> {
    let found = fs::read_dir(boot)?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let Some(entry) = found else {
        return Err(std::io::Error::other(format!("no {prefix}* in the built system")));
    };
    fs::copy(entry.path(), to).map(drop)
}

/// An ext4 file system straight on the disk: no partition table, no boot loader, nothing to wait
/// for. cloud-init grows it to the overlay's size.
fn make_disk(root: &Path, work: &Path, out: &Path) -> Result<(), AssetError> {
    let raw = work.join("disk.raw");
    let shown = |path: &Path| path.display().to_string();
    let io = || AssetError::io(format!("write {}", raw.display()));
    let file = File::create(&raw).map_err(io())?;
    file.set_len(3 << 30).map_err(io())?;
    run_tool("mkfs.ext4", &[MKFS, &[&*shown(root), &*shown(&raw)]].concat())?;
    run_tool(
        "qemu-img",
        &["convert", "-c", "-f", "raw", "-O", "qcow2", &shown(&raw), &shown(out)],
    )?;
    Ok(())
}

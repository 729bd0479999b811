//! A libvirt of the lab's own: libvirtd and virtlogd in mount, network and process namespaces
//! that belong to this lab alone. Nothing outside the lab's directories changes.
//!
//! `lab` starts a supervisor, and reaches what is inside by two sockets: libvirt's own, and the
//! supervisor's, which opens TCP connections inside the namespace and hands them out. An ordinary
//! user first becomes root of a user namespace ([`owner`]); everything after is the same.

mod control;
mod entry;
mod inside;
mod namespace;
mod owner;
mod paths;
mod process;
mod supervisor;
mod surroundings;
mod uplink;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::drivers::provider::{ProviderError, Result};
use crate::drivers::state::file_lock::is_held;
use crate::drivers::state::files::make_dir;
use crate::model::platform::Layout;

pub use control::{dial, ping};
pub use entry::entry;
pub use owner::{Range, ranges};
pub use uplink::{overlaps as overlaps_uplink, programs as uplink_programs};

/// How long a provider that begins is waited for.
const BEGINNING: Duration = Duration::from_secs(60);

/// Where one private provider lives.
#[derive(Clone, Debug)]
pub struct PrivateLibvirt {
    /// Volumes, logs, configuration.
    pub dir: PathBuf,
    /// Sockets: becomes `/run` inside.
    pub run: PathBuf,
    /// Lab it belongs to.
    pub lab: Uuid,
}

impl PrivateLibvirt {
    /// The provider of a lab. `state` is the lab's directory, `runtime` the directory for sockets.
    pub fn new(state: &Path, runtime: &Path, lab: Uuid) -> Self {
        let short = lab.simple().to_string();
        let run = runtime.join(short.get(..12).unwrap_or("lab"));
        Self { dir: state.join("engine"), run, lab }
    }

    /// Socket of the supervisor.
    pub fn control_socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }

    /// Address of libvirt inside.
    pub fn uri(&self) -> String {
        let socket = self.run.join("libvirt/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    /// Directories as libvirt inside sees them: the same as outside.
    pub fn layout(&self) -> Layout {
        let path = |name: &str| self.dir.join(name).display().to_string();
        Layout { pools: path("pools"), consoles: path("consoles"), local: true }
    }

    /// True when its supervisor answers.
    pub fn is_running(&self) -> bool {
        ping(&self.control_socket()).is_some_and(|lab| lab == self.lab.to_string())
    }

    /// The first process inside, by its number outside.
    ///
    /// # Errors
    /// When the provider does not run.
    pub fn first_process(&self) -> Result<u32> {
        let path = self.dir.join(paths::ALIVE);
        let at = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ProviderError::of_computer(at.to_string(), error.to_string()))?;
        let pid = text.trim().parse();
        let pid = pid.map_err(|_| ProviderError::of_computer(format!("{at} names nobody"), ""))?;
        match is_held(&path) {
            true => Ok(pid),
            false => Err(ProviderError::of_computer("the private libvirt does not run", "")),
        }
    }

    /// True while guests have a way to the outside.
    pub fn has_uplink(&self) -> bool {
        self.first_process().is_ok_and(|first| uplink::serves(&self.dir, first))
    }

    /// Gives guests a way to the outside.
    ///
    /// # Errors
    /// When the provider does not run, or no program makes the way, with what it said.
    pub fn start_uplink(&self) -> Result<()> {
        let doing = "give guests a way to the outside";
        let failed = |reason: String| ProviderError::of_computer(doing, reason);
        let first = self.first_process().map_err(|error| failed(error.to_string()))?;
        uplink::start(&self.dir, first).map_err(|error| failed(error.to_string()))
    }

    /// Starts the provider if it does not run. `hide_kvm` covers a `/dev/kvm` that does not work,
    /// which would cost libvirt seconds at every call.
    ///
    /// # Errors
    /// When namespaces cannot be made or libvirt does not start, with the last lines of its log.
    pub fn ensure(&self, hide_kvm: bool) -> Result<bool> {
        if self.is_running() {
            return Ok(false);
        }
        let doing = "start the private libvirt";
        if self.control_socket().as_os_str().len() > 100 {
            return Err(ProviderError::new(
                doing,
                format!("{} is too long for a socket", self.run.display()),
            )
            .hint("set XDG_RUNTIME_DIR to a short path"));
        }
        let io = |error: std::io::Error| ProviderError::new(doing, error.to_string());
        for path in ["log", "lib", "cache", "etc", "pools", "consoles"].map(|n| self.dir.join(n)) {
            make_dir(&path).map_err(|error| ProviderError::new(doing, error.to_string()))?;
        }
        // One that was begun by a run which was killed may be on its way.
        let alive = self.dir.join(paths::ALIVE);
        let deadline = Instant::now() + BEGINNING;
        while is_held(&alive) && Instant::now() < deadline {
            if self.is_running() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if is_held(&alive) {
            return Err(ProviderError::new(
                doing,
                format!("it runs, but does not answer at {}", self.run.display()),
            )
            .hint("`lab down` ends it; its guests go, too"));
        }
        // Whatever is left of a provider that died holds nothing: its processes went with it.
        let _ = std::fs::remove_dir_all(&self.run);
        make_dir(&self.run).map_err(|error| ProviderError::new(doing, error.to_string()))?;
        // dnsmasq serves as an ordinary user and reads its records from what these become inside;
        // from outside, the lab's own directory keeps others away.
        for path in [self.dir.join("lib"), self.run.clone()] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).map_err(io)?;
        }
        let lab = self.lab.to_string();
        let mut words = vec![self.dir.as_os_str(), self.run.as_os_str(), lab.as_ref()];
        words.extend(hide_kvm.then_some(OsStr::new("--hide-kvm")));
        let log = self.dir.join(paths::SUPERVISOR_LOG);
        if process::start("engine-supervisor", &words, &log).map_err(io)? {
            return Ok(true);
        }
        let logs = [paths::SUPERVISOR_LOG, "log/libvirtd.log", "log/virtlogd.log"];
        let tails: Vec<String> = logs
            .iter()
            .filter_map(|name| crate::drivers::provider::tail(&self.dir.join(name)))
            .filter(|text| !text.is_empty())
            .collect();
        Err(ProviderError::new(doing, tails.join("\n"))
            .hint("`lab doctor` says what is missing on this computer"))
    }

    /// Ends the provider and every process in it; its directory stays, with disks and definitions.
    ///
    /// # Errors
    /// When its sockets cannot be removed, and when it lives where it cannot be reached from here: on another
    /// computer that has the same home, or outside of this container.
    pub fn stop(&self) -> Result<()> {
        let alive = self.dir.join(paths::ALIVE);
        control::stop(&self.control_socket(), &alive, &self.lab.to_string());
        if is_held(&alive) {
            let why = format!("{} is held, and nobody answers", alive.display());
            return Err(ProviderError::of_computer("end the private libvirt", why).hint(
                "it lives where you are not: run `lab down` on the computer, or outside of the container, where `lab up` ran",
            ));
        }
        uplink::stop(&self.dir);
        self.clear(&[&self.run])
    }

    /// Ends the provider and every process in it, and removes its directories.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn remove(&self) -> Result<()> {
        self.stop()?;
        self.clear(&[&self.dir])
    }

    fn clear(&self, paths: &[&PathBuf]) -> Result<()> {
        for path in paths {
            match std::fs::remove_dir_all(path) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    remove_inside(path)?;
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let doing = format!("remove {}", path.display());
                    return Err(ProviderError::new(doing, error.to_string()));
                }
                _ => {}
            }
        }
        // The directory of all providers goes with the last one; fine when others are in it.
        let _ = self.run.parent().map(std::fs::remove_dir);
        Ok(())
    }
}

/// Removes what an ordinary user's provider left under ids of that user's range.
fn remove_inside(path: &Path) -> Result<()> {
    let doing = format!("remove {}", path.display());
    let io = |error: std::io::Error| ProviderError::new(&*doing, error.to_string());
    let mut command = Command::new(std::env::current_exe().map_err(io)?);
    let output = command.arg("engine-remove").arg(path).output().map_err(io)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ProviderError::new(doing, said))
}

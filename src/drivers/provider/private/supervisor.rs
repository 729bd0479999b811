//! The processes of a private provider: a supervisor that makes the namespaces, and the first
//! process inside, which runs virtlogd and libvirtd and answers on the control socket.
//!
//! Both run before any thread exists, as the kernel demands of processes that change namespaces.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::wait::{WaitStatus, waitpid};

use crate::drivers::provider::private::paths::ALIVE;
use crate::drivers::provider::private::process::{argument, let_go};
use crate::drivers::provider::private::{control, namespace, owner, uplink};

const QEMU_CONF: &str = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\n\
remember_owner = 0\nsecurity_driver = \"none\"\nsecurity_default_confined = 0\nnamespaces = [ ]\n\
cgroup_controllers = [ ]\nstdio_handler = \"logd\"\nmax_core = 0\n";
const LIBVIRTD_CONF: &str = "listen_tls = 0\nlisten_tcp = 0\nunix_sock_group = \"root\"\n\
unix_sock_ro_perms = \"0700\"\nunix_sock_rw_perms = \"0700\"\nunix_sock_admin_perms = \"0700\"\n\
auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nlog_level = 3\nlog_outputs = \"3:stderr\"\n\
max_clients = 500\nmax_workers = 40\nmax_client_requests = 20\n";
const VIRTLOGD_CONF: &str =
    "log_level = 3\nlog_outputs = \"3:stderr\"\nmax_size = 4194304\nmax_backups = 1\n";
/// A daemon that dies more often than this is not restarted.
const RESTARTS: u32 = 5;

/// Entry of `lab engine-supervisor DIR RUN LAB [--hide-kvm]`.
///
/// # Errors
/// When namespaces cannot be made, or another supervisor runs.
pub(crate) fn supervise(arguments: &[String]) -> io::Result<()> {
    let_go()?;
    let dir = PathBuf::from(argument(arguments, 0)?);
    let run = PathBuf::from(argument(arguments, 1)?);
    let lab = argument(arguments, 2)?;
    let hide_kvm = arguments.get(3).is_some_and(|flag| flag == "--hide-kvm");
    let program = std::env::current_exe()?;
    for (name, text) in [
        ("qemu.conf", QEMU_CONF),
        ("libvirtd.conf", LIBVIRTD_CONF),
        ("virtlogd.conf", VIRTLOGD_CONF),
    ] {
        fs::write(dir.join("etc").join(name), text)?;
    }
    // Held until every process inside is gone: whoever stops the provider waits for this lock.
    let alive = File::options().create(true).truncate(false).write(true).open(dir.join(ALIVE))?;
    let mut alive = Flock::lock(alive, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| io::Error::other(format!("another supervisor runs: {error}")))?;
    owner::become_root()?;
    namespace::enter()?;
    namespace::cover(&dir, &run, hide_kvm, uplink::RESOLVER)?;
    // The child is the first process of the new process namespace. It inherits standard output,
    // on which it says that it is ready.
    let mut child =
        Command::new(program).arg("engine-init").arg(&dir).arg(lab).stdin(Stdio::null()).spawn()?;
    alive.set_len(0)?;
    writeln!(alive, "{}", child.id())?;
    child.wait().map(drop)
}

/// Entry of `lab engine-init DIR LAB`, the first process inside.
///
/// # Errors
/// When a daemon does not start, or dies again and again.
pub(crate) fn init(arguments: &[String]) -> io::Result<()> {
    let dir = PathBuf::from(argument(arguments, 0)?);
    let lab = argument(arguments, 1)?.to_owned();
    namespace::mount_views()?;
    crate::drivers::host::run_tool("ip", &["link", "set", "lo", "up"]).map_err(io::Error::other)?;
    let mut daemons = [
        Daemon::start(&dir, "virtlogd", "/run/libvirt/virtlogd-sock")?,
        Daemon::start(&dir, "libvirtd", "/run/libvirt/libvirt-sock")?,
    ];
    let listener = UnixListener::bind("/run/control.sock")?;
    std::thread::spawn(move || control::serve(&listener, &lab));
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    // As the first process we inherit every orphan: QEMU's launchers among them.
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => {
                for daemon in &mut daemons {
                    daemon.restart_if(pid.as_raw(), &dir)?;
                }
            }
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

struct Daemon {
    name: &'static str,
    socket: &'static str,
    child: Child,
    restarts: u32,
}

impl Daemon {
    fn start(dir: &Path, name: &'static str, socket: &'static str) -> io::Result<Self> {
        let child = launch(dir, name, socket)?;
        Ok(Self { name, socket, child, restarts: 0 })
    }

    /// libvirtd finds its running guests again when it comes back.
    fn restart_if(&mut self, pid: i32, dir: &Path) -> io::Result<()> {
        if i64::from(self.child.id()) != i64::from(pid) {
            return Ok(());
        }
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(io::Error::other(format!("{} died {RESTARTS} times", self.name)));
        }
        self.child = launch(dir, self.name, self.socket)?;
        Ok(())
    }
}

fn launch(dir: &Path, name: &str, socket: &str) -> io::Result<Child> {
    let Some(program) = crate::drivers::host::find_program(name) else {
        return Err(io::Error::other(format!("the program '{name}' is not installed")));
    };
    let log =
        File::options().create(true).append(true).open(dir.join(format!("log/{name}.log")))?;
    let _ = fs::remove_file(socket);
    let mut child = Command::new(program)
        .arg("--config")
        .arg(format!("/etc/libvirt/{name}.conf"))
        .arg("--pid-file")
        .arg(format!("/run/{name}.pid"))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?;
    wait_for_socket(&mut child, name, socket)?;
    Ok(child)
}

/// The daemons say nothing when they are ready: a connection that is accepted is the sign.
fn wait_for_socket(child: &mut Child, name: &str, socket: &str) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while UnixStream::connect(socket).is_err() {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("{name} ended: {status}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{name} does not open {socket}")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

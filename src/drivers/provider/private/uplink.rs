//! The way out of a private provider's network: pasta or slirp4netns, programs that turn what guests send
//! into connections of the user's own. No interface, route or rule of the computer changes.
//!
//! A keeper stands outside, in the computer's network, runs the program and ends it with the provider.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use crate::drivers::host::find_program;
use crate::drivers::provider::private::paths::{ALIVE, KEEPER, UPLINK_LOG as LOG};
use crate::drivers::provider::private::process::{self, argument, let_go};
use crate::drivers::state::file_lock::is_held;
use crate::model::inventory::overlap;

/// The interface inside.
const LINK: &str = "uplink0";
/// Addresses of the link, of the range that RFC 2544 sets apart for tests between machines: outside
/// lives nobody who has them.
pub const NETWORK: &str = "198.18.0.0/24";
const ADDRESS: &str = "198.18.0.100";
const GATEWAY: &str = "198.18.0.2";
/// Questions to it are passed on to the computer's own resolver.
pub(crate) const RESOLVER: &str = "198.18.0.3";
/// How long a program may take to make its link, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The programs that are installed and would do, the better one first: pasta leaves networks that root
/// made alone.
pub fn programs() -> Vec<&'static str> {
    let root = nix::unistd::geteuid().is_root();
    let all = ["pasta", "slirp4netns"].into_iter().filter(|name| !(root && *name == "pasta"));
    all.filter(|name| find_program(name).is_some()).collect()
}

/// True when one of `nets` has addresses of the link.
pub fn overlaps(nets: &[Ipv4Net]) -> bool {
    let link: Option<Ipv4Net> = NETWORK.parse().ok();
    link.is_some_and(|link| nets.iter().any(|net| overlap(*net, link)))
}

/// True while guests have a way out.
pub(crate) fn serves(dir: &Path, first: u32) -> bool {
    is_held(&dir.join(KEEPER)) && has_link(first)
}

fn has_link(first: u32) -> bool {
    let links = fs::read_to_string(format!("/proc/{first}/net/dev")).unwrap_or_default();
    links.lines().any(|line| line.trim_start().starts_with(&format!("{LINK}:")))
}

/// The last thing that a program makes.
fn has_route(first: u32) -> bool {
    let routes = fs::read_to_string(format!("/proc/{first}/net/route")).unwrap_or_default();
    routes.lines().any(|line| line.starts_with(&format!("{LINK}\t00000000\t")))
}

/// Starts a keeper, and waits until guests have a way out.
///
/// # Errors
/// What the programs said.
pub(crate) fn start(dir: &Path, first: u32) -> io::Result<()> {
    stop(dir);
    wait_until(|| !has_link(first));
    let (log, first) = (dir.join(LOG), first.to_string());
    if process::start("engine-uplink", &[dir.as_os_str(), first.as_ref()], &log)? {
        return Ok(());
    }
    let said = crate::drivers::provider::tail(&log).unwrap_or_default();
    Err(io::Error::other(said))
}

/// Ends keeper and program, and waits until they are gone. Fine when there are none.
pub(crate) fn stop(dir: &Path) {
    let file = dir.join(KEEPER);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let pids: Vec<i32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[keeper, program, first] = &pids[..] else { return };
    if is_held(&file) && is_process(keeper, &["engine-uplink", &dir.to_string_lossy()]) {
        // One that ended meanwhile is gone, as it should be.
        let _ = kill(Pid::from_raw(keeper), Signal::SIGTERM);
    }
    wait_until(|| !is_held(&file));
    // A keeper that was killed could not end its program.
    let network = format!("/proc/{first}/ns/net");
    wait_until(|| {
        let leftover = is_process(program, &[LINK, &network]);
        if leftover {
            let _ = kill(Pid::from_raw(program), Signal::SIGKILL);
        }
        !leftover
    });
    let _ = fs::remove_file(&file);
}

/// Waits until it is so, as long as there is patience.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < deadline {
        std::thread::sleep(PAUSE);
    }
}

fn is_process(pid: i32, words: &[&str]) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    pid > 1 && words.iter().all(|word| command.contains(word))
}

/// Entry of `lab engine-uplink DIR PID`: keeps a way out for the provider whose first process is `PID`, as
/// long as that lives.
///
/// # Errors
/// When no program makes the link, or the one that did ends.
pub(crate) fn keep(arguments: &[String]) -> io::Result<()> {
    let_go()?;
    let dir = Path::new(argument(arguments, 0)?);
    let first: u32 = argument(arguments, 1)?.parse().map_err(io::Error::other)?;
    nix::unistd::setsid()?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(dir.join(KEEPER))?;
    let mut file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, error)| io::Error::other(format!("another keeper lives: {error}")))?;
    // Before there is a thread: signals are waited for, by this one alone.
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGCHLD]);
    signals.thread_block()?;
    end_with_provider(dir)?;
    let mut record = |program: u32| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{} {program} {first}", std::process::id())
    };
    record(0)?;
    let mut program = launch_any(first, &mut record)?;
    let kept = until_told(&signals, &mut program);
    end(&mut program)?;
    kept
}

/// Says that guests have a way out, and waits for the end of program or provider.
fn until_told(signals: &SigSet, program: &mut Child) -> io::Result<()> {
    writeln!(io::stdout(), "ready")?;
    loop {
        match signals.wait()? {
            Signal::SIGTERM => return Ok(()),
            _ => {
                if let Some(status) = program.try_wait()? {
                    return Err(io::Error::other(format!("the uplink ended: {status}")));
                }
            }
        }
    }
}

/// Sends ourselves a signal when the provider's supervisor is gone.
fn end_with_provider(dir: &Path) -> io::Result<()> {
    let alive = File::open(dir.join(ALIVE))?;
    std::thread::spawn(move || {
        let mut alive = alive;
        // A signal may end the wait too early.
        while let Err((file, nix::Error::EINTR)) = Flock::lock(alive, FlockArg::LockShared) {
            alive = file;
        }
        let _ = kill(Pid::this(), Signal::SIGTERM);
    });
    Ok(())
}

/// Notes the number of a program that was begun.
type Recorder<'a> = dyn FnMut(u32) -> io::Result<()> + 'a;

fn launch_any(first: u32, record: &mut Recorder<'_>) -> io::Result<Child> {
    let mut said = String::from("no program that makes one is installed");
    for name in programs() {
        match launch(name, first, record) {
            Ok(child) => return Ok(child),
            Err(error) => said = format!("{name}: {error}"),
        }
    }
    Err(io::Error::other(said))
}

fn launch(name: &str, first: u32, record: &mut Recorder<'_>) -> io::Result<Child> {
    let program = find_program(name).ok_or_else(|| io::Error::other("it is not installed"))?;
    // What it says goes to the log, and to whoever asked when it comes to nothing.
    let mut child = Command::new(program)
        .args(words(name, first, nix::unistd::geteuid().is_root()))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .spawn()?;
    let made = record(child.id()).and_then(|()| until_made(&mut child, first));
    match made {
        Ok(()) => Ok(child),
        Err(error) => {
            end(&mut child)?;
            Err(error)
        }
    }
}

fn until_made(child: &mut Child, first: u32) -> io::Result<()> {
    wait_until(|| has_route(first) || child.try_wait().is_ok_and(|ended| ended.is_some()));
    if let Some(status) = child.try_wait()? {
        return Err(io::Error::other(format!("it ended at once: {status}")));
    }
    match has_route(first) {
        true => Ok(()),
        false => Err(io::Error::other(format!("it made no way in {} s", PATIENCE.as_secs()))),
    }
}

/// What the program is told: its link's addresses, and that nothing of the computer's own is to be
/// reached through it.
fn words(name: &str, first: u32, root: bool) -> Vec<String> {
    let (network, owner) = (format!("/proc/{first}/ns/net"), format!("/proc/{first}/ns/user"));
    let text = match (name, root) {
        ("pasta", _) => format!(
            "--foreground --ipv4-only --config-net --ns-ifname {LINK} --address {ADDRESS} --netmask 24 \
             --gateway {GATEWAY} --no-map-gw --dns-forward {RESOLVER} -t none -u none -T none -U none {} \
             --netns {network}",
            if root { "--runas 0:0 --netns-only".into() } else { format!("--userns {owner}") }
        ),
        (_, _) => format!(
            "--configure --mtu 65520 --disable-host-loopback --enable-sandbox --enable-seccomp \
             --cidr {NETWORK} {} --netns-type path \
             {network} {LINK}",
            if root { String::new() } else { format!("--userns-path {owner}") }
        ),
    };
    text.split_whitespace().map(str::to_owned).collect()
}

/// There is nothing that the program would save, and signals that could be caught are blocked in it as
/// they are in its keeper.
fn end(program: &mut Child) -> io::Result<()> {
    program.kill()?;
    program.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_computer_is_reached_through_the_link() {
        for root in [false, true] {
            let pasta = words("pasta", 7, root).join(" ");
            assert!(pasta.contains("--no-map-gw") && pasta.contains("-T none -U none"), "{pasta}");
            let slirp = words("slirp4netns", 7, root).join(" ");
            assert!(slirp.contains("--disable-host-loopback"), "{slirp}");
            // It reads what guests send, as whoever started the lab.
            assert!(slirp.contains("--enable-sandbox --enable-seccomp"), "{slirp}");
            assert_eq!(pasta.contains("/ns/user") && slirp.contains("/ns/user"), !root);
        }
    }

    #[test]
    fn networks_that_meet_the_link_are_told() {
        let nets =
            |text: &str| text.split(' ').filter_map(|net| net.parse().ok()).collect::<Vec<_>>();
        assert!(overlaps(&nets("10.0.0.0/8 198.18.0.0/15")) && overlaps(&nets("198.18.0.128/25")));
        assert!(!overlaps(&nets("10.240.0.0/24 198.18.1.0/24")));
    }
}

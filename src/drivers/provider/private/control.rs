//! The supervisor's socket: `ping`, `stop`, `dial ADDRESS:PORT`, which answers with a connected TCP
//! socket of the namespace, passed as a file descriptor, and `routes BRIDGE [NET=VIA,...]`, which
//! tells the namespace's routes to pods after setting them when some are given; `fence [=NET,...]` does so
//! with the networks that nothing inside is led to.

use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use crate::drivers::host::fence;
use crate::drivers::host::routes::{self, Routes};
use crate::drivers::state::file_lock::is_held;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

const UNKNOWN: &str = "unknown request";
/// Bytes of the longest request: routes to as many workers as a lab can have.
const LONGEST: u64 = 64 << 10;
const CONNECT: Duration = Duration::from_secs(5);

fn request(socket: &Path, line: &str) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(CONNECT * 2))?;
    stream.write_all(line.as_bytes())?;
    stream.write_all(b"\n")?;
    Ok(stream)
}

/// Asks who is there; the lab's id when a supervisor answers.
pub fn ping(socket: &Path) -> Option<String> {
    let mut answer = String::new();
    let stream = request(socket, "ping").ok()?;
    stream.take(64).read_to_string(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

/// How long a provider may take to end when asked.
const STOP: Duration = Duration::from_secs(20);

/// Ends the provider and waits until its processes are gone. `alive` is the file that the
/// supervisor keeps locked while it lives; it names the first process inside, which is ended
/// from outside when the socket is gone or nobody answers. One that is just beginning is waited for until it
/// can be ended; one that lives elsewhere is not.
pub(crate) fn stop(socket: &Path, alive: &Path, lab: &str) {
    let start = Instant::now();
    let (mut asked, mut ended) = (false, false);
    loop {
        asked = asked || ask_to_stop(socket);
        if !ended && (!asked || start.elapsed() > CONNECT) {
            ended = end_first_process(alive, lab);
        }
        let patience = if asked || ended { STOP } else { CONNECT };
        if !is_held(alive) || start.elapsed() > patience {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// True when somebody was there to hear it.
fn ask_to_stop(socket: &Path) -> bool {
    let heard = request(socket, "stop").map(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    heard.is_ok()
}

/// Ends the first process of the namespace, after making sure that it is this provider's; false when it is
/// nobody that can be seen from here.
fn end_first_process(alive: &Path, lab: &str) -> bool {
    let pid = std::fs::read_to_string(alive).ok().and_then(|text| text.trim().parse::<i32>().ok());
    let Some(pid) = pid.filter(|pid| *pid > 1) else { return false };
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_it = command.contains("engine-init") && command.contains(lab);
    is_it
        && nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        )
        .is_ok()
}

/// Opens a TCP connection inside the namespace.
///
/// # Errors
/// When the provider does not answer, or the connection is refused or times out.
pub fn dial(socket: &Path, address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = request(socket, &format!("dial {address}"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0u8; 200];
    let received = rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message
            && let Some(fd) = fds.into_iter().next()
        {
            return Ok(TcpStream::from(fd));
        }
    }
    let reason = String::from_utf8_lossy(text.get(..received.bytes).unwrap_or_default());
    Err(std::io::Error::other(reason.trim().to_owned()))
}

/// Our routes through a bridge of the namespace, after making them `wanted` when given.
///
/// # Errors
/// When the provider does not answer, or the routes cannot be set.
pub fn routes(socket: &Path, bridge: &str, wanted: Option<&Routes>) -> io::Result<Routes> {
    let words = wanted.map(|wanted| format!(" ={}", routes::format(wanted))).unwrap_or_default();
    let asked = request(socket, &format!("routes {bridge}{words}"));
    let mut answer = String::new();
    let read = asked.and_then(|mut stream| stream.read_to_string(&mut answer));
    read.map_err(|error| {
        io::Error::new(error.kind(), format!("ask the private provider for its routes: {error}"))
    })?;
    // A provider that an earlier version started knows of no routes, and made none.
    if answer.trim() == UNKNOWN && wanted.is_none() {
        return Ok(Routes::new());
    }
    match answer.trim().strip_prefix("ok ").or_else(|| answer.trim().strip_prefix("ok")) {
        Some(list) => {
            routes::parse(list).ok_or_else(|| io::Error::other(format!("read the routes '{list}'")))
        }
        None => Err(io::Error::other(answer.trim().to_owned())),
    }
}

/// The networks that are fenced off inside, after making them `wanted` when given.
///
/// # Errors
/// When the provider does not answer, knows of no fence, or cannot make it.
pub fn fence(socket: &Path, wanted: Option<&[Ipv4Net]>) -> io::Result<Vec<Ipv4Net>> {
    let words = wanted.map(|wanted| format!(" ={}", fence::format(wanted))).unwrap_or_default();
    let mut answer = String::new();
    request(socket, &format!("fence{words}"))?.read_to_string(&mut answer)?;
    let list = answer.trim().strip_prefix("ok");
    let nets = list.and_then(|list| fence::parse(list.trim()));
    nets.ok_or_else(|| io::Error::other(answer.trim().to_owned()))
}

/// True for the answer of a supervisor that does not know the request.
pub fn is_unknown(error: &io::Error) -> bool {
    error.to_string() == UNKNOWN
}

/// Serves requests until asked to stop; each on a thread of its own, since a dial may take long.
pub(crate) fn serve(listener: &UnixListener, lab: &str) {
    for stream in listener.incoming().flatten() {
        let lab = lab.to_owned();
        std::thread::spawn(move || answer(stream, &lab));
    }
}

fn answer(mut stream: UnixStream, lab: &str) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut line = String::new();
    if BufReader::new(copy.take(LONGEST)).read_line(&mut line).is_err() {
        return;
    }
    match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
        ("ping", _) => drop(writeln!(stream, "{lab}")),
        // Ending the first process of a process namespace ends the namespace.
        ("stop", _) => std::process::exit(0),
        ("dial", target) => {
            let connected = target
                .parse::<SocketAddr>()
                .map_err(std::io::Error::other)
                .and_then(|address| TcpStream::connect_timeout(&address, CONNECT));
            match connected {
                Ok(tcp) => drop(hand_over(&stream, &tcp)),
                Err(error) => drop(writeln!(stream, "{error}")),
            }
        }
        ("routes", words) => {
            let (bridge, wanted) =
                words.split_once(" =").map_or((words, None), |(b, w)| (b, Some(w)));
            let made = match wanted.map(routes::parse) {
                Some(Some(wanted)) => {
                    routes::set(bridge, &wanted).map_err(|error| error.to_string())
                }
                Some(None) => Err("read the wanted routes".into()),
                None => Ok(()),
            };
            let answer =
                made.and_then(|()| routes::list(bridge).map_err(|error| error.to_string()));
            drop(match answer {
                Ok(list) => writeln!(stream, "ok {}", routes::format(&list)),
                Err(error) => writeln!(stream, "{error}"),
            });
        }
        ("fence", words) => {
            let made = match words.strip_prefix('=').map(fence::parse) {
                Some(Some(wanted)) => fence::set(&wanted),
                Some(None) => Err(io::Error::other("read the wanted fence")),
                None => Ok(()),
            };
            drop(match made.and_then(|()| fence::list()) {
                Ok(list) => writeln!(stream, "ok {}", fence::format(&list)),
                Err(error) => writeln!(stream, "{error}"),
            });
        }
        _ => drop(writeln!(stream, "{UNKNOWN}")),
    }
}

fn hand_over(stream: &UnixStream, tcp: &TcpStream) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [tcp.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(stream, &[IoSlice::new(b"ok\n")], &mut control, SendFlags::NOSIGNAL)
}

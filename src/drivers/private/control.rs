//! The supervisor's socket: `ping`, `stop`, and `dial ADDRESS:PORT`, which answers with a
//! connected TCP socket of the namespace, passed as a file descriptor.

use std::io::{BufRead, BufReader, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

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

/// Ends the engine and waits until its processes are gone. `alive` is the file that the
/// supervisor keeps locked while it lives.
pub(super) fn stop(socket: &Path, alive: &Path) {
    if let Ok(mut stream) = request(socket, "stop") {
        let _ = stream.read_to_end(&mut Vec::new());
    }
    if let Ok(file) = std::fs::File::open(alive) {
        let _ = Flock::lock(file, FlockArg::LockShared);
    }
}

/// Opens a TCP connection inside the namespace.
///
/// # Errors
/// When the engine does not answer, or the connection is refused or times out.
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

/// Serves requests until asked to stop; each on a thread of its own, since a dial may take long.
pub(super) fn serve(listener: &UnixListener, lab: &str) {
    for stream in listener.incoming().flatten() {
        let lab = lab.to_owned();
        std::thread::spawn(move || answer(stream, &lab));
    }
}

fn answer(mut stream: UnixStream, lab: &str) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut line = String::new();
    if BufReader::new(copy.take(100)).read_line(&mut line).is_err() {
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
        _ => drop(writeln!(stream, "unknown request")),
    }
}

fn hand_over(stream: &UnixStream, tcp: &TcpStream) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [tcp.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    rustix::net::sendmsg(stream, &[IoSlice::new(b"ok\n")], &mut control, SendFlags::NOSIGNAL)
}

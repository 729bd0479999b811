//! `lab connect`: standard input and output joined to a port inside a private lab. ssh calls it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::drivers::provider::private;
use crate::model::code;

pub(crate) fn run(socket: &Path, host: Ipv4Addr, port: u16) -> Result<ExitCode, Failure> {
    let address = SocketAddr::from((host, port));
    let failed = |error: std::io::Error| {
        Failure::failed(format!("connect to {address} inside the private lab: {error}"))
            .code(&code::UNREACHABLE)
            .hint("`lab status` shows whether it runs")
    };
    let stream = private::dial(socket, address).map_err(failed)?;
    let mut reader = stream.try_clone().map_err(failed)?;
    // Ends with the process: a read of standard input cannot be called off.
    std::thread::spawn(move || send(stream));
    // Past the buffer of standard output, which would wait for the end of a line.
    let out = std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    pump(&mut reader, &mut File::from(out)).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

fn send(mut stream: TcpStream) {
    let _ = pump(&mut std::io::stdin().lock(), &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}

/// Passes on what comes as it comes. The kernel's own way from a pipe to a socket holds small pieces back
/// until more follow, and a handshake waits for ever.
fn pump(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 15];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

//! Commands and shells on nodes, with our own standard streams.

pub(crate) mod follow;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use russh::ChannelMsg;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::AsyncReadExt;

use crate::cli::failure::Failure;
use crate::drivers::guest::GuestError;
use crate::engine::Session;
use crate::model::{Node, code};

/// What a remote command reads.
pub(crate) enum Input {
    /// Nothing.
    Nothing,
    /// Our own standard input.
    Stdin,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// As ssh does it: one word is a shell command, several are quoted one by one.
pub(crate) fn command_line(words: &[String]) -> String {
    match words {
        [only] => only.clone(),
        words => words
            .iter()
            .map(|word| crate::drivers::guest::ssh::quote(word))
            .collect::<Vec<_>>()
            .join(" "),
    }
}

/// A terminal in raw mode, put back when dropped.
pub(crate) struct Raw(Termios);

impl Raw {
    pub fn enter() -> Option<Self> {
        let old = tcgetattr(std::io::stdin()).ok()?;
        let mut raw = old.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(old))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn window() -> (u32, u32) {
    tcgetwinsize(std::io::stdin())
        .map_or((80, 24), |size| (u32::from(size.ws_col), u32::from(size.ws_row)))
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(error.to_string())
}

fn unreachable(error: GuestError) -> Failure {
    let failure = Failure::failed(error.message).code(error.code);
    match error.hint {
        Some(hint) => failure.hint(hint),
        None => failure.hint("`lab status` shows whether the node runs"),
    }
}

/// Runs a command, or a shell, on a node with our own standard streams; its status is ours.
pub(crate) async fn execute(
    session: &Session,
    node: &Node,
    command: Option<String>,
    input: Input,
    terminal: bool,
) -> Result<ExitCode, Failure> {
    let keys = session.load_keys()?;
    let ssh = session.ssh(node, &keys, Duration::from_secs(20))?;
    let channel = ssh.channel().await.map_err(unreachable)?;
    if terminal {
        let (columns, rows) = window();
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
        channel
            .request_pty(false, &kind, columns, rows, 0, 0, &[])
            .await
            .map_err(|e| failed(&e))?;
    }
    match &command {
        Some(command) => channel.exec(true, command.as_str()).await,
        None => channel.request_shell(true).await,
    }
    .map_err(|e| failed(&e))?;
    let raw = if terminal { Raw::enter() } else { None };
    let (mut reader, writer) = channel.split();
    let sender = tokio::spawn(async move {
        let mut resized =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok();
        if let Input::Bytes(bytes) = &input {
            let _ = writer.data(bytes.as_slice()).await;
        }
        if matches!(input, Input::Stdin) {
            let mut stdin = tokio::io::stdin();
            let mut buffer = vec![0; 1 << 15];
            loop {
                let resize = async {
                    match resized.as_mut() {
                        Some(signal) => drop(signal.recv().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    read = stdin.read(&mut buffer) => match read {
                        Ok(count) if count > 0 => {
                            let chunk = buffer.get(..count).unwrap_or_default();
                            if writer.data(chunk).await.is_err() { return; }
                        }
                        _ => break,
                    },
                    () = resize => {
                        let (columns, rows) = window();
                        let _ = writer.window_change(columns, rows, 0, 0).await;
                    }
                }
            }
        }
        let _ = writer.eof().await;
    });
    let mut status = None;
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(&data).and_then(|()| out.flush());
            }
            ChannelMsg::ExtendedData { data, .. } => {
                let _ = std::io::stderr().lock().write_all(&data);
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::ExitSignal { .. } => status = Some(255),
            _ => {}
        }
    }
    drop(raw);
    sender.abort();
    match status {
        // A read of our standard input may still be under way on a thread that cannot be stopped.
        Some(status) => std::process::exit(i32::try_from(status).unwrap_or(255)),
        None => Err(Failure::failed(format!("finish on {}: the connection was cut", node.name))
            .code(&code::UNREACHABLE)),
    }
}

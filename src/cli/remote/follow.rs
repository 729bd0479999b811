//! What commands on many nodes say, line by line, as it comes.

use std::fmt;
use std::time::Duration;

use russh::ChannelMsg;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::cli::failure::Failure;
use crate::cli::output::{info, print};
use crate::drivers::guest::GuestError;
use crate::drivers::guest::ssh::Ssh;
use crate::engine::Session;
use crate::model::Node;

/// Patience until a node lets us in.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of a line that are waited for before it is told.
const LONGEST_LINE: usize = 1 << 16;

/// A line of a node, or why there will be none.
struct Said {
    node: String,
    line: Result<String, Unheard>,
}

/// Why a node is not heard any more.
enum Unheard {
    /// It cannot be reached.
    Node(GuestError),
    /// The command could not be begun.
    Command(russh::Error),
    /// The command ended badly.
    Ended(u32),
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Command(error) => error.fmt(f),
            Self::Ended(status) => write!(f, "it ended with status {status}"),
        }
    }
}

/// Runs a command on each node and prints what they say. False when one could not be asked.
pub(crate) async fn follow(session: &Session, asked: &[(&Node, String)]) -> Result<bool, Failure> {
    let keys = session.load_keys()?;
    // Whoever says more than is printed waits.
    let (sender, receiver) = channel(1000);
    for (node, command) in asked {
        let ssh = session.ssh(node, &keys, PATIENCE)?;
        let (name, command, sender) = (node.name.clone(), command.clone(), sender.clone());
        tokio::spawn(async move {
            if let Err(why) = listen(&ssh, &name, &command, &sender).await {
                let _ = sender.send(Said { node: name, line: Err(why) }).await;
            }
        });
    }
    drop(sender);
    Ok(show(receiver, asked.len() > 1).await)
}

async fn listen(
    ssh: &Ssh,
    node: &str,
    command: &str,
    sender: &Sender<Said>,
) -> Result<(), Unheard> {
    let channel = ssh.channel().await.map_err(Unheard::Node)?;
    channel.exec(true, command).await.map_err(Unheard::Command)?;
    let (mut reader, _writer) = channel.split();
    let mut rest = Vec::new();
    let tell = async |line: &[u8]| {
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        let _ = sender.send(Said { node: node.into(), line: Ok(line) }).await;
    };
    while let Some(message) = reader.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => {
                rest.extend_from_slice(&data);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    tell(&rest.drain(..=end).collect::<Vec<u8>>()).await;
                }
                // A line without an end is told in pieces.
                if rest.len() > LONGEST_LINE {
                    tell(&std::mem::take(&mut rest)).await;
                }
            }
            ChannelMsg::ExitStatus { exit_status } if exit_status != 0 => {
                return Err(Unheard::Ended(exit_status));
            }
            _ => {}
        }
    }
    if !rest.is_empty() {
        tell(&rest).await;
    }
    Ok(())
}

async fn show(mut receiver: Receiver<Said>, names: bool) -> bool {
    let mut whole = true;
    while let Some(said) = receiver.recv().await {
        match said.line {
            Ok(line) if names => print(&format!("{:<14} {line}", said.node)),
            Ok(line) => print(&line),
            Err(why) => {
                whole = false;
                info(&format!("{:<14} {why}", said.node));
            }
        }
    }
    whole
}

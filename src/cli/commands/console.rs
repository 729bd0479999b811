//! `lab console`: a node's serial console.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::args::Console;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{info, print};
use crate::cli::remote::Raw;
use crate::cli::session::load;
use crate::cli::session::lookup::known_node;
use crate::engine::Session;
use crate::model::Node;

/// Ctrl-], as virsh and telnet have it.
const LEAVE: u8 = 0x1d;

pub(crate) fn run(global: &Global, arguments: &Console) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let node = known_node(&session.lab, &arguments.node)?;
    if arguments.log {
        print(&log(&session, node)?);
        return Ok(ExitCode::SUCCESS);
    }
    load::refuse_resting(&session)?;
    let failed = |error: crate::drivers::provider::ProviderError| {
        Failure::from(crate::engine::EngineError::from(error))
    };
    let provider = session.provider.connect()?;
    let console = provider.consoles().map_err(failed)?;
    let console = console.open(node.uuid, &node.name).map_err(failed)?;
    let terminal = std::io::stdin().is_terminal();
    if terminal && !global.quiet {
        info(&format!("the console of {}; Ctrl-] leaves it", node.name));
    }
    let raw = if terminal { Raw::enter() } else { None };
    let writer = Arc::clone(&console);
    if terminal {
        // Ends with the process: a read of standard input cannot be called off.
        std::thread::spawn(move || {
            let (mut input, mut buffer) = (std::io::stdin().lock(), [0u8; 256]);
            while let Ok(count @ 1..) = input.read(&mut buffer) {
                let typed = buffer.get(..count).unwrap_or_default();
                let until = typed.iter().position(|byte| *byte == LEAVE);
                if writer.send(typed.get(..until.unwrap_or(count)).unwrap_or_default()).is_err()
                    || until.is_some()
                {
                    break;
                }
            }
            writer.hang_up();
        });
    }
    let mut out = std::io::stdout().lock();
    while let Ok(bytes @ [_, ..]) = console.receive().as_deref() {
        if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    drop(raw);
    Ok(ExitCode::SUCCESS)
}

/// Everything that the console said since the node was made.
fn log(session: &Session, node: &Node) -> Result<String, Failure> {
    let provider = session.provider.connect();
    if let Some(lack) = provider.ok().and_then(|p| p.consoles().err()) {
        return Err(Failure::from(crate::engine::EngineError::from(lack)));
    }
    let path = session.provider.layout(&session.lab).console(&node.domain);
    let bytes = std::fs::read(&path).map_err(|error| {
        let failure = Failure::failed(format!("read {path}: {error}"));
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                failure.hint("it is root's: sudo lab console ...")
            }
            _ => failure.hint("is the lab up? `lab status`"),
        }
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

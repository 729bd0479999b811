//! What Ctrl-C does: once stops after the current steps, twice leaves at once.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::failure::INTERRUPTED;
use crate::cli::output::info;
use crate::engine::Stop;

/// The first interrupt asks to stop, the second leaves at once; `command` goes on.
pub(crate) async fn listen(stop: Stop, command: &str) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.requested() {
            info(&format!("leaving at once; `{command}` goes on from here"));
            std::process::exit(i32::from(INTERRUPTED));
        }
        info("stopping after the current steps; once more to leave at once");
        stop.request();
    }
}

//! What `lab` itself takes of the computer while it works.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::rig::guests::Rig;

/// Of one command, from its beginning to its end.
#[derive(Default)]
pub struct Usage {
    /// Seconds by the clock.
    pub seconds: f64,
    /// Seconds of processors.
    pub cpu: f64,
    /// Most memory at a time, MiB.
    pub memory: f64,
}

/// Ticks of the kernel's accounts in a second.
const TICKS: f64 = 100.0;

/// Runs a command that must succeed, and looks at it all the while.
pub fn measured(rig: &Rig, arguments: &[&str]) -> Usage {
    rig.say(&format!("lab {}", arguments.join(" ")));
    let start = Instant::now();
    let mut command = rig.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut usage = Usage::default();
    let status = loop {
        look(child.id(), &mut usage);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "lab {arguments:?} ended with {status}");
    usage.seconds = start.elapsed().as_secs_f64();
    usage
}

/// Nothing where the process has ended.
fn look(pid: u32, usage: &mut Usage) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    usage.memory = usage.memory.max(peak.unwrap_or_default() / 1024.0);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The program's name may have spaces; times in user and kernel mode follow it.
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>());
    let ticks = |at: usize| fields.as_ref()?.get(at)?.parse::<f64>().ok();
    let cpu = (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) / TICKS;
    usage.cpu = usage.cpu.max(cpu);
}

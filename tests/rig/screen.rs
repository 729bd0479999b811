//! A terminal for the binary, and what a person sees on it.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, Command};

use pty_process::blocking::Pty;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

const ROWS: NonZero<u16> = NonZero::new(60).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();

/// A command on a terminal of its own.
pub struct Terminal {
    pty: Pty,
    child: Child,
    screen: vt100::Parser,
}

impl Terminal {
    pub fn run(command: Command) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(ROWS.get(), COLUMNS.get())).unwrap();
        // With Ctrl-C it is not to drop what was written and not yet read: how much that is, is chance.
        let mut modes = tcgetattr(&pty).unwrap();
        modes.local_modes |= LocalModes::NOFLSH;
        tcsetattr(&pty, OptionalActions::Now, &modes).unwrap();
        let child = pty_process::blocking::Command::from(command).spawn(pts).unwrap();
        Self { pty, child, screen: vt100::Parser::new(ROWS, COLUMNS, 0) }
    }

    /// What is on the screen now.
    pub fn rows(&self) -> Vec<String> {
        self.screen.screen().rows(0, COLUMNS.get()).collect()
    }

    /// Reads until the screen fits.
    pub fn until(&mut self, wanted: impl Fn(&[String]) -> bool) {
        while !wanted(&self.rows()) {
            assert!(self.read(), "the command ended before: {:#?}", self.rows());
        }
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.pty.write_all(keys).unwrap();
    }

    /// Reads to the end: exit code, and what stays on the screen.
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        while self.read() {}
        (self.child.wait().unwrap().code(), self.rows())
    }

    /// False once nobody writes any more, which a terminal reports as an error.
    fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.pty.read(&mut bytes) {
            Ok(count) if count > 0 => {
                self.screen.process(&bytes[..count]);
                true
            }
            _ => false,
        }
    }
}

/// True for a line of the foot: whole seconds, then who is at work.
pub fn is_foot(row: &str) -> bool {
    let first = row.split_whitespace().next().and_then(|word| word.strip_suffix('s'));
    row.starts_with("  ") && first.is_some_and(|seconds| seconds.parse::<u64>().is_ok())
}

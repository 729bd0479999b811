//! What outlives a test process: whoever brought something up that all tests of a process share has no last
//! moment of its own, since what is static is never dropped.

use std::io::Write;
use std::process::{Child, Command, Stdio};

/// A process that takes away what a test process leaves behind, however that ends.
pub struct Guard(Child);

/// Waits for the end of its input. A line before it says that there is nothing to do.
const SCRIPT: &str = "trap '' INT TERM HUP
read -r nothing && exit 0
\"$@\"
rm -rf \"$LEFT\"";

impl Guard {
    /// Stands ready to run `command`, with its surroundings, and to remove what is at `left`.
    pub fn over(command: &Command, left: &std::path::Path) -> Self {
        let mut guard = Command::new("sh");
        guard.args(["-c", SCRIPT, "sh"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        guard.current_dir(command.get_current_dir().unwrap()).env("LEFT", left);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(guard.spawn().unwrap())
    }

    /// Everything is gone already.
    pub fn dismiss(mut self) {
        self.0.stdin.take().unwrap().write_all(b"nothing\n").unwrap();
        self.0.wait().unwrap();
    }
}

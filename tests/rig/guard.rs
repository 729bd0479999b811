//! What outlives a test process: whoever brought something up that all tests of a process share has no last
//! moment of its own, since what is static is never dropped.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use lab::render::quote;

/// A process that takes away what a test process leaves behind, however that ends.
pub struct Guard(Child);

impl Guard {
    /// Stands ready to run these commands, with their surroundings, and to remove what is at `left`.
    pub fn over(commands: &[Command], left: &Path) -> Self {
        let commands: String = commands.iter().map(line).collect();
        let left = quote(&left.display().to_string());
        // Whoever ends this process writes a line first: then there is nothing to do.
        let script = format!(
            "trap '' INT TERM HUP\nread -r nothing && exit 0\n{commands}cd /\nrm -rf {left}\n"
        );
        let mut guard = Command::new("sh");
        guard.args(["-c", &script]).current_dir("/");
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(guard.spawn().unwrap())
    }

    /// Everything is gone already.
    pub fn dismiss(mut self) {
        self.0.stdin.take().unwrap().write_all(b"nothing\n").unwrap();
        self.0.wait().unwrap();
    }
}

/// A command as a line of a shell.
fn line(command: &Command) -> String {
    let mut words: Vec<String> = vec!["env".into()];
    if let Some(dir) = command.get_current_dir() {
        words.extend(["-C".into(), dir.display().to_string()]);
    }
    for (name, value) in command.get_envs() {
        let name = name.to_string_lossy();
        match value {
            Some(value) => words.push(format!("{name}={}", value.to_string_lossy())),
            None => words.splice(1..1, ["-u".into(), name.into_owned()]).for_each(drop),
        }
    }
    let program = std::iter::once(command.get_program()).chain(command.get_args());
    words.extend(program.map(|word| word.to_string_lossy().into_owned()));
    words.iter().map(|word| quote(word) + " ").collect::<String>() + "\n"
}

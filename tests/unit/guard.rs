//! The rig's own guard: what a test process leaves behind is taken away, and nothing else.

use std::process::Command;

use crate::rig::guard::Guard;

/// A command that leaves a trace of its surroundings, as the guard must have kept them.
fn witness(home: &std::path::Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "printf '%s' \"$WORD\" >\"$1\"", "sh", "../it's said"]);
    command.current_dir(home.join("left")).env("WORD", "a 'word' of $ours").env_remove("HOME");
    command
}

#[test]
fn what_is_left_is_taken_away_unless_there_is_nothing_to_do() {
    let home = tempfile::tempdir().unwrap();
    let (left, said) = (home.path().join("left"), home.path().join("it's said"));
    std::fs::create_dir(&left).unwrap();
    Guard::over(&[witness(home.path())], &left).dismiss();
    assert!(left.exists() && !said.exists());
    // As when the process ends: its end of the pipe is closed, and nobody has said a word.
    drop(Guard::over(&[witness(home.path())], &left));
    while left.exists() {
        std::thread::yield_now();
    }
    assert_eq!(std::fs::read_to_string(said).unwrap(), "a 'word' of $ours");
}

//! Reads a topology with the library and prints what it asks for: `cargo run --example plan -- FILE`.

use std::process::ExitCode;

use lab::drivers::host;
use lab::model::topology;

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let path = std::env::args().nth(1).unwrap_or_else(|| "topologies/three.yaml".into());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match topology::load(&text, &host::owner()) {
        Ok(loaded) => {
            for node in &loaded.lab.nodes {
                println!("{:<14} {:<16} {}", node.name, node.address, node.role_names());
            }
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in problems {
                eprintln!("{}: {}", problem.code.id, problem.message);
            }
            ExitCode::FAILURE
        }
    }
}

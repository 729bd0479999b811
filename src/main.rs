//! The `lab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A private engine's own processes must change namespaces before any thread exists.
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("engine-supervisor") => lab::drivers::private::run_supervisor(&arguments[2..]),
        Some("engine-mapper") => lab::drivers::private::run_mapper(&arguments[2..]),
        Some("engine-inside") => lab::drivers::private::run_inside(&arguments[2..]),
        Some("engine-remove") => lab::drivers::private::run_removal(&arguments[2..]),
        Some("engine-uplink") => lab::drivers::private::run_uplink(&arguments[2..]),
        Some("engine-init") => lab::drivers::private::run_init(&arguments[2..]),
        _ => lab::cli::run(),
    }
}

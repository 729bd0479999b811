//! The `lab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A private engine's own processes must change namespaces before any thread exists.
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("engine-supervisor") => {
            lab::drivers::provider::private::run_supervisor(&arguments[2..])
        }
        Some("engine-mapper") => lab::drivers::provider::private::run_mapper(&arguments[2..]),
        Some("engine-inside") => lab::drivers::provider::private::run_inside(&arguments[2..]),
        Some("engine-remove") => lab::drivers::provider::private::run_removal(&arguments[2..]),
        Some("engine-uplink") => lab::drivers::provider::private::run_uplink(&arguments[2..]),
        Some("engine-init") => lab::drivers::provider::private::run_init(&arguments[2..]),
        _ => lab::cli::run(),
    }
}

//! The `lab` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A private provider's own processes must change namespaces before any thread exists.
    let arguments: Vec<String> = std::env::args().collect();
    let own = arguments.get(1).and_then(|name| {
        lab::drivers::provider::private::entry(name, arguments.get(2..).unwrap_or_default())
    });
    own.unwrap_or_else(lab::cli::run)
}

//! A topology's file as it counts: variables of the environment filled in, values of `--set` set.

use crate::cli::failure::{Failure, USAGE};
use crate::cli::global::{Format, Global};
use crate::cli::output::{colours, counted, diagnostic, info, print_data};
use crate::cli::session::source::Source;
use crate::model::code;
use crate::model::topology::fill;
use crate::model::topology::problem::Problem;

/// The source with all that was asked for in it.
///
/// # Errors
/// Variables without a value, values that cannot be set.
pub(super) fn filled(global: &Global, mut source: Source) -> Result<Source, Failure> {
    if source.is_of_lab {
        return match global.set.first() {
            None => Ok(source),
            Some(_) => Err(Failure::usage("--set changes what a file says, and none was named")
                .code(&code::USAGE)
                .hint("add `-f FILE`")),
        };
    }
    for given in &global.set {
        let refused =
            |message: String, help: String| Failure::usage(message).code(&code::USAGE).hint(help);
        let Some((path, value)) = given.split_once('=') else {
            let message = format!("`--set {given}` sets nothing");
            return Err(refused(message, "write it like --set nodes.worker.count=3".into()));
        };
        source.text = fill::set(&source.text, path, value)
            .map_err(|flaw| refused(format!("`--set {given}`: {}", flaw.message), flaw.help))?;
    }
    let variable = |name: &str| std::env::var(name).ok();
    match fill::fill(&source.text, &variable) {
        Ok(text) => Ok(Source { text, ..source }),
        Err(problems) => Err(refused(global, &source, &problems)),
    }
}

/// Shows problems.
pub(super) fn show(global: &Global, source: &Source, problems: &[Problem]) {
    match global.output {
        Format::Json => print_data(&diagnostic::json(problems, &source.shown, &source.text)),
        Format::Table => {
            info(&diagnostic::render(problems, &source.shown, &source.text, colours()));
        }
    }
}

/// Shows problems that end the command.
pub(super) fn refused(global: &Global, source: &Source, problems: &[Problem]) -> Failure {
    show(global, source, problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    if global.output == Format::Table {
        let errors = counted(errors, "error");
        info(&format!("\n{errors} in {}; nothing was changed", source.shown));
    }
    Failure::silent(USAGE)
}

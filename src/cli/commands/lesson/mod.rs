//! `lab lesson`.

mod author;
mod begin;
mod course;
mod look;
mod score;
mod snapshot;

use std::process::ExitCode;

use crate::cli::args::LessonCommand;
use crate::cli::commands::lesson::author::Trial;
use crate::cli::failure::Failure;
use crate::cli::global::Global;

pub(crate) fn run(global: &Global, command: &LessonCommand) -> Result<ExitCode, Failure> {
    match command {
        LessonCommand::List => look::list(global),
        LessonCommand::Show { name } => look::show(global, name)?,
        LessonCommand::Faults => look::faults(global),
        LessonCommand::Start { name, seed } => begin::start(global, name, *seed)?,
        LessonCommand::Break { fault, node, seed } => {
            begin::breakage(global, fault.as_deref(), node.as_deref(), *seed)?;
        }
        LessonCommand::Status => course::status(global)?,
        LessonCommand::Verify { watch } => return course::verify(global, *watch),
        LessonCommand::Hint => course::hint(global)?,
        LessonCommand::Solve { step } => course::solve(global, step.as_deref())?,
        LessonCommand::Reset { step } => course::reset(global, step.as_deref())?,
        LessonCommand::Next => course::next(global)?,
        LessonCommand::Score { all: true } => score::all(global)?,
        LessonCommand::Score { all: false } => score::score(global)?,
        LessonCommand::Stop => course::stop(global)?,
        LessonCommand::Test { name, times, patience } => {
            return author::test(global, name, Trial { times: *times, patience: *patience });
        }
        LessonCommand::New { folder } => author::new(global, folder)?,
        LessonCommand::Lint { folder } => author::lint(global, folder)?,
    }
    Ok(ExitCode::SUCCESS)
}

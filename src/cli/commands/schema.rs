//! `lab schema`.

use std::process::ExitCode;

use schemars::schema_for;

use crate::cli::args::SchemaOf;
use crate::cli::failure::Failure;
use crate::cli::output::print_data;
use crate::engine::Event;
use crate::model::lesson::Lesson;
use crate::model::topology::schema::json_schema;

#[expect(clippy::unnecessary_wraps, reason = "all commands have one shape")]
pub(crate) fn run(of: SchemaOf) -> Result<ExitCode, Failure> {
    match of {
        SchemaOf::Topology => print_data(&json_schema()),
        SchemaOf::Lesson => print_data(&schema_for!(Lesson)),
        SchemaOf::Events => print_data(&schema_for!(Event)),
    }
    Ok(ExitCode::SUCCESS)
}

//! `lab schema`.

use std::process::ExitCode;

use schemars::schema_for;

use super::args::SchemaOf;
use super::failure::Failure;
use super::output::print_json;
use crate::engine::Event;
use crate::model::schema::json_schema;

#[expect(clippy::unnecessary_wraps, reason = "all commands have one shape")]
pub(super) fn run(of: SchemaOf) -> Result<ExitCode, Failure> {
    match of {
        SchemaOf::Topology => print_json(&json_schema()),
        SchemaOf::Events => print_json(&schema_for!(Event)),
    }
    Ok(ExitCode::SUCCESS)
}

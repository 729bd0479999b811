//! `lab schema`.

use std::process::ExitCode;

use super::failure::Failure;
use super::output::print_json;
use crate::model::schema::json_schema;

#[expect(clippy::unnecessary_wraps, reason = "all commands have one shape")]
pub(super) fn run() -> Result<ExitCode, Failure> {
    print_json(&json_schema());
    Ok(ExitCode::SUCCESS)
}

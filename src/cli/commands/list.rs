//! `lab list`: all labs of this person.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{info, print, print_data, say, table};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::host::Dirs;
use crate::drivers::state::labs;
use crate::engine::{self, LabStatus};
use crate::model::size;

pub(crate) fn run(global: &Global) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let mut found = Vec::new();
    let mut bad = 0;
    for name in labs(&Dirs::from_environment().state) {
        // Warnings about a topology are for those who use it.
        let one = Global { lab: Some(name.clone()), file: None, quiet: true, ..global.clone() };
        let looked = load::session(&one)
            .and_then(|session| Ok(runtime.block_on(engine::lab_status(&session))?));
        match looked {
            Ok(status) => found.push(status),
            // One lab that cannot be looked at hides none of the others.
            Err(failure) => {
                bad += 1;
                info(&format!("the lab '{name}' cannot be looked at:"));
                failure.report();
            }
        }
    }
    match global.output {
        Format::Json => print_data(&json!({"labs": found})),
        Format::Table if found.is_empty() && bad == 0 => {
            say(global, "there are no labs; `lab up -f three` makes one");
        }
        Format::Table => print(&describe(&found)),
    }
    if bad == 0 { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(FAILED)) }
}

fn describe(labs: &[LabStatus]) -> String {
    let heading = ["LAB", "PROVIDER", "STATE", "NODES", "NETWORK", "MEMORY", "DISK", "SNAPSHOTS"];
    let mut rows = vec![heading.map(String::from).to_vec()];
    rows.extend(labs.iter().map(|lab| {
        vec![
            lab.name.clone(),
            lab.provider.clone(),
            lab.state.clone(),
            format!("{}/{}", lab.running, lab.nodes),
            lab.cidr.to_string(),
            size::human(lab.memory_mib << 20),
            size::human(lab.bytes),
            lab.snapshots.to_string(),
        ]
    }));
    table(&rows)
}

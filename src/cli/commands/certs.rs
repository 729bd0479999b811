//! `lab certs`.

use std::process::ExitCode;

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::args::{CertsCommand, Up};
use crate::cli::commands::up;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{complain, print, print_json, table};
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::engine::Session;
use crate::model::code;
use crate::pki::Bundle;

pub(crate) fn run(global: &Global, command: &CertsCommand) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let bundle = session.store.bundle()?;
    if bundle.entries.is_empty() {
        return Err(Failure::usage(format!(
            "the lab '{}' has no certificates yet",
            session.lab.name
        ))
        .code(&code::NOT_UP)
        .hint("`lab up` makes them"));
    }
    match command {
        CertsCommand::List => {
            list(global, &bundle);
            Ok(ExitCode::SUCCESS)
        }
        CertsCommand::Renew { names } => renew(global, &session, bundle, names),
    }
}

fn list(global: &Global, bundle: &Bundle) {
    let now = OffsetDateTime::now_utc();
    let mut rows: Vec<(&String, OffsetDateTime)> = bundle
        .entries
        .iter()
        // A key pair without a certificate does not end.
        .filter(|(_, entry)| entry.pair.certificate.contains("BEGIN CERTIFICATE"))
        .filter_map(|(name, entry)| {
            Some((name, OffsetDateTime::from_unix_timestamp(entry.made.not_after).ok()?))
        })
        .collect();
    rows.sort_by_key(|(name, end)| (*end, *name));
    if global.output == Format::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, end)| {
                json!({"name": name, "ends": end.unix_timestamp(), "days": (*end - now).whole_days()})
            })
            .collect();
        return print_json(&json!({"certificates": rows}));
    }
    let mut text = vec![["CERTIFICATE", "DAYS LEFT", "ENDS"].map(String::from).to_vec()];
    for (name, end) in rows {
        text.push(vec![name.clone(), (end - now).whole_days().to_string(), end.date().to_string()]);
    }
    print(&table(&text));
}

/// Marks what is to be made anew, and has `up` do it: whatever cuts it, the next `up` goes on.
fn renew(
    global: &Global,
    session: &Session,
    mut bundle: Bundle,
    names: &[String],
) -> Result<ExitCode, Failure> {
    let marked = bundle.renew(&session.lab, names).map_err(|error| {
        Failure::usage(error.to_string()).code(&code::NO_SUCH).hint("`lab certs list` names them")
    })?;
    let lock = lock(session, "certs renew")?;
    session.store.save_bundle(&bundle, &[])?;
    drop(lock);
    if !global.quiet {
        complain(&format!("{} certificates are made anew", marked.len()));
    }
    up::run(global, &Up::whole())
}

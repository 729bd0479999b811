//! `lab certs`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;
use time::OffsetDateTime;

use crate::cli::args::{CertsCommand, Up};
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, print, print_data, say, table};
use crate::cli::session::bring_up::{brought_up, told};
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::cli::session::rotation::rotate;
use crate::engine::{self, Session};
use crate::model::code;
use crate::pki::Bundle;

pub(crate) fn run(global: &Global, command: &CertsCommand) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    match command {
        CertsCommand::List => {
            list(global, &bundle(&session)?);
            Ok(ExitCode::SUCCESS)
        }
        CertsCommand::Renew { names } => renew(global, session, names),
        CertsCommand::Rotate { what } => rotate(global, what),
        CertsCommand::Backup { archive } => back_up(global, &session, archive),
        CertsCommand::Restore { archive } => bring_back(global, &session, archive),
    }
}

/// The lab's certificates, which must have been made.
fn bundle(session: &Session) -> Result<Bundle, Failure> {
    let bundle = session.store.bundle()?;
    if bundle.entries.is_empty() {
        let name = &session.lab.name;
        return Err(Failure::usage(format!("the lab '{name}' has no certificates yet"))
            .code(&code::NOT_UP)
            .hint("`lab up` makes them"));
    }
    Ok(bundle)
}

/// Keeps the secrets elsewhere. Damaged ones are not kept: they would be taken for good later.
fn back_up(global: &Global, session: &Session, file: &Path) -> Result<ExitCode, Failure> {
    bundle(session)?;
    let _lock = lock(session, "certs backup")?;
    let count = session.store.back_up(session.lab.id, file)?;
    say(
        global,
        &format!(
            "{} are in {}: whoever reads it is the cluster's administrator",
            counted(count, "file"),
            file.display()
        ),
    );
    Ok(ExitCode::SUCCESS)
}

fn bring_back(global: &Global, session: &Session, file: &Path) -> Result<ExitCode, Failure> {
    let _lock = lock(session, "certs restore")?;
    let count = session.store.bring_back(session.lab.id, file)?;
    say(
        global,
        &format!(
            "{} are back from {}; `lab up` brings the nodes what they lack",
            counted(count, "file"),
            file.display()
        ),
    );
    Ok(ExitCode::SUCCESS)
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
        return print_data(&json!({"certificates": rows}));
    }
    let mut text = vec![["CERTIFICATE", "DAYS LEFT", "ENDS"].map(String::from).to_vec()];
    for (name, end) in rows {
        text.push(vec![name.clone(), (end - now).whole_days().to_string(), end.date().to_string()]);
    }
    print(&table(&text));
}

/// Marks what is to be made anew, and has `up` do it: whatever cuts it, the next `up` goes on.
fn renew(global: &Global, session: Session, names: &[String]) -> Result<ExitCode, Failure> {
    bundle(&session)?;
    // Read once nobody else writes: what another run made meanwhile stays.
    let lock = lock(&session, "certs renew")?;
    let mut bundle = bundle(&session)?;
    let marked = bundle.renew(&session.lab, names).map_err(|error| {
        Failure::usage(error.to_string()).code(&code::NO_SUCH).hint("`lab certs list` names them")
    })?;
    session.store.save_bundle(&bundle, &[])?;
    drop(lock);
    say(global, &format!("{} certificates are made anew", marked.len()));
    let session = Arc::new(session);
    let changes = brought_up(global, &Up::whole(), &session)?;
    let lock = self::lock(&session, "certs renew")?;
    engine::refresh_kubeconfigs(&session)?;
    drop(lock);
    told(global, &Up::whole(), &session, changes);
    Ok(ExitCode::SUCCESS)
}

//! For `lab repair etcd` and `lab snapshot etcd`: what etcd knows, when its majority is lost or it is wanted as it was.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::cli::args::{EtcdCommand, Up};
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{agrees, info, say, table};
use crate::cli::progress::telling;
use crate::cli::runtime::runtime;
use crate::cli::session::bring_up::bring_up;
use crate::cli::session::load;
use crate::cli::session::lookup::lock;
use crate::drivers::state::files::{read_regular, write_atomic};
use crate::engine::repair::{self, Cure, Survey};
use crate::engine::{Reach, Session};
use crate::model::code;

/// Patience until a node lets us in.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of the largest file that is brought back.
const LARGEST: u64 = 32 << 20;

/// `lab repair etcd`.
pub(crate) fn mend(global: &Global, yes: bool) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    load::refuse_resting(&session)?;
    let reach = reach(&session)?;
    let lock = lock(&session, "repair etcd")?;
    let runtime = runtime()?;
    let survey = runtime.block_on(repair::survey(&session, &reach))?;
    info(&seen(&survey));
    let cure = survey.cure(&session)?;
    let what = match &cure {
        Cure::Nothing => {
            say(
                global,
                "nothing to repair: the members that answer are one cluster, and it serves",
            );
            return Ok(ExitCode::SUCCESS);
        }
        Cure::UpAlone => {
            say(global, "the cluster serves, and others have no data: `lab up` lets them join");
            drop(lock);
            return bring_up(global, &Up::whole(), session);
        }
        Cure::JoinAnew(nodes) => {
            format!(
                "{}: their data is of another cluster; it is put aside, and they join anew",
                nodes.join(", ")
            )
        }
        Cure::Alone(node) => format!(
            "{node} knows most of those that are left: it is the whole cluster from now on, and the others join it.\n\
             What only the lost members knew is gone. Old data is kept beside, in /var/lib/etcd/member.before-*"
        ),
    };
    agreed(yes, &what)?;
    runtime.block_on(telling(global, async |events| {
        repair::repair(&session, &reach, &cure, events).await
    }))?;
    drop(lock);
    bring_up(global, &Up::whole(), session)
}

/// `lab snapshot etcd`.
pub(crate) fn kept(global: &Global, command: &EtcdCommand) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    load::refuse_resting(&session)?;
    match command {
        EtcdCommand::Save { archive } => save(global, &session, archive),
        EtcdCommand::Restore { archive, yes } => restore(global, session, archive, *yes),
    }
}

fn save(global: &Global, session: &Session, file: &Path) -> Result<ExitCode, Failure> {
    let reach = reach(session)?;
    let saved = runtime()?.block_on(repair::save(session, &reach))?;
    let failed = |error| Failure::failed(format!("write {}: {error}", file.display()));
    write_atomic(file, &saved, 0o600).map_err(|error| failed(error).code(&code::FILES))?;
    say(global, &format!("all that etcd knows is in {}", file.display()));
    Ok(ExitCode::SUCCESS)
}

fn restore(global: &Global, session: Session, file: &Path, yes: bool) -> Result<ExitCode, Failure> {
    let unread = |why: String| {
        Failure::usage(format!("read {}: {why}", file.display()))
            .code(&code::FILES)
            .hint("`lab snapshot etcd save FILE` writes such files")
    };
    let saved = read_regular(file, LARGEST + 1).map_err(|error| unread(error.to_string()))?;
    if saved.len() as u64 > LARGEST {
        return Err(unread(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    if !saved.starts_with(&[0x1f, 0x8b]) {
        return Err(unread("it is no saved state of etcd".into()));
    }
    let reach = reach(&session)?;
    let lock = lock(&session, "snapshot etcd restore")?;
    agreed(
        yes,
        "etcd knows what was saved, and nothing that came after. Old data is kept beside, in /var/lib/etcd/member.before-*",
    )?;
    runtime()?.block_on(telling(global, async |events| {
        repair::load(&session, &reach, &saved, events).await
    }))?;
    drop(lock);
    bring_up(global, &Up::whole(), session)
}

fn reach(session: &Session) -> Result<Reach, Failure> {
    Ok(session.reach(&session.load_keys()?, PATIENCE)?)
}

fn agreed(yes: bool, what: &str) -> Result<(), Failure> {
    match yes || agrees(what) {
        true => Ok(()),
        false => Err(Failure::usage(what)
            .code(&code::CONSENT)
            .hint("`--yes` agrees; nothing was changed")),
    }
}

/// What the members say, one per line.
fn seen(survey: &Survey) -> String {
    let mut rows =
        vec![["MEMBER", "ANSWERS", "DATA", "REVISION", "SERVES"].map(String::from).to_vec()];
    let word = |is_so: bool| if is_so { "yes" } else { "no" }.to_owned();
    for (name, state) in &survey.0 {
        rows.push(match state {
            None => [name, "no", "?", "?", "no"].map(str::to_owned).to_vec(),
            Some(state) => {
                let revision =
                    state.revision.map_or("?".into(), |(revision, _)| revision.to_string());
                vec![name.clone(), "yes".into(), word(state.has_data), revision, word(state.serves)]
            }
        });
    }
    table(&rows)
}

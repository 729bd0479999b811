//! `lab kubeconfig`.

use std::process::ExitCode;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;

use crate::cli::args::Kubeconfig;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{info, print, say};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::host::kubeconfig_file;
use crate::engine::{self, ProviderKind, Session, users};
use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::user::{self, Grant, User};

/// Patience until a controller lets us in.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(global: &Global, asked: &Kubeconfig) -> Result<ExitCode, Failure> {
    let session = load::existing(global)?;
    load::refuse_machines_alone(&session)?;
    match (&asked.revoke, &asked.user) {
        (Some(name), _) => return revoked(global, &session, name),
        (None, Some(name)) => print(&of_user(global, &session, asked, name)?),
        (None, None) => {
            let text = engine::administrator_kubeconfig(&session, asked.local)?;
            match asked.merge {
                true => merged(global, &session, &text)?,
                false => print(&text),
            }
        }
    }
    if asked.local.is_none()
        && matches!(session.provider, ProviderKind::Private(_))
        && !global.quiet
    {
        info(
            "note: a private lab's addresses are reached from inside it: `lab kubectl`, `lab shell`, or `lab forward` and `lab kubeconfig --local`",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn refused(flaw: Flaw) -> Failure {
    Failure::usage(flaw.message).code(&code::USAGE).hint(flaw.help)
}

/// The kubeconfig of a person, who may do by it what was asked for.
fn of_user(
    global: &Global,
    session: &Session,
    asked: &Kubeconfig,
    name: &str,
) -> Result<String, Failure> {
    let names =
        [Some(name), asked.group.as_deref(), asked.may.as_deref(), asked.namespace.as_deref()];
    names.into_iter().flatten().try_for_each(user::name).map_err(refused)?;
    let hours = user::life(&asked.life).map_err(refused)?;
    let user = User { name: name.to_owned(), group: asked.group.clone(), hours };
    let given = users::kubeconfig(session, &user, asked.namespace.as_deref(), asked.local)?;
    if let Some(role) = &asked.may {
        load::refuse_resting(session)?;
        let namespace = asked.namespace.clone();
        let grant = Grant { user: user.name.clone(), role: role.clone(), namespace };
        let reach = session.reach_made(PATIENCE)?;
        runtime()?.block_on(users::admit(session, &reach, &grant))?;
    }
    let ends = given.ends.format(&Rfc3339).unwrap_or_default();
    say(
        global,
        &format!(
            "whoever has this is {name} until {ends}, and nobody can take that back; `lab kubeconfig --revoke {name}` \
             takes away what `--may` gave"
        ),
    );
    Ok(given.kubeconfig)
}

/// Takes away what a person may do.
fn revoked(global: &Global, session: &Session, name: &str) -> Result<ExitCode, Failure> {
    user::name(name).map_err(refused)?;
    load::refuse_resting(session)?;
    let reach = session.reach_made(PATIENCE)?;
    let gone = runtime()?.block_on(users::dismiss(session, &reach, name))?;
    match gone.is_empty() {
        true => say(global, &format!("nothing was bound to {name} by `--may`")),
        false => say(global, &format!("{name} lost {}", gone.join(", "))),
    }
    say(
        global,
        "who still has the kubeconfig stays somebody who may do what you bound by other means",
    );
    Ok(ExitCode::SUCCESS)
}

/// Puts the lab into the person's own file; `down` is told where before it is there.
fn merged(global: &Global, session: &Session, text: &str) -> Result<(), Failure> {
    let path = kubeconfig_file::path()
        .ok_or_else(|| Failure::usage("neither KUBECONFIG nor HOME says where yours is"))?;
    let path = std::path::absolute(&path).unwrap_or(path);
    engine::remember_kubeconfig(&session.store, &path)?;
    let name = engine::context(&session.lab);
    let authorities = session.store.authorities()?;
    let points = session.store.failpoints();
    kubeconfig_file::merge(points, &path, &name, &authorities, text).map_err(|error| {
        Failure::failed(format!("merge the lab into {}: {error}", path.display()))
            .hint("nothing was changed; `lab kubeconfig > FILE` writes one of its own")
    })?;
    say(
        global,
        &format!(
            "the context {name} in {} is the current one; `lab down` takes it out again",
            path.display()
        ),
    );
    Ok(())
}

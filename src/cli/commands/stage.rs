//! `lab stage list`, `lab stage show` and `lab stage run`.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::{Stage as StageArgs, StageCommand};
use crate::cli::failure::{self, FAILED, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data};
use crate::cli::progress::{Progress, signals};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::{known, known_node, lock};
use crate::engine::{self, EngineError, Events, Session, Stop};
use crate::kubernetes::stage::{After, Stage};
use crate::kubernetes::{DEFAULT, Step, step};
use crate::model::Node;

pub(crate) fn run(global: &Global, stage: &StageArgs) -> Result<ExitCode, Failure> {
    match stage.command.as_ref().unwrap_or(&StageCommand::List) {
        StageCommand::List => list(global),
        StageCommand::Show { node, stage } => show(global, node, stage),
        StageCommand::Run { node, stage } => carry_out(global, node, stage),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Node and stage of those names; the stage must have something to do there.
fn meant<'s>(
    session: &'s Session,
    node: &str,
    name: &str,
) -> Result<(&'s Node, &'static Stage), Failure> {
    let stage = known(session.flavour(), name)?;
    let node = known_node(&session.lab, node)?;
    if (stage.nodes)(&session.lab).iter().any(|other| other.name == node.name) {
        return Ok((node, stage));
    }
    let names: Vec<&str> = (stage.nodes)(&session.lab).iter().map(|n| n.name.as_str()).collect();
    Err(Failure::unknown(format!("the stage '{name}' does nothing on {}", node.name))
        .hint(format!("it runs on: {}", names.join(", "))))
}

fn carry_out(global: &Global, node: &str, name: &str) -> Result<(), Failure> {
    let session = load::session(global)?;
    let (node, stage) = meant(&session, node, name)?;
    load::refuse_new(&session)
        .map_err(|failure| failure.hint("`lab up --until ssh` makes its nodes"))?;
    let _lock = lock(&session, "stage run")?;
    let (_, log) = session.store.run_log("stage")?;
    let done = runtime()?.block_on(async {
        let (events, receiver) = Events::channel();
        let reader = tokio::spawn(Progress::new(global, Some(log)).read(receiver));
        let stop = Stop::default();
        let signals = tokio::spawn(signals::listen(stop.clone(), "lab stage run"));
        let done = engine::run_stage(&session, node, stage, &stop, &events).await;
        signals.abort();
        drop(events);
        if let Ok(mut progress) = reader.await {
            let how = match &done {
                Ok(true) => "done",
                Ok(false) => "failed",
                Err(error) => failure::outcome(error),
            };
            progress.ended(how, done.as_ref().err());
        }
        done
    })?;
    match done {
        true => Ok(()),
        false => Err(Failure::silent(FAILED)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "both subcommands have one shape")]
fn list(global: &Global) -> Result<(), Failure> {
    let after = |after: &[After]| {
        let name = |after: &After| match after {
            After::SameNode(name) => format!("{name} (same node)"),
            After::AllNodes(name) => (*name).to_owned(),
        };
        after.iter().map(name).collect::<Vec<_>>()
    };
    if global.output == Format::Json {
        let stages = DEFAULT.stages.iter().map(
            |s| json!({"name": s.name, "title": s.title, "why": s.why, "after": after(s.after)}),
        );
        print_data(&json!({"stages": stages.collect::<Vec<_>>()}));
        return Ok(());
    }
    for stage in DEFAULT.stages {
        let needs = after(stage.after);
        let needs = if needs.is_empty() { "nothing".into() } else { needs.join(", ") };
        print(&format!(
            "{:<14} {}\n               after: {needs}\n               {}\n",
            stage.name, stage.title, stage.why
        ));
    }
    Ok(())
}

fn show(global: &Global, node: &str, name: &str) -> Result<(), Failure> {
    let session = load::session(global)?;
    let (node, stage) = meant(&session, node, name)?;
    let prepared = engine::preview(&session)?;
    let mut steps = prepared.steps(&session, stage, node)?;
    for step in &mut steps {
        redact(step);
    }
    if global.output == Format::Json {
        print_data(
            &json!({"stage": stage.name, "node": node.name, "why": stage.why, "steps": steps}),
        );
        return Ok(());
    }
    let batches = step::batches(&steps, &session.templates).map_err(EngineError::from)?;
    print(&format!("# {} on {}\n# {}\n", stage.title, node.name, stage.why));
    for text in step::shown(&batches) {
        print(&text);
    }
    Ok(())
}

fn redact(step: &mut Step) {
    if let Step::File(file) = step
        && file.secret
    {
        file.content = "<redacted>\n".into();
    }
}

//! `lab graph`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::{print, print_data};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::engine::{self, Status};
use crate::render::graph::{self, Health, Scene};

pub(crate) fn run(global: &Global, form: Form, ask: bool) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let scene = match ask {
        false => Scene::new(&session.lab, None, &BTreeMap::new()),
        true => {
            let status = runtime()?.block_on(engine::status(&session))?;
            Scene::new(&session.lab, Some(&health(&status)), &holders(&status))
        }
    };
    match form {
        // What a terminal can show is the text of a picture.
        Form::Table | Form::Mermaid => print(&graph::mermaid(&scene)),
        Form::Dot => print(&graph::dot(&scene)),
        Form::Svg => print(&graph::svg(&scene, true)),
        Form::Html => print(&graph::html(&scene)),
        Form::Json | Form::Yaml => print_data(&scene),
    }
    Ok(ExitCode::SUCCESS)
}

fn health(status: &Status) -> BTreeMap<String, Health> {
    let of = |state: &str, ready: Option<bool>| match (state, ready) {
        ("up", None | Some(true)) => Health::Good,
        ("up" | "running", _) => Health::Bad,
        _ => Health::Off,
    };
    status.nodes.iter().map(|node| (node.name.clone(), of(&node.state, node.ready))).collect()
}

fn holders(status: &Status) -> BTreeMap<String, String> {
    let held = status.vips.iter().filter(|vip| !vip.holders.is_empty());
    held.map(|vip| (vip.name.clone(), vip.holders.join(" and "))).collect()
}

//! The file as people write it: its grammar as data, the checker, the rules, and the lab that comes of it.

pub mod check;
pub mod cloud_config;
mod components;
mod draft;
mod given;
mod grammar;
pub mod kubernetes_words;
pub mod preset;
pub mod problem;
pub mod relocate;
mod resolve;
mod rules;
pub mod schema;
mod synonyms;
pub mod yaml;

use crate::model::lab::Lab;
use crate::model::name::Owner;
use crate::model::topology::problem::Problem;

/// A topology's text turned into a lab, with warnings that do not keep it from being built.
#[derive(Debug)]
pub struct Loaded {
    /// The lab.
    pub lab: Lab,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

/// Reads a topology: the checker reads values, what was refused is left out, and the rules judge the rest,
/// so that one run shows all problems.
///
/// # Errors
/// Every problem found, errors and warnings, in file order.
pub fn load(text: &str, owner: &Owner) -> Result<Loaded, Vec<Problem>> {
    let root = yaml::parse(text)?;
    let mut problems = Vec::new();
    let given = check::table(&schema::TOPOLOGY, &root, "the topology", &mut problems);
    let mut draft = resolve::resolve(&given, owner, &mut problems);
    if let Some(draft) = &mut draft {
        rules::apply(draft, &mut problems);
    }
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    match draft {
        Some(draft) if !problems.iter().any(Problem::is_error) => {
            Ok(Loaded { lab: draft.into(), warnings: problems })
        }
        _ => Err(problems),
    }
}

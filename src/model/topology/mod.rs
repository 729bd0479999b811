//! The file as people write it: its grammar as data, the checker, the rules, and the lab that comes of it.

pub mod addon_list;
pub mod check;
pub mod cloud_config;
mod components;
mod draft;
pub mod fill;
pub mod folders;
mod given;
mod grammar;
pub mod inline;
pub mod kubernetes_words;
pub mod own_images;
pub mod patch;
pub mod preset;
pub mod problem;
pub mod relocate;
mod resolve;
mod rules;
pub mod schema;
pub mod set;
mod spelling;
mod synonyms;
pub mod yaml;

use crate::model::code;
use crate::model::lab::Lab;
use crate::model::name::Owner;
use crate::model::topology::problem::{Problem, Severity};

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
    read(text, owner, false)
}

/// Reads the topology of a lab that is there: what its nodes were given at their first boot is a warning where a
/// later `lab` refuses it, since nobody can change it any more.
///
/// # Errors
/// As [`load`].
pub fn load_again(text: &str, owner: &Owner) -> Result<Loaded, Vec<Problem>> {
    read(text, owner, true)
}

fn read(text: &str, owner: &Owner, is_there: bool) -> Result<Loaded, Vec<Problem>> {
    let root = yaml::parse(text)?;
    let mut problems = Vec::new();
    let given = check::table(&schema::TOPOLOGY, &root, "the topology", &mut problems);
    let mut draft = resolve::resolve(&given, owner, &mut problems);
    if let Some(draft) = &mut draft {
        rules::apply(draft, &mut problems);
    }
    let of_first_boot = [&code::BAD_CLOUD_CONFIG, &code::USELESS_CLOUD_CONFIG];
    for problem in problems.iter_mut().filter(|problem| of_first_boot.contains(&problem.code)) {
        problem.severity = if is_there { Severity::Warning } else { problem.severity };
    }
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
    match draft {
        Some(draft) if !problems.iter().any(Problem::is_error) => {
            Ok(Loaded { lab: draft.into(), warnings: problems })
        }
        _ => Err(problems),
    }
}

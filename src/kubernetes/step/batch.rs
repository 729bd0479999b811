//! Steps as they are carried out: neighbours of one kind travel together.

use crate::kubernetes::step::{Binary, Step, Unit, Wait, binary, file, unit};
use crate::model::{File, Put};
use crate::render::{RenderError, Templates};

/// Steps that are carried out at once.
#[derive(Debug)]
pub struct Batch<'s> {
    /// One line for people.
    pub title: String,
    /// What is to be done.
    pub work: Work<'s>,
    steps: &'s [Step],
}

/// What a batch has the engine do.
#[derive(Debug)]
pub enum Work<'s> {
    /// Files and directories, as one archive.
    Put(Vec<Put>),
    /// A file that is sent only where this condition does not hold.
    PutUnless(String, Put),
    /// A script, and a command whose output explains why it failed; none where the command is empty.
    Script(String, String),
    /// A script that is run until it succeeds.
    Wait(String, &'s Wait),
}

/// Kinds of steps of which neighbours travel together.
#[derive(PartialEq, Eq)]
enum Together {
    Archive,
    Links,
    Units,
}

impl Together {
    fn of(step: &Step) -> Option<Together> {
        match step {
            Step::File(file) if file.unless.is_some() => None,
            Step::File(_) | Step::Directory(_) => Some(Together::Archive),
            Step::Binary(_) => Some(Together::Links),
            Step::Unit(_) => Some(Together::Units),
            Step::Packages(_) | Step::Block(_) | Step::Run(_) | Step::Kept(_) | Step::Wait(_) => {
                None
            }
        }
    }
}

/// The batches of a stage's steps, in order.
///
/// # Errors
/// When the template of a script cannot be rendered.
pub fn batches<'s>(
    steps: &'s [Step],
    templates: &Templates,
) -> Result<Vec<Batch<'s>>, RenderError> {
    let travel = |one: &Step, next: &Step| {
        Together::of(one).is_some_and(|kind| Some(kind) == Together::of(next))
    };
    steps.chunk_by(travel).map(|steps| Batch::of(steps, templates)).collect()
}

impl<'s> Batch<'s> {
    /// `steps` are of one kind when there are several.
    fn of(steps: &'s [Step], templates: &Templates) -> Result<Self, RenderError> {
        let script = |text: Result<String, RenderError>| Ok(Work::Script(text?, String::new()));
        let work = match steps {
            [Step::Packages(packages)] => script(packages.script(templates))?,
            [Step::Block(block)] => script(block.script(templates))?,
            [Step::Run(run)] => script(Ok(run.script()))?,
            [Step::Kept(kept)] => script(Ok(kept.script.clone()))?,
            [Step::Wait(wait)] => Work::Wait(wait.script(templates)?, wait),
            [Step::Binary(_), ..] => {
                let links: Vec<&Binary> = steps.iter().filter_map(as_binary).collect();
                Work::Script(binary::script(templates, &links)?, binary::hint())
            }
            [Step::Unit(_), ..] => {
                let units: Vec<&Unit> = steps.iter().filter_map(as_unit).collect();
                Work::Script(unit::script(templates, &units)?, unit::hint(&units))
            }
            [Step::File(only @ File { unless: Some(condition), .. })] => {
                Work::PutUnless(condition.clone(), file::put(only))
            }
            _ => Work::Put(steps.iter().filter_map(put).collect()),
        };
        let title = match &work {
            Work::Put(items) => title_of(items),
            _ => steps.iter().map(Step::title).collect::<Vec<_>>().join("; "),
        };
        Ok(Self { title, work, steps })
    }

    /// Each step below its title; those that one script brings about above that script.
    fn show(&self, number: &mut usize) -> String {
        let mut titled = |step: &Step| {
            *number += 1;
            format!("## {number}. {}\n", step.title())
        };
        let (script, hint) = match &self.work {
            Work::Put(_) | Work::PutUnless(..) => {
                let each = self.steps.iter().map(|step| titled(step) + &step.show("", ""));
                return each.collect();
            }
            Work::Script(script, hint) => (script, hint),
            Work::Wait(script, wait) => (script, &wait.hint),
        };
        let titles: String = self.steps.iter().map(titled).collect();
        titles + &self.steps.iter().take(1).map(|step| step.show(script, hint)).collect::<String>()
    }
}

/// How people see batches: what is done, step by step, with the scripts that really run.
pub fn shown(batches: &[Batch<'_>]) -> Vec<String> {
    let mut number = 0;
    batches.iter().map(|batch| batch.show(&mut number)).collect()
}

fn as_binary(step: &Step) -> Option<&Binary> {
    match step {
        Step::Binary(binary) => Some(binary),
        _ => None,
    }
}

fn as_unit(step: &Step) -> Option<&Unit> {
    match step {
        Step::Unit(unit) => Some(unit),
        _ => None,
    }
}

fn put(step: &Step) -> Option<Put> {
    match step {
        Step::File(file) => Some(file::put(file)),
        Step::Directory(directory) => Some(directory.put()),
        _ => None,
    }
}

fn title_of(items: &[Put]) -> String {
    let path = |item: &Put| match item {
        Put::Directory(path, ..) => path.clone(),
        Put::File(file) => file.path.clone(),
    };
    match items {
        [only] => format!("write {}", path(only)),
        [first, rest @ ..] => format!("write {} and {} more", path(first), rest.len()),
        [] => String::new(),
    }
}

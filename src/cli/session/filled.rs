//! A topology's file as it counts: variables of the environment filled in, values of `--set` set.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::failure::{Failure, USAGE};
use crate::cli::global::{Format, Global};
use crate::cli::output::{colours, counted, diagnostic, info, print_data};
use crate::cli::session::source::{Source, unread};
use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::images::Images;
use crate::drivers::host::Dirs;
use crate::drivers::state::addon_folder;
use crate::drivers::state::topology_file::{Unread, read_topology};
use crate::engine;
use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::outside::trusted;
use crate::model::topology::folders::folders;
use crate::model::topology::inline::Holds;
use crate::model::topology::problem::Problem;
use crate::model::topology::yaml::{self, MAX_BYTES};
use crate::model::topology::{fill, inline, own_images, patch, set};
use crate::model::user_data::is_for_cloud_init;

/// The source with all that was asked for in it.
///
/// # Errors
/// Variables without a value, values that cannot be set.
pub(super) fn filled(global: &Global, mut source: Source) -> Result<Source, Failure> {
    if source.is_of_lab {
        return match global.set.first() {
            None => Ok(source),
            Some(_) => Err(Failure::usage(
                "--set changes what a file says, and this lab is as it was made",
            )
            .code(&code::USAGE)
            .hint("add `-f FILE`, the topology of that lab")),
        };
    }
    for file in &global.patches {
        source = patched(global, source, file)?;
    }
    source.text = with_values(global, &source.text)?;
    let read = |text: String| with_all(&text, &source.base);
    match with_variables(&source.text).and_then(read) {
        Ok(text) => Ok(Source { text, ..source }),
        Err(problems) => Err(refused(global, &source, &problems)),
    }
}

/// The text as it counts, where nobody is to be told why it cannot.
pub(crate) fn quietly(global: &Global, text: &str, base: &Path) -> Option<String> {
    let mut text = text.to_owned();
    for file in &global.patches {
        text = patch::patched(&text, &read_topology(file, MAX_BYTES as u64).ok()?).ok()?;
    }
    let text = with_variables(&with_values(global, &text).ok()?).ok()?;
    with_all(&text, base).ok()
}

/// The source with what a later file says.
fn patched(global: &Global, source: Source, file: &Path) -> Result<Source, Failure> {
    let text = read_topology(file, MAX_BYTES as u64).map_err(|why| unread(file, &why))?;
    let shown = file.display().to_string();
    // What is wrong with the first is not the second's.
    if let Err(problems) = yaml::parse(&source.text) {
        return Err(refused(global, &source, &problems));
    }
    match patch::patched(&source.text, &text) {
        Ok(text) => Ok(Source { text, shown: format!("{} with {shown}", source.shown), ..source }),
        Err(problems) => Err(refused(global, &Source { text, shown, ..source }, &problems)),
    }
}

/// The text with all that it names: files, folders, images of a person's own.
fn with_all(text: &str, base: &Path) -> Result<String, Vec<Problem>> {
    with_images(&with_folders(&with_files(text, base)?, base)?)
}

/// The text with what images are that a person brought.
fn with_images(text: &str) -> Result<String, Vec<Problem>> {
    let dirs = Dirs::from_environment();
    let images = Images::new(Cache::new(&dirs.cache), &BTreeMap::new());
    let is_plain = |name: &str| check_label("an image", name, 40).is_ok();
    own_images::named(text, &|name| {
        is_plain(name)
            .then(|| images.like(name).or_else(|| engine::kept_like(&dirs.state, name)))
            .flatten()
    })
}

/// The text with the variables of the environment.
pub(crate) fn with_variables(text: &str) -> Result<String, Vec<Problem>> {
    fill::fill(text, &|name| std::env::var(name).ok())
}

/// The text with the files that it names.
fn with_files(text: &str, base: &Path) -> Result<String, Vec<Problem>> {
    let read = |path: &str, holds: Holds| {
        let failed = |why: &dyn std::fmt::Display| {
            let what = match holds {
                Holds::UserData => "a script or cloud-config",
                Holds::Certificates => "certificates in PEM",
            };
            let cure = format!("name a file with {what}, from the folder of the topology");
            Flaw::new(format!("cannot read {path}: {why}"), cure)
        };
        let content = match read_topology(&base.join(path), MAX_BYTES as u64) {
            Ok(content) if content.len() > MAX_BYTES => Err(failed(&"it is larger than 1 MiB")),
            Ok(content) => Ok(content),
            Err(Unread::Io(error)) => Err(failed(&error)),
            Err(Unread::NoText(flaw)) => Err(failed(&flaw.message)),
        }?;
        match holds {
            Holds::UserData if !is_for_cloud_init(&content) => {
                Err(failed(&"it begins with neither `#!` nor `#cloud-config`"))
            }
            // Before anything of it is shown: a key may be in it.
            Holds::Certificates => match trusted(&content) {
                Ok(()) => Ok(content),
                Err(flaw) => Err(Flaw::new(format!("{path}: {}", flaw.message), flaw.help)),
            },
            Holds::UserData => Ok(content),
        }
    };
    inline::inline(text, &read)
}

/// The text with the folders of add-ons that it names.
fn with_folders(text: &str, base: &Path) -> Result<String, Vec<Problem>> {
    folders(text, &|path| addon_folder::read(base, path))
}

/// The text with the values of `--set`.
fn with_values(global: &Global, text: &str) -> Result<String, Failure> {
    let mut text = text.to_owned();
    for given in &global.set {
        let refused =
            |message: String, help: String| Failure::usage(message).code(&code::USAGE).hint(help);
        let Some((path, value)) = given.split_once('=') else {
            let message = format!("`--set {given}` sets nothing");
            return Err(refused(message, "write it like --set nodes.worker.count=3".into()));
        };
        text = set::set(&text, path, value)
            .map_err(|flaw| refused(format!("`--set {given}`: {}", flaw.message), flaw.help))?;
    }
    Ok(text)
}

/// Shows problems.
pub(super) fn show(global: &Global, source: &Source, problems: &[Problem]) {
    match global.output {
        Format::Json => print_data(&diagnostic::json(problems, &source.shown, &source.text)),
        Format::Table => {
            info(&diagnostic::render(problems, &source.shown, &source.text, colours()));
        }
    }
}

/// Shows problems that end the command.
pub(super) fn refused(global: &Global, source: &Source, problems: &[Problem]) -> Failure {
    show(global, source, problems);
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    if global.output == Format::Table {
        let errors = counted(errors, "error");
        info(&format!("\n{errors} in {}; nothing was changed", source.shown));
    }
    Failure::silent(USAGE)
}

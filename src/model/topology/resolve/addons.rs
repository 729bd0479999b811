//! Add-ons that a topology wants: shipped ones by name, people's own with their files, and what each is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::addon::{self, Addon, Used};
use crate::model::code;
use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::near::nearest;
use crate::model::topology::given::{Given, Value};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span, printable};

/// All of them, each after those that it needs.
pub(super) fn of(given: Option<&Given>, problems: &mut Vec<Problem>) -> Vec<Used> {
    let Some(given) = given else {
        return preset::ADDONS
            .iter()
            .filter_map(|name| addon::shipped(name))
            .map(Used::plain)
            .collect();
    };
    let mut found: Vec<(Used, &Given)> = Vec::new();
    for item in given.items() {
        let Some(used) = one(item, problems) else { continue };
        let name = &used.addon.name;
        match found.iter().find(|(known, _)| known.addon.name == *name) {
            // A word twice says nothing else than once.
            Some((_, first)) if item.text().is_some() && first.text().is_some() => {}
            Some((_, first)) => problems.push(
                Problem::error(
                    &code::NAME_TWICE,
                    &item.span,
                    format!("the add-on '{name}' stands here twice"),
                )
                .also(&first.span, "and here")
                .help("keep one of the two, or give yours another `name`"),
            ),
            None => found.push((used, item)),
        }
    }
    for (used, item) in &found {
        let is_there = |need: &&String| found.iter().any(|(other, _)| other.addon.name == **need);
        if let Some(need) = used.addon.needs.iter().find(|need| !is_there(need)) {
            let message = format!("the add-on '{}' needs '{need}'", used.addon.name);
            let help = format!("add `{need}` to the list");
            problems.push(Problem::error(&code::BAD_ADDON, &item.span, message).help(help));
        }
    }
    ordered(found.into_iter().map(|(used, _)| used).collect())
}

/// Those that are needed first; circles stay as they are written.
fn ordered(used: Vec<Used>) -> Vec<Used> {
    let mut ordered: Vec<Used> = Vec::new();
    let mut rest = used;
    while !rest.is_empty() {
        let waits = |used: &Used| {
            let is_later = |need: &String| rest.iter().any(|other| other.addon.name == *need);
            used.addon.needs.iter().any(is_later)
        };
        let next = rest.iter().position(|used| !waits(used)).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    ordered
}

fn one(given: &Given, problems: &mut Vec<Problem>) -> Option<Used> {
    if let Some(name) = given.text() {
        return addon::shipped(name).map(Used::plain);
    }
    // What is no mapping was told by the checker.
    let Value::Map(_) = given.value else { return None };
    let addon = definition(given, problems)?;
    Some(told(&addon, given, problems))
}

/// Which one a mapping means.
fn definition(given: &Given, problems: &mut Vec<Problem>) -> Option<Arc<Addon>> {
    let mut refuse = |at: &Span, flaw: Flaw| {
        problems.push(Problem::of(&code::BAD_ADDON, at, flaw));
        None
    };
    let folder = given.get("folder");
    let read = folder.and_then(|folder| folder.entries().first());
    let files = given.get("files").or(read.map(|entry| &entry.given));
    let told = given.get("name").map(|name| (name.text(), &name.span));
    let Some((word, at)) = told.or(read.map(|entry| (Some(entry.key.as_str()), &entry.key_span)))
    else {
        let flaw = match folder {
            Some(_) => Flaw::new(
                "the folder of the add-on was not read",
                "write its path here, without an alias",
            ),
            None => Flaw::new("the add-on has no name", "add `name:`"),
        };
        return refuse(&given.span, flaw);
    };
    // What a name may be was told by the checker.
    let word = word?;
    if let Err(flaw) = check_label("the name of an add-on", word, 40) {
        return refuse(at, flaw);
    }
    let Some(files) = files else {
        return addon::shipped(word).cloned().or_else(|| refuse(at, unknown(word)));
    };
    if addon::shipped(word).is_some() {
        let message = format!("'{word}' is an add-on that comes with lab");
        return refuse(at, Flaw::new(message, "give yours another `name`, or remove its files"));
    }
    let texts = files.entries().iter();
    let texts = texts.filter_map(|entry| Some((entry.key.clone(), entry.given.text()?.to_owned())));
    match Addon::of(word, texts.collect()) {
        Ok(addon) => Some(Arc::new(addon)),
        Err(flaw) => refuse(&files.span, flaw),
    }
}

fn unknown(word: &str) -> Flaw {
    let shown = printable(word);
    let cure = match nearest(word, addon::names().iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("choose from: {}; or name the `folder` of your own", addon::names().join(", "))
        }
    };
    Flaw::new(format!("there is no add-on '{shown}'"), cure)
}

/// The add-on with what the mapping says of it.
fn told(addon: &Arc<Addon>, given: &Given, problems: &mut Vec<Problem>) -> Used {
    let mut used = Used::plain(addon);
    let mut said = BTreeMap::new();
    let parameters = given.get("parameters").map(Given::entries).unwrap_or_default();
    for entry in parameters {
        let Some(rule) = addon.parameters.get(&entry.key) else {
            let message =
                format!("the add-on '{}' has no parameter '{}'", addon.name, printable(&entry.key));
            let names: Vec<&str> = addon.parameters.keys().map(String::as_str).collect();
            let cure = match (nearest(&entry.key, names.iter().copied()), names.as_slice()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, []) => "it has none: remove it".to_owned(),
                (None, names) => format!("it has: {}", names.join(", ")),
            };
            problems.push(Problem::of(&code::BAD_ADDON, &entry.key_span, Flaw::new(message, cure)));
            continue;
        };
        let Some(document) = entry.given.document() else { continue };
        match rule.read(&entry.key, document) {
            Ok(value) => drop(said.insert(entry.key.clone(), value)),
            Err(flaw) => problems.push(Problem::of(&code::BAD_ADDON, &entry.given.span, flaw)),
        }
    }
    used.parameters.extend(said);
    let is_silent = |name: &&String| {
        !used.parameters.contains_key(*name) && !parameters.iter().any(|entry| entry.key == **name)
    };
    if let Some(missing) = addon.parameters.keys().find(is_silent) {
        let message = format!("the add-on '{}' must be told '{missing}'", addon.name);
        let help =
            format!("add `{missing}` to its `parameters`: {}", addon.parameters[missing].shape());
        problems.push(Problem::error(&code::BAD_ADDON, &given.span, message).help(help));
    }
    used
}

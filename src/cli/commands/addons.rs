//! `lab addons`.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io};

use serde_json::{Value as Json, json};

use crate::cli::args::AddonsCommand;
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data, say, table};
use crate::cli::session::{filled, load};
use crate::drivers::host::{self, Dirs};
use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::files::write_for_owner;
use crate::model::addon::{self, Addon, Rule};
use crate::model::flaw::Flaw;
use crate::model::lab::Lab;
use crate::model::near::nearest;
use crate::model::topology::{self, addon_list};
use crate::model::{code, version};

pub(crate) fn run(global: &Global, command: &AddonsCommand) -> Result<ExitCode, Failure> {
    match command {
        AddonsCommand::List => list(global),
        AddonsCommand::Show { name } => show(global, name)?,
        AddonsCommand::Enable { name } => enable(global, name)?,
        AddonsCommand::Disable { name } => disable(global, name)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The lab that is meant, where one is: add-ons are there without one, too.
fn meant(global: &Global) -> Option<Lab> {
    let source = load::found(global, &Dirs::from_environment()).ok()?;
    let text = match source.is_of_lab {
        true => source.text,
        false => filled::quietly(global, &source.text, &source.base)?,
    };
    topology::load_again(&text, &host::owner()).ok().map(|loaded| loaded.lab)
}

/// Shipped ones, and people's own of a lab.
fn all(lab: Option<&Lab>) -> Vec<Arc<Addon>> {
    let own = lab.into_iter().flat_map(|lab| &lab.kubernetes.addons);
    let own = own.filter(|used| !used.addon.is_shipped).map(|used| Arc::clone(&used.addon));
    addon::all().iter().cloned().chain(own).collect()
}

fn list(global: &Global) {
    let lab = meant(global);
    let all = all(lab.as_ref());
    let wanted = |addon: &Addon| lab.as_ref().map(|lab| lab.kubernetes.has_addon(&addon.name));
    if global.output == Format::Json {
        let row = |addon: &Arc<Addon>| {
            json!({"name": addon.name, "title": addon.title, "why": addon.why, "needs": addon.needs,
                   "shipped": addon.is_shipped, "wanted": wanted(addon)})
        };
        return print_data(&json!({"addons": all.iter().map(row).collect::<Vec<_>>()}));
    }
    let mut rows = vec![["ADD-ON", "WANTED", "WHAT IT IS GOOD FOR"].map(String::from).to_vec()];
    for addon in &all {
        let wanted = match wanted(addon) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let why = if addon.why.is_empty() { &addon.title } else { &addon.why };
        rows.push(vec![addon.name.clone(), wanted.into(), why.clone()]);
    }
    print(&table(&rows));
}

fn show(global: &Global, name: &str) -> Result<(), Failure> {
    let lab = meant(global);
    let all = all(lab.as_ref());
    let addon = all.iter().find(|addon| addon.name == name);
    let addon = addon.ok_or_else(|| unknown(name, &all))?;
    let release = lab.as_ref().and_then(|lab| lab.kubernetes.version).unwrap_or(version::DEFAULT);
    let images = addon.images.iter().map(|(name, images)| (name.clone(), images.of(release)));
    if global.output == Format::Json {
        let parameter = |(name, rule): (&String, &Rule)| {
            let about = json!({"says": rule.says, "may_be": rule.shape(), "default": rule.default});
            (name.clone(), about)
        };
        let parameters: serde_json::Map<String, Json> =
            addon.parameters.iter().map(parameter).collect();
        let images: serde_json::Map<String, Json> =
            images.map(|(name, image)| (name, json!(image))).collect();
        let files: Vec<&String> = addon.files.keys().collect();
        print_data(&json!({"name": addon.name, "title": addon.title, "why": addon.why,
            "needs": addon.needs, "kubernetes": release.to_string(), "images": images,
            "parameters": parameters, "files": files, "checks": checks(addon)}));
        return Ok(());
    }
    let mut lines = vec![format!("{}: {}", addon.title, addon.why)];
    if !addon.needs.is_empty() {
        lines.push(format!("\nIt needs {}.", addon.needs.join(", ")));
    }
    if !addon.images.is_empty() {
        lines.push(format!("\nImages with Kubernetes {release}:"));
        let none = || "none, and it is left out".to_owned();
        lines.extend(images.map(|(_, image)| format!("  {}", image.unwrap_or_else(none))));
    }
    if !addon.parameters.is_empty() {
        lines.push("\nParameters:".into());
        lines.extend(addon.parameters.iter().map(|(name, rule)| parameter(name, rule)));
    }
    lines.push("\n`lab verify addons` asks:".into());
    lines.extend(checks(addon).iter().map(|check| format!("  {check}")));
    print(&lines.join("\n"));
    Ok(())
}

/// What is asked of it, pods that run first.
fn checks(addon: &Addon) -> Vec<String> {
    let own = addon.checks.iter().map(|check| format!("{}: {}", check.name, check.proves));
    [format!("addon-runs: {} runs", addon.title)].into_iter().chain(own).collect()
}

fn parameter(name: &str, rule: &Rule) -> String {
    let default = match &rule.default {
        Some(default) => format!(", {default} where nothing is said"),
        None => ", to be said".to_owned(),
    };
    format!("  {name}: {} ({}{default})", rule.says, rule.shape())
}

fn unknown(name: &str, all: &[Arc<Addon>]) -> Failure {
    let names: Vec<&str> = all.iter().map(|addon| addon.name.as_str()).collect();
    let cure = match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are: {}", names.join(", ")),
    };
    Failure::unknown(format!("there is no add-on '{name}'")).hint(cure)
}

fn enable(global: &Global, name: &str) -> Result<(), Failure> {
    if addon::shipped(name).is_none() {
        let failure = unknown(name, addon::all());
        return Err(failure.hint("of your own: add `folder: PATH` to `kubernetes.addons`"));
    }
    edit(global, name, true)
}

fn disable(global: &Global, name: &str) -> Result<(), Failure> {
    edit(global, name, false)
}

/// Changes the file, and nothing of it but the list.
fn edit(global: &Global, name: &str, is_wanted: bool) -> Result<(), Failure> {
    let source = load::found(global, &Dirs::from_environment())?;
    if source.home.is_none() || source.is_of_lab {
        return Err(Failure::usage(format!("{} is no file that can be changed", source.shown))
            .code(&code::USAGE)
            .hint("name the topology's file: -f FILE"));
    }
    let lab = |text: &str| {
        let text = filled::quietly(global, text, &source.base)?;
        topology::load(&text, &host::owner()).ok().map(|loaded| loaded.lab)
    };
    // Each with all that is said of it.
    let others = |lab: &Lab| -> BTreeMap<String, String> {
        let all = lab.kubernetes.addons.iter().filter(|used| used.addon.name != name);
        all.map(|used| (used.addon.name.clone(), format!("{used:?}"))).collect()
    };
    let refused = |flaw: Flaw| {
        Failure::usage(format!("change {}: {}", source.shown, flaw.message))
            .code(&code::USAGE)
            .hint(flaw.help)
    };
    let Some(before) = lab(&source.text) else {
        return Err(refused(Flaw::new("it is not valid", "`lab validate` says why")));
    };
    if before.kubernetes.has_addon(name) == is_wanted {
        let state = if is_wanted { "already wants" } else { "does not want" };
        say(global, &format!("{} {state} {name}; nothing was changed", source.shown));
        return Ok(());
    }
    let edited = match is_wanted {
        true => addon_list::with(&source.text, name),
        false => addon_list::without(&source.text, name),
    };
    let edited = edited.map_err(refused)?;
    // Whatever the file looks like: nothing else may have become of it.
    let is_right = |after: Lab| {
        after.kubernetes.has_addon(name) == is_wanted && others(&after) == others(&before)
    };
    if !lab(&edited).is_some_and(is_right) {
        let message =
            "the list of add-ons is written in a way that is left to its author, or others need it";
        return Err(refused(Flaw::new(message, "change `kubernetes.addons` in the file")));
    }
    write(&PathBuf::from(&source.shown), &edited).map_err(|error| {
        Failure::failed(format!("write {}: {error}", source.shown)).code(&code::FILES)
    })?;
    let does = if is_wanted { "wants" } else { "no longer wants" };
    say(global, &format!("{} {does} {name}; `lab up` brings it about", source.shown));
    Ok(())
}

fn write(path: &std::path::Path, text: &str) -> io::Result<()> {
    // What a link leads to is the file.
    let path = path.canonicalize()?;
    let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
    write_for_owner(&Failpoints::default(), &path, text.as_bytes(), mode)
}

//! `lab images`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::cli::args::{AddImage, Images as ImagesArgs, ImagesCommand};
use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global};
use crate::cli::output::{print, print_data, say, table};
use crate::cli::session::load;
use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::goldens::Goldens;
use crate::drivers::assets::images::brought::{New, Origin};
use crate::drivers::assets::images::packed::{Packed, Part, pack};
use crate::drivers::assets::images::{Images, Local};
use crate::drivers::host::Dirs;
use crate::drivers::provider::libvirt::Libvirt;
use crate::drivers::state::{Record, records};
use crate::engine::{EngineError, ProviderKind};
use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::os::{self, Os};
use crate::model::size::human;
use crate::model::{code, own_image};
use crate::render::golden::GoldenKey;

pub(crate) fn run(global: &Global, images: &ImagesArgs) -> Result<ExitCode, Failure> {
    let dirs = Dirs::from_environment();
    load::refuse_shared(&dirs)?;
    let cache = Cache::new(&dirs.cache);
    let goldens = Goldens::new(&cache);
    let all = Images::new(cache, &load::overrides(&dirs.config));
    let say = |text: &str| {
        say(global, text);
    };
    let remove = |name: &str| {
        // The disks of golden guests stand on it.
        goldens.remove_of(name).and_then(|()| all.remove(name))
    };
    match images.command.as_ref().unwrap_or(&ImagesCommand::List) {
        ImagesCommand::List => list(global, &all, &goldens)?,
        ImagesCommand::Pull { name } => {
            refuse_in_use(name, &users(name, &dirs))?;
            let local = all.pull(name, &progress)?;
            say(&format!("image {name} is here: {}, sha256 {}", human(local.size), local.sha256));
        }
        ImagesCommand::Add(image) => {
            let local = add(&all, image)?;
            say(&format!(
                "image {} is here: {}, sha256 {}; write `image: {}` in a topology",
                image.name,
                human(local.size),
                local.sha256,
                image.name
            ));
        }
        ImagesCommand::Build { name, force } => {
            let users = users(name, &dirs);
            if !force && all.is_built(name)? {
                say(&format!("image {name} is here already; --force makes it anew"));
            } else if all.image(name).is_ok() && !users.is_empty() && !force {
                say(&format!(
                    "image {name} would be built anew, but disks of {} stand on it; kept as it is",
                    users.join(", ")
                ));
            } else {
                refuse_in_use(name, &users)?;
                remove(name)?;
                let local = all.build(name, &say)?;
                say(&format!(
                    "image {name} is built: {}, sha256 {}",
                    human(local.size),
                    local.sha256
                ));
            }
        }
        ImagesCommand::Oci { name, files, out, command } => {
            let parts =
                files.iter().map(|file| Part::parse(file)).collect::<Result<Vec<_>, _>>()?;
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let Packed { sha256, size } = pack(name, &command, &parts, out)?;
            say(&format!("image {name} is in {}: {}, sha256 {sha256}", out.display(), human(size)));
        }
        ImagesCommand::Rm { name } => {
            refuse_in_use(name, &users(name, &dirs))?;
            let removed = remove(name)?;
            say(&format!("image {name} {}", if removed { "is removed" } else { "was not here" }));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Brings an image of a person's own.
fn add(images: &Images, new: &AddImage) -> Result<Local, Failure> {
    let refused = |flaw: Flaw| Failure::usage(flaw.message).code(&code::USAGE).hint(flaw.help);
    check_label("the name", &new.name, 40).map_err(refused)?;
    if os::names().contains(&new.name.as_str()) {
        let message = format!("'{}' is an image of the catalogue", new.name);
        return Err(refused(Flaw::new(message, "give your own another name")));
    }
    if let Some(hash) = &new.sha256 {
        own_image::sha256(hash).map_err(refused)?;
    }
    let like = like(new).map_err(refused)?;
    let mut original = None;
    let from = match (&new.from, &new.clone_from) {
        (Some(from), _) if from.contains("://") => {
            own_image::url(from).map_err(refused)?;
            if new.sha256.is_none() {
                let message = "nobody can check what comes from there";
                return Err(refused(Flaw::new(message, "add --sha256 HEX, as its publisher says")));
            }
            Origin::Url(from.clone())
        }
        (Some(file), _) => Origin::File(file.into()),
        (None, from) => {
            let libvirt = Libvirt::open(&ProviderKind::system_uri()).map_err(EngineError::from)?;
            let found = libvirt.original(from.as_deref().unwrap_or_default());
            let found = original.insert(found.map_err(EngineError::from)?);
            Origin::Disk { path: found.disk.clone(), format: found.format.clone() }
        }
    };
    let boot = |own: &'_ Option<PathBuf>, copied: Option<&PathBuf>| own.clone().or(copied.cloned());
    let kernel = boot(&new.kernel, original.as_ref().and_then(|found| found.kernel.as_ref()));
    let initrd = boot(&new.initrd, original.as_ref().and_then(|found| found.initrd.as_ref()));
    let sha256 = new.sha256.as_ref().map(|hash| hash.to_ascii_lowercase());
    let (kernel, initrd) = (kernel.as_deref(), initrd.as_deref());
    Ok(images.add(&New { name: &new.name, like, from, sha256, kernel, initrd }, &progress)?)
}

/// The system that an image is.
fn like(new: &AddImage) -> Result<&'static str, Flaw> {
    let systems = os::names();
    let all = || systems.join(", ");
    if let Some(like) = &new.like {
        let found = systems.iter().find(|name| *name == like);
        let flaw =
            || Flaw::new(format!("there is no system '{like}'"), format!("choose from: {}", all()));
        return found.copied().ok_or_else(flaw);
    }
    let family = new.family.as_deref().unwrap_or_default();
    let of_family = |name: &&&str| {
        let entry = os::shipped(name).and_then(|text| serde_json::from_str::<Os>(text).ok());
        entry.is_some_and(|entry| entry.family.name() == family)
    };
    let flaw =
        || Flaw::new(format!("there is no family '{family}'"), "choose from: debian, redhat");
    systems.iter().find(of_family).copied().ok_or_else(flaw)
}

/// Labs whose disks stand on an image.
fn users(name: &str, dirs: &Dirs) -> Vec<String> {
    let uses = |record: &Record| record.images.iter().any(|image| image == name);
    records(&dirs.state).filter(|(_, record)| uses(record)).map(|(lab, _)| lab).collect()
}

fn refuse_in_use(name: &str, users: &[String]) -> Result<(), Failure> {
    if users.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the image {name} is in use: disks of {} stand on it",
        users.join(", ")
    ))
    .hint("`lab down` those labs first; without their base the disks are worthless"))
}

fn list(global: &Global, images: &Images, goldens: &Goldens) -> Result<(), Failure> {
    let mut rows = vec![["IMAGE", "SYSTEM", "HERE", "SIZE", "SOURCE"].map(String::from).to_vec()];
    let mut data = Vec::new();
    let brought = images.brought();
    for name in os::names().iter().copied().chain(brought.iter().map(String::as_str)) {
        let os = images.os(name)?;
        let local = images.local(name);
        data.push(json!({"name": name, "title": os.title, "url": os.url, "local": local}));
        let (here, size, source) = match local {
            Some(local) => ("yes", human(local.size), local.source),
            None if os.suite.is_some() => ("no", "-".into(), "pull or build".into()),
            None => ("no", "-".into(), "pull".into()),
        };
        rows.push(vec![name.to_owned(), os.title, here.into(), size, source]);
    }
    match global.output {
        Format::Json => {
            let golden = |(key, bytes)| json!({"mould": key, "bytes": bytes});
            let goldens: Vec<_> = goldens.all().into_iter().map(golden).collect();
            print_data(&json!({"images": data, "golden": goldens}));
        }
        Format::Table => {
            print(&table(&rows));
            goldens.all().iter().for_each(|(key, bytes)| print(&told(key, *bytes)));
        }
    }
    Ok(())
}

/// A golden guest, as a line.
fn told(key: &GoldenKey, bytes: u64) -> String {
    let (memory, disk) = (human(key.memory_mib << 20), human(key.disk_bytes));
    let shape = format!("{} x {memory}, disk {disk}", key.cpus);
    format!("golden guest of {}: {shape}; takes {}", key.os, human(bytes))
}

/// Says how far a download is, on one line of a terminal.
fn progress(done: u64, total: Option<u64>) {
    if std::io::stderr().is_terminal() && (done >> 18).is_multiple_of(40) {
        let total = total.map_or_else(String::new, |total| format!(" of {}", human(total)));
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr().lock(),
            format_args!("\r  {}{total}   ", human(done)),
        );
    }
}

//! From what was typed to an opened lab.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cli::failure::Failure;
use crate::cli::global::{Format, Global, Provider};
use crate::cli::session::filled;
use crate::cli::session::source::{Source, unread};
use crate::drivers::assets::cache::Cache;
use crate::drivers::assets::images::Images;
use crate::drivers::host::{self, Dirs};
use crate::drivers::state::topology_file::read_topology;
use crate::drivers::state::{Record, Store, labs, router_ids_of_others};
use crate::engine::{self, ProviderChoice, ProviderKind, Session};
use crate::model::router_id;
use crate::model::topology::yaml::MAX_BYTES;
use crate::model::topology::{self, Loaded};
use crate::model::{Lab, code};
use crate::render::{FOLDERS, TOPOLOGIES};

/// Names of the shipped topologies, sorted.
pub(crate) fn shipped() -> Vec<String> {
    // Whoever tries one here has a lock file beside it.
    let is_one = |path: &&Path| path.extension().is_some_and(|extension| extension == "yaml");
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let files = TOPOLOGIES.files().map(include_dir::File::path).filter(is_one);
    let mut names: Vec<String> = files.filter_map(stem).collect();
    names.sort();
    names
}

/// Text of a shipped topology, or of a person's own of that name.
pub(crate) fn named(name: &str, dirs: &Dirs) -> Option<String> {
    let file = format!("{name}.yaml");
    let own = std::fs::read_to_string(dirs.config.join("topologies").join(&file)).ok();
    own.or_else(|| TOPOLOGIES.get_file(&file)?.contents_utf8().map(str::to_owned))
}

/// The topology that was meant, as it counts.
pub(crate) fn source(global: &Global, dirs: &Dirs) -> Result<Source, Failure> {
    filled::filled(global, found(global, dirs)?)
}

/// Finds the topology that was meant.
pub(crate) fn found(global: &Global, dirs: &Dirs) -> Result<Source, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    if let Some(name) = &global.lab
        && !global.file.as_ref().is_some_and(|file| may_be_of_lab(global, file, name))
    {
        return of_lab(name, dirs);
    }
    let file = match &global.file {
        Some(file) => file.clone(),
        None if Path::new("lab.yaml").exists() => PathBuf::from("lab.yaml"),
        None if Path::new("lab.yml").exists() => PathBuf::from("lab.yml"),
        None => {
            return match labs(&dirs.state).as_slice() {
                [only] => of_lab(only, dirs),
                several => Err(no_topology(several)),
            };
        }
    };
    if file != Path::new("-") && !file.exists() {
        let name = file.to_string_lossy();
        if let Some(text) = named(&name, dirs) {
            let shown = format!("{name}.yaml (shipped)");
            return Ok(Source { text, shown, base: here, home: None, is_of_lab: false });
        }
        let names = shipped();
        let near = crate::model::near::nearest(&name, names.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `-f {near}`?"),
            None => format!("name a file, or a shipped topology: {}", names.join(", ")),
        };
        return Err(Failure::usage(format!("there is no topology '{name}'"))
            .code(&code::NO_TOPOLOGY)
            .hint(help));
    }
    let text = read_topology(&file, MAX_BYTES as u64).map_err(|why| unread(&file, &why))?;
    let base = folder(&file);
    // It is remembered, wherever the next command is typed.
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    // A file that is piped in is from nowhere.
    let home = file.is_file().then(|| base.canonicalize().unwrap_or_else(|_| base.clone()));
    Ok(Source { text, shown: file.display().to_string(), base, home, is_of_lab: false })
}

/// The folder of a file.
fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// False when a file is the topology of a lab with another name, or none. Given beside the name it is the one that
/// counts, with its mistakes, too: a person who mends it wants to hear of them.
fn may_be_of_lab(global: &Global, file: &Path, name: &str) -> bool {
    let text = || read_topology(file, MAX_BYTES as u64).ok();
    let Some(text) = file.is_file().then(text).flatten() else { return false };
    let text = filled::quietly(global, &text, folder(file)).unwrap_or(text);
    match topology::load(&text, &host::owner()) {
        Ok(loaded) => loaded.lab.name == name,
        Err(_) => text
            .lines()
            .any(|line| line.split_once("name:").is_some_and(|(_, own)| own.trim() == name)),
    }
}

fn no_topology(labs: &[String]) -> Failure {
    let failure =
        Failure::usage("there is no lab.yaml here, and no lab was named").code(&code::NO_TOPOLOGY);
    if labs.is_empty() {
        failure.hint("`lab init` writes one; `-f three` takes a shipped one")
    } else {
        failure.hint(format!("`--lab NAME` takes one of: {}", labs.join(", ")))
    }
}

fn known_labs(labs: &[String]) -> String {
    match labs {
        [] => "there are no labs yet; `lab up` makes one".into(),
        labs => format!("known labs: {}", labs.join(", ")),
    }
}

fn of_lab(name: &str, dirs: &Dirs) -> Result<Source, Failure> {
    let store = Store::new(&dirs.state, name);
    let base = store.record()?.map(|record| record.base).unwrap_or_default();
    match store.read("topology.yaml")? {
        Some(text) => {
            let shown = format!("{name} (as it was made)");
            Ok(Source { text, shown, base, home: None, is_of_lab: true })
        }
        None => Err(Failure::usage(format!("there is no lab '{name}'"))
            .code(&code::NO_TOPOLOGY)
            .hint(known_labs(&labs(&dirs.state)))),
    }
}

/// Reads the topology, showing every problem.
pub(crate) fn topology(global: &Global, source: &Source) -> Result<Loaded, Failure> {
    let read = if source.is_of_lab { topology::load_again } else { topology::load };
    match read(&source.text, &host::owner()) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() && !global.quiet && global.output == Format::Table {
                filled::show(global, source, &loaded.warnings);
            }
            Ok(loaded)
        }
        Err(problems) => Err(filled::refused(global, source, &problems)),
    }
}

/// Refuses directories that others may write to.
pub(crate) fn refuse_shared(dirs: &Dirs) -> Result<(), Failure> {
    match dirs.distrust() {
        None => Ok(()),
        Some(why) => Err(Failure::usage(format!("keep keys, sockets and images: {why}"))
            .code(&code::SHARED_DIRECTORY)
            .hint("`chmod go-w` on it, or name another directory: XDG_STATE_HOME, XDG_CACHE_HOME, XDG_RUNTIME_DIR")),
    }
}

/// Opens the lab that was meant.
pub(crate) fn session(global: &Global) -> Result<Session, Failure> {
    let dirs = Dirs::from_environment();
    refuse_shared(&dirs)?;
    let source = source(global, &dirs)?;
    let mut loaded = topology(global, &source)?;
    let overrides = overrides(&dirs.config);
    let templates = crate::kubernetes::templates(&overrides).map_err(|error| {
        Failure::failed(error.to_string())
            .code(&code::TEMPLATE)
            .hint(format!("see {}", dirs.config.display()))
    })?;
    let store = Store::new(&dirs.state, &loaded.lab.name);
    let choice = match global.provider {
        Provider::Auto => ProviderChoice::Auto,
        Provider::System => ProviderChoice::System,
        Provider::Private => ProviderChoice::Private,
    };
    let record = store.record()?;
    let locked = locked(&source, &store);
    if let Some(record) = &record {
        refuse_others(global, &loaded.lab, record, &source, &store)?;
    }
    let taken = router_ids_of_others(&dirs.state, &loaded.lab.name);
    let before = record.as_ref().map(|record| record.router_ids.clone()).unwrap_or_default();
    router_id::assign(loaded.lab.id, &mut loaded.lab.vips, &before, &taken);
    let provider = ProviderKind::choose(&choice, record.as_ref(), &loaded.lab, &store, &dirs);
    if let Some(record) = record.filter(|record| record.provider != provider.name()) {
        return Err(Failure::usage(format!(
            "the lab '{}' stands on the provider {}, not on {}",
            record.name,
            record.provider,
            provider.name()
        ))
        .code(&code::OTHER_PROVIDER)
        .hint("leave --provider away, or `lab down` first"));
    }
    let images =
        Images::new(Cache::new(&dirs.cache), &overrides).with_own(&loaded.lab.images, &source.base);
    let templates = templates.with_api_at(loaded.lab.kubernetes.api_port);
    let session = Session {
        lab: loaded.lab,
        source: source.text,
        leaving: Vec::new(),
        gate: OnceLock::new(),
        base: source.base,
        locked,
        owner: host::owner(),
        images,
        store,
        provider,
        dirs,
        templates,
        timeouts: OnceLock::new(),
    };
    Ok(session.with_machines()?)
}

/// Where it is written down what the lab is made with: beside the topology, where that is a person's own. The file
/// of a lab that is named is where it was when the lab was made.
fn locked(source: &Source, store: &Store) -> PathBuf {
    let own = store.path(engine::locked::FILE);
    let beside = source.base.join(engine::locked::FILE);
    match &source.home {
        Some(home) => home.join(engine::locked::FILE),
        None if !own.exists() && source.is_of_lab && beside.exists() => beside,
        None => own,
    }
}

/// Refuses a lab that is not the one that was meant: of another computer or user, or of another folder.
fn refuse_others(
    global: &Global,
    lab: &Lab,
    record: &Record,
    source: &Source,
    store: &Store,
) -> Result<(), Failure> {
    let (name, dir) = (&lab.name, store.root().display());
    if record.id != lab.id {
        let why = format!("the lab '{name}' in {dir} is of another computer, or of another user");
        return Err(Failure::usage(why).code(&code::OTHER_OWNER).hint(
            "run the command where, and as whom, the lab was made; XDG_STATE_HOME names another directory for labs",
        ));
    }
    let there = record.base.canonicalize().unwrap_or_else(|_| record.base.clone());
    let here = source.home.as_ref().filter(|here| **here != there);
    // Records of earlier versions have folders that say nothing by themselves, or none.
    let Some(here) = here.filter(|_| record.base.is_absolute()) else { return Ok(()) };
    match &global.lab {
        Some(_) => Ok(()),
        None => {
            let (there, here) = (there.display(), here.display());
            let why = format!(
                "there is a lab '{name}' that came from {there}, and this topology is in {here}"
            );
            Err(Failure::usage(why).code(&code::OTHER_FOLDER).hint(format!(
                "another `name` makes this one a lab of its own; `--lab {name}` means the one that is there, with `-f {}` the same lab by this file",
                source.shown
            )))
        }
    }
}

/// Opens a lab that exists.
pub(crate) fn existing(global: &Global) -> Result<Session, Failure> {
    let session = session(global)?;
    refuse_new(&session)?;
    Ok(session)
}

/// Refuses a lab of machines alone, for what asks a cluster.
pub(crate) fn refuse_machines_alone(session: &Session) -> Result<(), Failure> {
    match session.flavour().is_a_cluster() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "the lab '{}' has no Kubernetes: its topology says `kubernetes: none`",
            session.lab.name
        ))
        .code(&code::NO_SUCH)
        .hint("`lab ssh NODE`, `lab exec`, `lab verify`")),
    }
}

/// Refuses a lab whose own libvirt rests.
pub(crate) fn refuse_resting(session: &Session) -> Result<(), Failure> {
    refuse_new(session)?;
    match session.provider.is_running() {
        true => Ok(()),
        false => Err(Failure::usage("the lab's private libvirt does not run")
            .code(&code::AT_REST)
            .hint("`lab up`")),
    }
}

/// Refuses a lab that was never up, so that asking makes no directory for one that does not exist.
pub(crate) fn refuse_new(session: &Session) -> Result<(), Failure> {
    match session.store.record()? {
        Some(_) => Ok(()),
        None => Err(Failure::usage(format!("the lab '{}' was never up", session.lab.name))
            .code(&code::NOT_UP)
            .hint("`lab up` first")),
    }
}

/// A person's own templates and catalogue entries, by name.
pub(crate) fn overrides(config: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for top in ["stages"].into_iter().chain(FOLDERS.map(|(top, _)| top)) {
        collect(&config.join(top), top, &mut found);
    }
    found
}

fn collect(dir: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &name, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.insert(name, text);
        }
    }
}

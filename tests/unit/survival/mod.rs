//! A run that is cut anywhere: every change passes a gate, which is shut before the n-th of them, for
//! every n. One rerun later everything is as after a run that was never cut, byte for byte.

pub(crate) mod assets;
mod everywhere;
mod others;
mod removal;
mod secrets;

pub(crate) use assets::bring_assets;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lab::engine::snapshot::{self, RestoreOptions, SnapshotRequest};
use lab::engine::{Events, Outcome, Stop, Teardown};
use lab::model::snapshot::Kind;
use lab::plan::Keep;

use crate::rig::fakes::{Rig, Up};
use crate::rig::gated::TestDriver;
use crate::rig::served::Served;

/// One command of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Up,
    Save(&'static str),
    SaveDisks(&'static str),
    Restore(&'static str),
    Delete(&'static str),
    PutAway,
    Down,
    /// `up` with one worker less, and another disk for the one that stays.
    Edit,
}

struct World {
    rig: Rig,
    _servers: Option<Served>,
}

impl World {
    fn new(text: &str) -> Self {
        Self { rig: Rig::of(text), _servers: None }
    }

    /// The same with golden guests to copy nodes from.
    fn with_goldens(text: &str) -> Self {
        let world = Self::new(text);
        world.rig.bring_goldens();
        world
    }

    /// The same on libvirt's own test driver.
    fn on_test_driver(text: &str) -> Self {
        let mut world = Self::new(text);
        let driver = TestDriver::new(world.rig.home.path(), world.rig.gate.clone());
        world.rig.other = Some(driver);
        world
    }

    /// The same with real SSH between the engine and the guests.
    fn over_ssh(text: &str) -> Self {
        let mut world = Self::new(text);
        let servers = Served::start(&world.rig.guests, &world.rig.secrets.keys);
        world.rig.way = Some(servers.reach());
        Self { _servers: Some(servers), ..world }
    }

    /// Carries a step out; the error when it was refused or cut.
    fn run(&self, step: Step) -> Result<(), String> {
        if step == Step::Edit {
            let fewer = self.rig.text.replace("  worker:\n    count: 2", "  worker:\n    count: 1");
            let edited = fewer.replace("disk: 20GiB", "disk: 10GiB");
            assert!(fewer != self.rig.text && edited != fewer);
            *self.rig.edited.lock().unwrap() = Some(edited);
        }
        if matches!(step, Step::Up | Step::Edit) {
            return match self.rig.up(Up::AGREED).0? {
                Outcome::Done(_) | Outcome::Unchanged => Ok(()),
                other => Err(format!("{other:?}")),
            };
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.other(step)).map_err(|error| error.to_string())
    }

    async fn other(&self, step: Step) -> Result<(), lab::engine::EngineError> {
        let (session, drivers) = (self.rig.session(), self.rig.drivers());
        let (events, _reader) = Events::channel();
        let stop = Stop::default();
        let wish = |name: &str, kind| SnapshotRequest { name: name.into(), kind };
        match step {
            Step::Up | Step::Edit => Ok(()),
            Step::Save(name) => {
                let wish = wish(name, Kind::Memory);
                snapshot::create(&session, &drivers, &wish, &stop, &events).await.map(drop)
            }
            Step::SaveDisks(name) => {
                let wish = wish(name, Kind::Disk);
                snapshot::create(&session, &drivers, &wish, &stop, &events).await.map(drop)
            }
            Step::Restore(name) => {
                let options = RestoreOptions { yes: true, node: None };
                snapshot::restore(session, &drivers, name, &options, &stop, &events).await.map(drop)
            }
            Step::Delete(name) => {
                snapshot::delete(&session, &drivers, name, &events).await.map(drop)
            }
            Step::PutAway | Step::Down => {
                let keep = if step == Step::Down { Keep::Nothing } else { Keep::Snapshots };
                let (lab, place, store) = (&session.lab, &session.provider, &session.store);
                let hypervisor = Some(drivers.provider.clone());
                let teardown = Teardown::look_at(lab, place, store, hypervisor).await?;
                teardown.run(keep, &events).await.map(drop)
            }
        }
    }

    /// Everything there is: the hypervisor's objects, the guests' files, the lab's directory.
    fn state(&self) -> String {
        let mut text = self.rig.state();
        let root = self.rig.store().root().to_owned();
        for (path, content) in tree(&root) {
            text.push_str(&format!("\n{path}\n{content}"));
        }
        text.replace(&self.rig.home.path().display().to_string(), "HOME")
    }
}

/// Files below `dir` by path, without what holds the time: run logs, the lock, and of manifests when
/// they were made.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let content = match path.is_dir() {
            _ if name == "runs" || name.starts_with("lock") => continue,
            true => {
                all.extend(tree(&path));
                "a directory".into()
            }
            false => fs::read_to_string(&path).unwrap(),
        };
        let timeless = |line: &&str| {
            // libvirt draws a generation id whenever it defines a domain.
            let other = ["\"created", "\"pause_seconds", "<creationTime>", "<genid>"];
            !other.iter().any(|key| line.trim().starts_with(key))
        };
        // The home is another in every run.
        let path = path.display().to_string();
        let short = path.split_once("/state/").map_or(path.as_str(), |(_, rest)| rest).to_owned();
        let content: String = content.lines().filter(timeless).collect::<Vec<_>>().join("\n");
        all.insert(short, content.replace(&dir_of_home(dir), "HOME"));
    }
    all
}

fn dir_of_home(dir: &Path) -> String {
    let text = dir.display().to_string();
    text.split_once("/state/").map_or(text.clone(), |(home, _)| home.to_owned())
}

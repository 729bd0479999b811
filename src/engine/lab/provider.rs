//! Where a lab runs: the computer's libvirt, or one of the lab's own.

use std::sync::Arc;

use crate::drivers::guest::ssh::Route;
use crate::drivers::host::Dirs;
use crate::drivers::host::routes::{self, Routes};
use crate::drivers::provider::Hypervisor;
use crate::drivers::provider::libvirt::{Libvirt, Reconnecting};
use crate::drivers::provider::private::{self, PrivateEngine};
use crate::drivers::state::{Record, Store};
use crate::engine::task::error::EngineError;
use crate::model::platform::Layout;
use crate::model::{Lab, code};

/// Which hypervisor to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// The computer's libvirt when it answers, else a private one.
    Auto,
    /// The computer's libvirt.
    System,
    /// One of the lab's own.
    Private,
}

/// Where a lab runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// A libvirt that is there anyway.
    System {
        /// Its address.
        uri: String,
    },
    /// A libvirt of the lab's own.
    Private(PrivateEngine),
}

impl Place {
    /// Decides, preferring what the record of an earlier run says.
    pub fn choose(
        choice: &EngineChoice,
        record: Option<&Record>,
        lab: &Lab,
        store: &Store,
        dirs: &Dirs,
    ) -> Self {
        let private = || {
            let mut engine = PrivateEngine::new(store.root(), &dirs.runtime, lab.id);
            // One that runs is where it was started; another may be started elsewhere.
            let run = record.and_then(|record| record.run.clone());
            if let Some(run) = run.filter(|_| engine.first_process().is_ok()) {
                engine.run = run;
            }
            Place::Private(engine)
        };
        let uri = Self::system_uri;
        let recorded = record.map(|record| record.engine.as_str());
        let recorded_uri = || match record {
            Some(record) if record.engine == "system" => record.uri.clone(),
            _ => uri(),
        };
        match (choice, recorded) {
            (EngineChoice::Private, _) | (EngineChoice::Auto, Some("private")) => private(),
            (EngineChoice::System, _) | (EngineChoice::Auto, Some(_)) => {
                Place::System { uri: recorded_uri() }
            }
            // A private engine may run though its record was lost.
            (EngineChoice::Auto, None) => match private() {
                running if running.is_running() => running,
                _ if Libvirt::open(&uri()).is_ok() => Place::System { uri: uri() },
                private => private,
            },
        }
    }

    /// Address of the computer's own libvirt, as the environment says.
    pub fn system_uri() -> String {
        let variable = std::env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty());
        variable.unwrap_or_else(|| "qemu:///system".into())
    }

    /// Its name in records and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Place::System { .. } => "system",
            Place::Private(_) => "private",
        }
    }

    /// Address of libvirt.
    pub fn uri(&self) -> String {
        match self {
            Place::System { uri } => uri.clone(),
            Place::Private(engine) => engine.uri(),
        }
    }

    /// Where things are on its computer.
    pub fn layout(&self) -> Layout {
        match self {
            Place::System { .. } => Layout::system(),
            Place::Private(engine) => engine.layout(),
        }
    }

    /// The way to guests.
    pub fn route(&self) -> Route {
        match self {
            Place::System { .. } => Route::Direct,
            Place::Private(engine) => Route::Private(engine.control_socket()),
        }
    }

    /// False when a private engine must be started first.
    pub fn is_running(&self) -> bool {
        match self {
            Place::System { .. } => true,
            Place::Private(engine) => engine.is_running(),
        }
    }

    /// The routes to pods that libvirt's computer has through the lab's bridge, after making them
    /// `wanted` when given.
    ///
    /// # Errors
    /// When they cannot be read or set.
    pub fn routes(&self, lab: &Lab, wanted: Option<&Routes>) -> Result<Routes, EngineError> {
        let bridge = &lab.network.bridge;
        match self {
            Place::Private(engine) => private::routes(&engine.control_socket(), bridge, wanted)
                .map_err(|error| EngineError::of(&code::COMPUTER, error)),
            Place::System { .. } => {
                let set = wanted.map_or(Ok(()), |wanted| routes::set(bridge, wanted));
                set.and_then(|()| routes::list(bridge))
                    .map_err(|error| EngineError::of(&code::COMPUTER, error.to_string()))
            }
        }
    }

    /// True when guests reach the outside.
    pub fn reaches_outside(&self, lab: &Lab) -> bool {
        match self {
            Place::System { .. } => lab.network.uplink,
            Place::Private(_) => self.uplink(lab).is_some() || self.has_uplink(),
        }
    }

    /// The program that gives guests of a private engine a way to the outside, where that is wanted
    /// and one is installed, and the lab does not have the addresses of that way.
    pub fn uplink(&self, lab: &Lab) -> Option<&'static str> {
        let nets = [lab.network.cidr, lab.kubernetes.pod_cidr, lab.kubernetes.service_cidr];
        match self {
            Place::Private(_) if lab.network.uplink && !private::overlaps_uplink(&nets) => {
                private::uplink_programs().first().copied()
            }
            _ => None,
        }
    }

    /// True while a private engine has an uplink.
    pub fn has_uplink(&self) -> bool {
        matches!(self, Place::Private(engine) if engine.has_uplink())
    }

    /// Gives the guests of a private engine a way to the outside.
    ///
    /// # Errors
    /// When no program makes the way.
    pub fn start_uplink(&self) -> Result<(), EngineError> {
        let Place::Private(engine) = self else { return Ok(()) };
        engine.start_uplink().map_err(|error| {
            EngineError::of(&code::COMPUTER, format!("give guests a way to the outside: {error}"))
        })
    }

    /// Connects to libvirt.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(&self) -> Result<Arc<dyn Hypervisor>, EngineError> {
        Ok(Arc::new(Reconnecting::open(&self.uri())?))
    }
}

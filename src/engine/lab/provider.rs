//! Where a lab runs: the computer's libvirt, or one of the lab's own.

use std::sync::Arc;

use crate::drivers::guest::ssh::Route;
use crate::drivers::host::Dirs;
use crate::drivers::provider::existing::Existing;
use crate::drivers::provider::libvirt::{Libvirt, Reconnecting};
use crate::drivers::provider::private::{self, PrivateLibvirt};
use crate::drivers::provider::{Provider, ThisComputer};
use crate::drivers::state::{Record, Store};
use crate::engine::task::error::EngineError;
use crate::model::Lab;
use crate::model::platform::Layout;

/// Which provider to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderChoice {
    /// The computer's libvirt when it answers, else a private one.
    Auto,
    /// The computer's libvirt.
    System,
    /// One of the lab's own.
    Private,
}

/// Where a lab runs.
#[derive(Clone, Debug)]
pub enum ProviderKind {
    /// A libvirt that is there anyway.
    System {
        /// Its address.
        uri: String,
    },
    /// A libvirt of the lab's own.
    Private(PrivateLibvirt),
    /// Machines that are there anyway.
    Existing(Existing),
}

impl ProviderKind {
    /// Decides, preferring what the record of an earlier run says.
    pub fn choose(
        choice: &ProviderChoice,
        record: Option<&Record>,
        lab: &Lab,
        store: &Store,
        dirs: &Dirs,
    ) -> Self {
        if lab.machines().next().is_some() {
            return ProviderKind::Existing(Existing::of(lab.id, lab.machines()));
        }
        let private = || {
            let mut libvirt = PrivateLibvirt::new(store.root(), &dirs.runtime, lab.id);
            // One that runs is where it was started; another may be started elsewhere.
            let run = record.and_then(|record| record.run.clone());
            if let Some(run) = run.filter(|_| libvirt.first_process().is_ok()) {
                libvirt.run = run;
            }
            ProviderKind::Private(libvirt)
        };
        let uri = Self::system_uri;
        let recorded = record.map(|record| record.provider.as_str());
        let recorded_uri = || match record {
            Some(record) if record.provider == "system" => record.uri.clone(),
            _ => uri(),
        };
        match (choice, recorded) {
            (ProviderChoice::Private, _) | (ProviderChoice::Auto, Some("private")) => private(),
            (ProviderChoice::System, _) | (ProviderChoice::Auto, Some(_)) => {
                ProviderKind::System { uri: recorded_uri() }
            }
            // A private provider may run though its record was lost.
            (ProviderChoice::Auto, None) => match private() {
                running if running.is_running() => running,
                _ if Libvirt::open(&uri()).is_ok() => ProviderKind::System { uri: uri() },
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
            ProviderKind::System { .. } => "system",
            ProviderKind::Private(_) => "private",
            ProviderKind::Existing(_) => "existing",
        }
    }

    /// Its address.
    pub fn uri(&self) -> String {
        match self {
            ProviderKind::System { uri } => uri.clone(),
            ProviderKind::Private(libvirt) => libvirt.uri(),
            ProviderKind::Existing(machines) => machines.uri(),
        }
    }

    /// Where things are on its computer.
    pub fn layout(&self, lab: &Lab) -> Layout {
        match self {
            ProviderKind::System { .. } => {
                let usual = Layout::system();
                Layout { pools: lab.options.storage.clone().unwrap_or(usual.pools), ..usual }
            }
            ProviderKind::Private(libvirt) => libvirt.layout(),
            // Nothing of theirs is on any computer of ours.
            ProviderKind::Existing(_) => {
                Layout { pools: String::new(), consoles: String::new(), local: false }
            }
        }
    }

    /// The way to guests.
    pub fn route(&self) -> Route {
        match self {
            ProviderKind::System { .. } | ProviderKind::Existing(_) => Route::Direct,
            ProviderKind::Private(libvirt) => Route::Private(libvirt.control_socket()),
        }
    }

    /// False when a private provider must be started first.
    pub fn is_running(&self) -> bool {
        match self {
            ProviderKind::System { .. } | ProviderKind::Existing(_) => true,
            ProviderKind::Private(libvirt) => libvirt.is_running(),
        }
    }

    /// True when guests reach the outside.
    pub fn reaches_outside(&self, lab: &Lab) -> bool {
        match self {
            ProviderKind::System { .. } => lab.network.uplink.leads_out(),
            ProviderKind::Private(_) => self.uplink(lab).is_some() || self.has_uplink(),
            // Their makers' business.
            ProviderKind::Existing(_) => true,
        }
    }

    /// The program that gives guests of a private provider a way to the outside, where that is wanted
    /// and one is installed, and the lab does not have the addresses of that way.
    pub fn uplink(&self, lab: &Lab) -> Option<&'static str> {
        let nets = [lab.network.cidr, lab.kubernetes.pod_cidr, lab.kubernetes.service_cidr];
        match self {
            ProviderKind::Private(_)
                if lab.network.uplink.leads_out() && !private::overlaps_uplink(&nets) =>
            {
                private::uplink_programs().first().copied()
            }
            _ => None,
        }
    }

    /// True while a private provider has an uplink.
    pub fn has_uplink(&self) -> bool {
        matches!(self, ProviderKind::Private(libvirt) if libvirt.has_uplink())
    }

    /// Connects to it.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(&self) -> Result<Arc<dyn Provider>, EngineError> {
        Ok(match self {
            ProviderKind::System { uri } => {
                Arc::new(Reconnecting::system(uri, Arc::new(ThisComputer))?)
            }
            ProviderKind::Private(libvirt) => {
                Arc::new(Reconnecting::private(&libvirt.uri(), Arc::new(libvirt.clone()))?)
            }
            ProviderKind::Existing(machines) => Arc::new(machines.clone()),
        })
    }
}

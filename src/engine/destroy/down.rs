//! `down`: everything the lab made goes, and nothing else: a difference to nothing. Works from what the
//! provider's metadata says and from stable ids, so it also finds what no record knows.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use crate::drivers::host::hosts_file;
use crate::drivers::provider::Provider;
use crate::drivers::state::Store;
use crate::drivers::state::failpoint::Failpoints;
use crate::engine::destroy::machines::Machines;
use crate::engine::lab::kubeconfig;
use crate::engine::lab::open::Session;
use crate::engine::lab::provider::ProviderKind;
use crate::engine::lab::reach::Reach;
use crate::engine::machines::clone;
use crate::engine::machines::provision::call;
use crate::engine::task::blocking::blocking;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::{Event, Events};
use crate::model::inventory::Inventory;
use crate::model::{Lab, code};
use crate::plan::{Change, ChangeKind, Keep, Object, Remains, removal};

/// A lab that may go: where it runs, its directory, and what holds its objects.
pub struct Teardown<'a> {
    lab: &'a Lab,
    place: &'a ProviderKind,
    store: &'a Store,
    /// `None` where all its objects go with the provider that has them.
    provider: Option<Arc<dyn Provider>>,
    inventory: Inventory,
    machines: Machines,
}

impl std::fmt::Debug for Teardown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Teardown({})", self.lab.name)
    }
}

impl<'a> Teardown<'a> {
    /// Looks at what there is of the lab where it runs.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn look(
        lab: &'a Lab,
        place: &'a ProviderKind,
        store: &'a Store,
    ) -> Result<Self, EngineError> {
        let provider = match place {
            // All that a private one holds goes with it; machines that exist are nobody's to remove.
            ProviderKind::Private(_) | ProviderKind::Existing(_) => None,
            ProviderKind::System { .. } => Some(place.connect()?),
        };
        Self::look_at(lab, place, store, provider).await
    }

    /// The same, with what holds the lab's objects given.
    ///
    /// # Errors
    /// As [`Teardown::look`].
    pub async fn look_at(
        lab: &'a Lab,
        place: &'a ProviderKind,
        store: &'a Store,
        provider: Option<Arc<dyn Provider>>,
    ) -> Result<Self, EngineError> {
        let (inventory, machines) = (Inventory::default(), Machines::default());
        let mut teardown = Self { lab, place, store, provider, inventory, machines };
        teardown.look_again().await?;
        Ok(teardown)
    }

    /// The same, which gives machines back that are there anyway.
    ///
    /// # Errors
    /// When a script cannot be made.
    pub async fn with_machines(self, session: &Session) -> Result<Self, EngineError> {
        match self.place {
            ProviderKind::Existing(_) => {
                self.with_machines_by(session, &session.way_to_machines()?).await
            }
            ProviderKind::System { .. } | ProviderKind::Private(_) => Ok(self),
        }
    }

    /// [`Teardown::with_machines`] by a given way to them.
    ///
    /// # Errors
    /// As [`Teardown::with_machines`].
    pub async fn with_machines_by(
        mut self,
        session: &Session,
        reach: &Reach,
    ) -> Result<Self, EngineError> {
        self.machines = Machines::of(session, reach)?;
        self.look_again().await?;
        Ok(self)
    }

    async fn look_again(&mut self) -> Result<(), EngineError> {
        if let Some(provider) = &self.provider {
            self.inventory = call(provider, |h| h.inventory()).await?;
        }
        self.inventory.machines = self.machines.look(self.lab.id).await;
        Ok(())
    }

    fn remains(&self) -> Result<Remains, EngineError> {
        let (place, store) = (self.place, self.store);
        let (provider_runs, provider) = match place {
            ProviderKind::Private(libvirt) => {
                let runs = libvirt.is_running();
                (runs, runs || libvirt.dir.exists() || libvirt.run.exists())
            }
            ProviderKind::System { .. } | ProviderKind::Existing(_) => (false, false),
        };
        let hosts = Path::new(hosts_file::PATH);
        let named = hosts_file::has_block(hosts, &hosts_file::label(self.lab));
        Ok(Remains {
            builders: !clone::builders(place, store.root()).is_empty(),
            provider_runs,
            provider,
            hosts_file: named.then(|| hosts.to_owned()),
            kubeconfigs: kubeconfig::still_there(self.lab, store)?,
            files: (store.root().exists() || !store.leftovers().is_empty())
                .then(|| store.root().to_owned()),
        })
    }

    /// What `down` would do. Changes nothing.
    ///
    /// # Errors
    /// When the lab's directory cannot be read.
    pub fn plan(&self, keep: Keep) -> Result<Vec<Change>, EngineError> {
        Ok(removal(self.lab, keep, &self.inventory, &self.remains()?))
    }

    /// Removes everything that [`Teardown::plan`] names now, one after the other.
    ///
    /// # Errors
    /// The first thing that cannot be removed; the next `down` goes on with it.
    pub async fn run(mut self, keep: Keep, events: &Events) -> Result<Vec<Change>, EngineError> {
        // Before the lab's lock was had, another run may have made more.
        self.look_again().await?;
        let changes = self.plan(keep)?;
        events.send(Event::Planned { changes: changes.clone() });
        self.give_back(&changes, events).await?;
        for change in changes.iter().filter(|change| change.object != Object::Machine) {
            events.timed(None, &told(self.lab, change), self.carry_out(change)).await?;
        }
        Ok(changes)
    }

    /// All machines at once: none of them counts on another any more.
    async fn give_back(&self, changes: &[Change], events: &Events) -> Result<(), EngineError> {
        for (name, why) in self.machines.silent() {
            events.warn(format!("{name} is left as it is, with what lab put there: {why}"));
        }
        let names: Vec<&str> = changes
            .iter()
            .filter(|change| change.object == Object::Machine)
            .map(|change| change.name.as_str())
            .collect();
        self.machines.give_back(&names, events).await
    }

    async fn carry_out(&self, change: &Change) -> Result<(), EngineError> {
        match change.object {
            Object::Builders => {
                for builder in clone::builders(self.place, self.store.root()) {
                    clone::end(builder).await?;
                }
                Ok(())
            }
            Object::Provider => self.end_provider(change.kind).await,
            Object::Domain => self.remove(change, |h, uuid| h.machines()?.remove(uuid)).await,
            Object::Network => {
                self.remove(change, |h, uuid| h.networks()?.remove_network(uuid)).await
            }
            Object::Pool => self.remove(change, |h, uuid| h.storage()?.remove_pool(uuid)).await,
            Object::HostsBlock => {
                forget_names(self.store.failpoints(), Path::new(&change.name), self.lab)
            }
            Object::Context => {
                let name = kubeconfig::context(self.lab);
                kubeconfig::remove(self.store, Path::new(&change.name), &name)
            }
            Object::Files => Ok(self.store.remove()?),
            // They go with their pool, their node, or the provider; machines were given back before.
            Object::Machine
            | Object::Certificate
            | Object::Routes
            | Object::Uplink
            | Object::Volume
            | Object::Stage => Err(EngineError::internal(format!("{change}: it goes with others"))),
        }
    }

    async fn end_provider(&self, kind: ChangeKind) -> Result<(), EngineError> {
        let ProviderKind::Private(libvirt) = self.place.clone() else { return Ok(()) };
        let work = move || match kind {
            ChangeKind::Stop => libvirt.stop(),
            _ => libvirt.remove(),
        };
        Ok(blocking(work).await??)
    }

    /// Removes an object of the provider's, known by its name to the plan and by its id to the provider.
    async fn remove(
        &self,
        change: &Change,
        work: fn(&dyn Provider, Uuid) -> crate::drivers::provider::Result<()>,
    ) -> Result<(), EngineError> {
        let (Some(provider), Some(uuid)) = (&self.provider, self.id_of(change)) else {
            return Ok(());
        };
        call(provider, move |h| work(h, uuid)).await
    }

    fn id_of(&self, change: &Change) -> Option<Uuid> {
        let all = &self.inventory;
        match change.object {
            Object::Domain => all.domains.iter().find(|d| d.name == change.name).map(|d| d.uuid),
            Object::Network => all.networks.iter().find(|n| n.name == change.name).map(|n| n.uuid),
            Object::Pool => all.pools.iter().find(|p| p.name == change.name).map(|p| p.uuid),
            _ => None,
        }
    }
}

/// A removal as people read it.
pub fn told(lab: &Lab, change: &Change) -> String {
    let name = &change.name;
    match (change.object, change.kind) {
        (Object::Provider, ChangeKind::Stop) => "- the private libvirt's processes".into(),
        (Object::Provider, _) => "- the private libvirt".into(),
        (Object::Builders, _) => "- what is left of a golden guest's making".into(),
        (Object::Machine, _) => format!("- what lab put on the machine {name}"),
        (Object::Pool, _) => format!("- pool {name} and its volumes"),
        (Object::HostsBlock, _) => format!("- its names in {name}"),
        (Object::Context, _) => format!("- the context {} in {name}", kubeconfig::context(lab)),
        (Object::Files, _) => format!("- {name}"),
        (object, _) => format!("- {object} {name}"),
    }
}

fn forget_names(points: &Failpoints, path: &Path, lab: &Lab) -> Result<(), EngineError> {
    let label = hosts_file::label(lab);
    hosts_file::set_block(points, path, &label, None).map(drop).map_err(|error| {
        EngineError::of(
            &code::COMPUTER,
            format!("take the lab's names out of {}: {error}", path.display()),
        )
        .hint("`sudo lab hosts --remove`, then `lab down` again")
    })
}

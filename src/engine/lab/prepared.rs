//! Everything that must be known before plans can be made, and the plans' ingredients made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::drivers::assets::binaries::Found;
use crate::engine::lab::open::Session;
use crate::engine::task::error::EngineError;
use crate::kubernetes::stage::{Context, Stage};
use crate::kubernetes::{self, drift::Upkeep};
use crate::kubernetes::{Step, fingerprint};
use crate::model::platform::{Layout, Platform};
use crate::model::{Lab, Node};
use crate::pki::{Bundle, Due, Pair, SshKeys};
use crate::plan::{Desired, StageGoal};
use crate::render::{self, DirectBoot, Placement};

/// Everything that must be known before plans can be made.
#[derive(Debug)]
pub struct Prepared {
    /// Surroundings.
    pub platform: Platform,
    /// Where things are on libvirt's computer.
    pub layout: Layout,
    /// Binaries as found; `None` when only expected.
    pub found: Option<Found>,
    /// The artifact disk's path on this computer.
    pub artifact_disk: Option<PathBuf>,
    /// Secrets.
    pub bundle: Bundle,
    /// Certificates that are made anew, and why; see [`Bundle::due`].
    pub due: Vec<Due>,
    /// The binding credential of this run.
    pub super_admin: Pair,
    /// SSH keys.
    pub keys: SshKeys,
    /// How KVM was decided, in words.
    pub acceleration: String,
    /// Who founded, or will found, the etcd cluster; see [`Context::etcd_founders`].
    pub etcd_founders: Vec<String>,
}

impl Prepared {
    /// The same with the logins of registries that the topology names.
    ///
    /// # Errors
    /// When they cannot be used.
    pub(super) fn with_logins(mut self, session: &Session) -> Result<Self, EngineError> {
        self.platform.logins = session.registry_logins()?;
        Ok(self)
    }

    /// What a stage may look at.
    pub fn context<'a>(&'a self, session: &'a Session) -> Context<'a> {
        Context {
            lab: &session.lab,
            platform: &self.platform,
            bundle: &self.bundle,
            super_admin: &self.super_admin,
            templates: &session.templates,
            etcd_founders: &self.etcd_founders,
            needs: kubernetes::needs,
        }
    }

    /// Paths that a node's domain refers to.
    pub fn placement(&self, session: &Session, node: &Node) -> Placement {
        let pool = self.layout.pool(&session.lab.pool());
        let image = self.platform.images.get(&node.os);
        let (kernel, initrd) = session.images.boot(&node.os);
        let boot = image.filter(|image| image.direct_boot).map(|image| {
            if self.layout.local {
                let (kernel, initrd) = (kernel.display(), initrd.display());
                DirectBoot { kernel: kernel.to_string(), initrd: initrd.to_string() }
            } else {
                let volume = format!("{pool}/{}", image.volume());
                let (kernel, initrd) = (format!("{volume}.vmlinuz"), format!("{volume}.initrd"));
                DirectBoot { kernel, initrd }
            }
        });
        let artifacts = self.platform.artifact_volume().map(|volume| match self.layout.local {
            true => {
                let name = volume.trim_start_matches("artifacts-");
                session.dirs.cache.join("artifacts").join(name).display().to_string()
            }
            false => format!("{pool}/{volume}"),
        });
        let (console, backing) = (self.layout.console(&node.domain), self.backing(session, node));
        Placement { pool, backing, boot, artifacts, console }
    }

    /// Path of a node's base image on libvirt's computer.
    pub fn backing(&self, session: &Session, node: &Node) -> String {
        match self.platform.images.get(&node.os) {
            Some(image) if !self.layout.local => {
                format!("{}/{}.qcow2", self.layout.pool(&session.lab.pool()), image.volume())
            }
            _ => session.images.disk(&node.os).display().to_string(),
        }
    }

    /// Steps of a stage on a node.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn steps(
        &self,
        session: &Session,
        stage: &Stage,
        node: &Node,
    ) -> Result<Vec<Step>, EngineError> {
        let mut steps = (stage.steps)(&self.context(session), node)?;
        if self.platform.acceleration.is_emulated() {
            steps.iter_mut().for_each(Step::give_time);
        }
        Ok(steps)
    }

    /// What the topology asks for, with the stages in `only`.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn desired(
        &self,
        session: &Session,
        only: &[&'static Stage],
    ) -> Result<Desired, EngineError> {
        let lab = &session.lab;
        let pool_id = lab.pool_id();
        let pool_path = self.layout.pool(&lab.pool());
        let mut domains = Vec::new();
        for node in lab.guests() {
            let placement = self.placement(session, node);
            domains.push(render::domain(
                &session.templates,
                lab,
                node,
                &self.platform,
                &placement,
            )?);
        }
        let mut stages = Vec::new();
        let flavour = session.flavour();
        for stage in
            flavour.stages.iter().filter(|stage| only.iter().any(|one| one.name == stage.name))
        {
            for node in (stage.nodes)(lab) {
                let steps = self.steps(session, stage, node)?;
                let of_kubernetes =
                    |step: &Step| matches!(step, Step::Binary(binary) if binary.version.is_some());
                let kubernetes = steps.iter().any(of_kubernetes).then_some(self.platform.version);
                stages.push(StageGoal {
                    stage: stage.name,
                    node: node.name.clone(),
                    fingerprint: fingerprint(&steps),
                    upkeep: Upkeep::of(&steps),
                    kubernetes,
                });
            }
        }
        let guests = !domains.is_empty();
        let pool = || render::pool(&session.templates, &lab.pool(), pool_id, &pool_path);
        let network = || render::network(&session.templates, lab);
        Ok(Desired {
            lab: lab.id,
            flavour,
            nodes: lab.nodes.iter().map(|node| node.name.clone()).collect(),
            pool: guests.then(pool).transpose()?,
            network: (guests && lab.network.is_own()).then(network).transpose()?,
            certificates: self.due.clone(),
            volumes: self.volumes(lab),
            domains,
            stages,
            routes: if guests { lab.host_routes() } else { BTreeMap::new() },
            uplink: session.provider.uplink(lab).filter(|_| guests),
            about: only.iter().map(|stage| stage.name).collect(),
        })
    }

    fn volumes(&self, lab: &Lab) -> Vec<(Option<String>, String)> {
        let mut shared = BTreeSet::new();
        if !self.layout.local && lab.guests().next().is_some() {
            for image in lab.systems().into_iter().filter_map(|os| self.platform.images.get(os)) {
                shared.insert(format!("{}.qcow2", image.volume()));
                if image.direct_boot {
                    shared.insert(format!("{}.vmlinuz", image.volume()));
                    shared.insert(format!("{}.initrd", image.volume()));
                }
            }
            shared.extend(self.platform.artifact_volume());
        }
        let own = lab.guests().flat_map(|node| {
            let own = render::volumes_of(node).into_iter();
            own.map(|volume| (Some(node.name.clone()), volume))
        });
        shared.into_iter().map(|name| (None, name)).chain(own).collect()
    }
}

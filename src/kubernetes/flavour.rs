//! A flavour: how Kubernetes is set up, as a table of stages and of operations on what they made.

use std::net::Ipv4Addr;

use crate::kubernetes::stage::{After, Duty, Shipped, Stage};
use crate::model::{Lab, Node};
use crate::render::{RenderError, Templates};

/// One way to set Kubernetes up.
#[derive(Debug)]
pub struct Flavour {
    /// Its name in topologies.
    pub name: &'static str,
    /// The bootstrap, in the order it is told.
    pub stages: &'static [Stage],
    /// Templates that no stage has for itself alone.
    pub templates: Shipped,
    /// What a running cluster is asked for.
    pub operations: Operations,
    /// Binaries without which it cannot be set up.
    pub binaries: &'static [&'static str],
    /// The binary by which people talk to the cluster.
    pub client: &'static str,
}

/// What makes a script: it is a template, so it may fail.
pub type Script = Result<String, RenderError>;

/// What the engine has nodes do when others come, go or change. Scripts, for a node that is told; each
/// may be cut anywhere and goes on when it is run again.
#[derive(Debug)]
pub struct Operations {
    /// Of a node with [`Duty::Api`]: the pods of a node move away, and Kubernetes forgets it.
    pub drain: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Api`]: Kubernetes forgets a node whose pods nobody moves.
    pub forget: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Api`]: a node gets no more pods, and its own move away.
    pub close: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Api`]: a node takes pods again once it is ready, where we closed it.
    pub open: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Member`]: another one, known by name or address, is a member no more.
    pub leave: fn(&Templates, &str, Option<Ipv4Addr>) -> Script,
    /// Of the node itself: waits until all of its `serves` conditions, joined by `&&`, hold.
    pub settle: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Api`]: prints each node's name and whether it is ready.
    pub readiness: fn(&Templates) -> Script,
    /// How a member is written down that founds the cluster.
    pub founder: fn(&Node) -> String,
}

impl Flavour {
    /// The stage of that name.
    pub fn stage(&self, name: &str) -> Option<&'static Stage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// True when one of the stages named has `duty`.
    pub fn has<'n>(&self, names: impl IntoIterator<Item = &'n String>, duty: Duty) -> bool {
        let has = |name: &String| self.stage(name).is_some_and(|stage| stage.has(duty));
        names.into_iter().any(has)
    }

    /// The stage that makes a unit, by the unit's name with or without `.service`.
    pub fn stage_of_unit(&self, unit: &str) -> Option<&'static Stage> {
        let bare = |unit: &str| unit.trim_end_matches(".service").to_owned();
        let makes = |stage: &&Stage| stage.retire.units.iter().any(|own| bare(own) == bare(unit));
        self.stages.iter().find(makes)
    }

    /// `stage` and everything it needs, directly or not.
    pub fn with_needs(&self, stage: &'static Stage) -> Vec<&'static Stage> {
        let mut wanted = vec![stage.name];
        let mut at = 0;
        while let Some(name) = wanted.get(at).copied() {
            at += 1;
            for need in self.stage(name).map_or(&[][..], |stage| stage.after) {
                let (After::SameNode(name) | After::AllNodes(name)) = need;
                if !wanted.contains(name) {
                    wanted.push(name);
                }
            }
        }
        self.stages.iter().filter(|stage| wanted.contains(&stage.name)).collect()
    }

    /// Where in the bootstrap others first wait for `node`, as an index of `stages`: the lower, the more
    /// depends on its being there soon.
    pub fn first_awaited(&self, lab: &Lab, node: &Node) -> usize {
        let after = |name| self.stages.iter().any(|s| s.after.contains(&After::AllNodes(name)));
        let has = |stage: &Stage| (stage.nodes)(lab).iter().any(|other| other.name == node.name);
        let first = self.stages.iter().position(|stage| after(stage.name) && has(stage));
        first.unwrap_or(self.stages.len())
    }

    /// Script that waits until a node that was started again serves the cluster as before.
    ///
    /// # Errors
    /// When the template cannot be rendered.
    pub fn settle(&self, templates: &Templates, lab: &Lab, node: &Node) -> Script {
        let has = |stage: &&Stage| (stage.nodes)(lab).iter().any(|other| other.name == node.name);
        let all = self.stages.iter().filter(has).filter_map(|stage| stage.serves);
        let all = all.collect::<Vec<_>>().join(" && ");
        (self.operations.settle)(templates, if all.is_empty() { "true" } else { &all })
    }
}

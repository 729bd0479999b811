//! A flavour: how Kubernetes is set up, as a table of stages and of operations on what they made.

use std::net::Ipv4Addr;

use crate::kubernetes::checks::{Check, Health, Needs, Plan, needs};
use crate::kubernetes::stage::{After, Duty, Shipped, Stage, StageError};
use crate::model::user::Grant;
use crate::model::{Lab, Node, Version};
use crate::pki::{Bundle, LeafSpec, Root};
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
    /// Certificates that a lab of its kind needs.
    pub certificates: fn(&Lab) -> Vec<LeafSpec>,
    /// Binaries without which it cannot be set up; the first one's version is the lab's.
    pub binaries: &'static [&'static str],
    /// Container images that the cluster itself runs from, by their names in the registry.
    pub images: fn(Version) -> Vec<String>,
    /// The binary by which people talk to the cluster.
    pub client: &'static str,
    /// True when a node may get and lose the roles of controllers and workers while it stays.
    pub roles_come_and_go: bool,
    /// How the CIS Benchmark's questions are asked of it.
    pub benchmark: Benchmark,
}

/// Where a flavour differs from what the benchmark's table says.
#[derive(Clone, Copy, Debug)]
pub struct Benchmark {
    /// Paths of the table, and where these files are.
    pub moved: &'static [(&'static str, &'static str)],
    /// Numbers of rules that also hold where nothing is said, since the value asked for is the default.
    pub by_default: &'static [&'static str],
    /// Numbers of rules that cannot be asked.
    pub without: &'static [&'static str],
}

impl Benchmark {
    /// As the table has it.
    pub const PLAIN: Self = Self { moved: &[], by_default: &[], without: &[] };

    /// What a rule asks for, with the paths of the flavour.
    pub fn place(&self, arguments: &str) -> String {
        let all = self.moved.iter();
        all.fold(arguments.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

impl Flavour {
    /// False where nothing of Kubernetes is set up.
    pub fn is_a_cluster(&self) -> bool {
        !self.binaries.is_empty()
    }
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
    /// Of a node with [`Duty::Member`]: how the member fares, for [`etcd::parse`](crate::kubernetes::operations::etcd::parse).
    pub survey: fn(&Templates) -> Script,
    /// Of a node with [`Duty::Member`]: its data is put aside under a word, and it joins anew.
    pub set_aside: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Member`]: it is the whole cluster from now on; what it had is kept under a word.
    pub refound: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Member`]: prints all that the cluster knows, compressed.
    pub save: fn(&Templates) -> Script,
    /// Of a node with [`Duty::Member`]: what was saved becomes its data, beside what it has, for a cluster with a token.
    pub unpack: fn(&Templates, &Node, &str) -> Script,
    /// Of a node with [`Duty::Member`]: it begins with that, alone; what it had is kept under a word.
    pub load: fn(&Templates, &str) -> Script,
    /// Of any node: whoever watches the API begins anew.
    pub news: fn(&Templates) -> Script,
    /// Of a node with [`Duty::Api`]: stops or starts its API server, by systemd's word.
    pub api: fn(&Templates, &str) -> Script,
    /// Of a node with [`Duty::Api`]: a person may do something.
    pub admit: fn(&Templates, &Grant) -> Script,
    /// Of a node with [`Duty::Api`]: a person may do nothing any more of what [`Operations::admit`] gave; prints that.
    pub dismiss: fn(&Templates, &str) -> Script,
    /// What the cluster is asked for once all nodes have a phase of a rotation, in this order.
    pub rotated: fn(&Templates, &Bundle, Root) -> Result<Vec<Aftermath>, StageError>,
}

/// Something that follows from a change that all nodes have by now.
#[derive(Debug)]
pub struct Aftermath {
    /// What is done, for people.
    pub title: &'static str,
    /// Where.
    pub at: Where,
    /// How; it may be done again.
    pub script: String,
    /// What a person should know then.
    pub note: Option<&'static str>,
}

/// Nodes, by what the cluster has of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// One of those.
    Any(Duty),
    /// All of those, one after the other.
    Every(Duty),
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

    /// The stage that makes a unit, or has it run, by the unit's name with or without `.service`.
    pub fn stage_of_unit(&self, unit: &str) -> Option<&'static Stage> {
        let bare = |unit: &str| unit.trim_end_matches(".service").to_owned();
        let has = |stage: &&Stage| stage.units.iter().any(|own| bare(own) == bare(unit));
        self.stages.iter().find(has)
    }

    /// The stages that a node goes through, in their order.
    pub fn stages_of<'l>(
        &self,
        lab: &'l Lab,
        node: &'l Node,
    ) -> impl Iterator<Item = &'static Stage> + use<'l> {
        self.stages.iter().filter(|stage| stage.is_on(lab, node))
    }

    /// Every check of a lab, stage by stage.
    ///
    /// # Errors
    /// When a script cannot be rendered.
    pub fn checks(&self, lab: &Lab, templates: &Templates) -> Result<Plan, RenderError> {
        let mut all = Plan::default();
        for stage in self.stages {
            all.extend(stage.plan(lab, templates)?);
        }
        Ok(all)
    }

    /// What must hold once a lab is restored: of the stages that had been gone through together with all
    /// that they need. Nodes in `restarted` have started anew.
    ///
    /// # Errors
    /// When a script cannot be rendered.
    pub fn restored(
        &self,
        lab: &Lab,
        templates: &Templates,
        reached: &dyn Fn(&str) -> bool,
        restarted: &[&str],
    ) -> Result<Vec<Check>, RenderError> {
        let done = |stage: &Stage| (stage.nodes)(lab).is_empty() || reached(stage.name);
        let mut all = Plan::default();
        for stage in self.stages {
            if self.with_needs(stage).into_iter().all(done) {
                all.extend((stage.checks)(&stage.scope(lab, templates, restarted))?);
            }
        }
        Ok(all.health(Health::Restore))
    }

    /// The stage by which every node begins.
    pub fn beginning(&self) -> Option<&'static Stage> {
        self.stages.iter().find(|stage| stage.begins)
    }

    /// Whether nodes are fit for the stages that they go through, node by node.
    ///
    /// # Errors
    /// When a script cannot be rendered.
    pub fn inspection(&self, lab: &Lab, templates: &Templates) -> Result<Plan, RenderError> {
        let mut all = Plan::default();
        for node in &lab.nodes {
            let stages: Vec<&Stage> = self.stages_of(lab, node).collect();
            let needs: Vec<Needs> = stages.iter().map(|stage| (stage.needs)(lab, node)).collect();
            for stage in stages {
                let scope = stage.scope(lab, templates, &[]);
                all.nodes.extend((stage.inspect)(&scope, node)?);
                // What the system is comes first, then what all stages need of it together.
                if stage.begins {
                    all.nodes.extend(needs::checks(&scope, node, &needs)?);
                }
            }
        }
        Ok(all)
    }

    /// Script that prints what a node knows of itself, for [`node_info::parse`](crate::kubernetes::node_info::parse).
    /// Changes nothing.
    ///
    /// # Errors
    /// When a template cannot be rendered.
    pub fn node_info(&self, lab: &Lab, templates: &Templates, node: &Node) -> Script {
        let mut text = String::from("set +e\n");
        for stage in self.stages_of(lab, node) {
            text.push_str(&(stage.info)(&stage.scope(lab, templates, &[]), node)?);
        }
        Ok(text + "exit 0\n")
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
        let first =
            self.stages.iter().position(|stage| after(stage.name) && stage.is_on(lab, node));
        first.unwrap_or(self.stages.len())
    }

    /// Script that waits until a node that was started again serves the cluster as before.
    ///
    /// # Errors
    /// When the template cannot be rendered.
    pub fn settle(&self, templates: &Templates, lab: &Lab, node: &Node) -> Script {
        let all = self.stages_of(lab, node).filter_map(|stage| stage.serves);
        let all = all.collect::<Vec<_>>().join(" && ");
        (self.operations.settle)(templates, if all.is_empty() { "true" } else { &all })
    }
}

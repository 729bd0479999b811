//! What leaves: stages of nodes that stay, nodes, machines that are given back.

use crate::engine::apply::run::{Run, is_removal, makes_nodes};
use crate::engine::machines::existing::Lent;
use crate::engine::machines::provision;
use crate::engine::task::error::EngineError;
use crate::kubernetes::operations::retire;
use crate::model::code;
use crate::plan::{Change, ChangeKind, Object};

impl Run {
    /// What leaves goes last: by now nobody counts on it any more.
    pub(super) async fn retire_and_remove(&self) -> Result<(), EngineError> {
        for change in self.changes.iter().filter(|change| change.kind == ChangeKind::Retire) {
            let node = change.node.as_deref().and_then(|name| self.session.lab.node(name));
            let (Some(node), Some(stage)) = (node, self.stage(&change.name)) else { continue };
            let task = format!("retire {}", stage.name);
            let guest = (self.reach)(node);
            let context = self.prepared.context(&self.session);
            let script = retire::script(self.session.flavour(), stage, &context, node)?;
            let output = self.events.timed(Some(&node.name), &task, guest.run(&script)).await?;
            if output.status != 0 {
                let text = output.text();
                return Err(EngineError::of(
                    &code::STEP,
                    format!("take the stage {} off {}: {}", stage.name, node.name, text.trim()),
                ));
            }
        }
        // Nodes that leave made room for those that come.
        let are_gone = makes_nodes(&self.changes);
        let removals = self.changes.iter().filter(|change| is_removal(change));
        for change in removals.filter(|change| !are_gone || change.leaving().is_none()) {
            if change.object == Object::Machine {
                self.give_back(&change.name).await?;
                continue;
            }
            let task = format!("{} {}", change.object, change.name);
            let (session, desired) = (&self.session, &self.desired);
            let work = provision::shared(session, &self.prepared, desired, &self.provider, change);
            self.events.timed(None, &task, work).await?;
        }
        self.session.forget(self.changes.iter().filter_map(Change::leaving))
    }

    /// A machine that left the topology is as it was before the lab. One that is gone is left out.
    async fn give_back(&self, name: &str) -> Result<(), EngineError> {
        let session = &self.session;
        let Some(node) = session.leaving.iter().find(|node| node.name == name) else {
            return Ok(());
        };
        let lent = Lent::new(session, &self.prepared, &self.reach, node)?;
        match self.events.timed(Some(name), "give back", lent.give_back()).await {
            Ok(stays) => stays.into_iter().for_each(|stays| self.events.note(stays)),
            Err(error) if *error.code == code::UNREACHABLE => {
                self.events.warn(format!("{name} is left as it is: {}", error.message));
            }
            Err(error) => return Err(error),
        }
        session.forget_machine(name)
    }
}

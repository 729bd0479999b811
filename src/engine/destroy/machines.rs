//! Machines that are there anyway are given back when their lab goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::engine::lab::open::Session;
use crate::engine::lab::prepare::unprepared;
use crate::engine::lab::reach::Reach;
use crate::engine::machines::existing::{Lent, Standing, standings};
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::kubernetes::operations::machine;
use crate::model::code;
use crate::model::inventory::FoundMachine;

/// Machines of a lab, and whose they are.
#[derive(Default)]
pub(super) struct Machines {
    mine: String,
    lent: Vec<Lent>,
    standings: BTreeMap<String, Standing>,
}

impl Machines {
    /// Those of a lab, also those that left it.
    pub fn of(session: &Session, reach: &Reach) -> Result<Self, EngineError> {
        let prepared = unprepared(session)?;
        let nodes = session.lab.machines().chain(&session.leaving);
        let lent = nodes.map(|node| Lent::new(session, &prepared, reach, node));
        Ok(Self {
            mine: machine::owner(&session.lab),
            lent: lent.collect::<Result<_, _>>()?,
            standings: BTreeMap::new(),
        })
    }

    /// Asks them, and gives those that are nodes.
    pub async fn look(&mut self, lab: Uuid) -> Vec<FoundMachine> {
        let guests = self.lent.iter().map(|lent| (lent.node.clone(), Arc::clone(&lent.guest)));
        self.standings = standings(&self.mine, guests).await;
        let ours = self.standings.iter().filter(|(_, standing)| matches!(standing, Standing::Ours));
        ours.map(|(node, _)| FoundMachine { lab, node: node.clone() }).collect()
    }

    /// Those that do not say whose they are, each with the reason.
    pub fn silent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.standings.iter().filter_map(|(name, standing)| match standing {
            Standing::Silent(error) => Some((name.as_str(), error.message.as_str())),
            _ => None,
        })
    }

    /// Gives these back, side by side.
    ///
    /// # Errors
    /// The first one that cannot be; the others were.
    pub async fn give_back(&self, names: &[&str], events: &Events) -> Result<(), EngineError> {
        let mut running = tokio::task::JoinSet::new();
        for lent in self.lent.iter().filter(|lent| names.contains(&lent.node.as_str())) {
            let (lent, events) = (lent.clone(), events.clone());
            running.spawn(async move {
                let name = lent.node.clone();
                let done = events.timed(Some(&name), "give back", lent.give_back()).await;
                match done {
                    Err(error) if *error.code == code::UNREACHABLE => {
                        events.warn(format!("{name} is left as it is: {}", error.message));
                        Ok(None)
                    }
                    done => done,
                }
            });
        }
        let mut failed = None;
        while let Some(done) = running.join_next().await {
            match done.map_err(|error| EngineError::internal(format!("give back: {error}"))) {
                Ok(Ok(stays)) => stays.into_iter().for_each(|stays| events.note(stays)),
                Ok(Err(error)) | Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

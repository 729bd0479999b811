//! Waiting for guests that boot. One that stops by itself or hangs is started again: emulators do crash,
//! and under them kernels do stand still before they have said a word.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::drivers::guest::{Guest, Output};
use crate::drivers::provider::{Activity, Provider};
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::model::inventory::MachineState;
use crate::model::{Lab, Node, code};

/// How often a guest that stops or hangs while it boots is started again.
const STARTS: u32 = 2;
/// Between two looks at a guest that boots.
const GLIMPSE: Duration = Duration::from_secs(5);

/// However impatient a topology is: boot menus wait that long, and kernels unpack what they begin with.
const SHORTEST: Duration = Duration::from_secs(30);
const LEAST: Duration = Duration::from_secs(15);

/// A node that boots.
pub(crate) struct Boot {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) node: Node,
    events: Events,
    /// What a guest may take until it answers.
    patience: Duration,
}

/// Why a guest will not answer.
enum Fault {
    /// It no longer runs.
    Off,
    /// It runs, and has done nothing for that long.
    Hangs(Duration),
}

impl Boot {
    /// A boot of one of the lab's nodes.
    pub(crate) fn of(
        provider: &Arc<dyn Provider>,
        events: &Events,
        lab: &Lab,
        node: &Node,
    ) -> Self {
        Self {
            provider: Arc::clone(provider),
            node: node.clone(),
            events: events.clone(),
            patience: lab.options.boot_patience(),
        }
    }

    /// What `script` says once the guest lets us in.
    ///
    /// # Errors
    /// When the guest does not answer in time, or stops or hangs again and again.
    pub(crate) async fn run(&self, guest: &dyn Guest, script: &str) -> Result<Output, EngineError> {
        let mut starts = 0;
        loop {
            let fault = tokio::select! {
                output = guest.run(script) => match output {
                    Ok(output) => return Ok(output),
                    Err(error) => return Err(self.told(error.into()).await),
                },
                fault = self.fault() => fault,
            };
            starts += 1;
            if starts > STARTS {
                return Err(again_and_again(&fault));
            }
            self.start_again(&fault).await?;
            guest.hang_up().await?;
        }
    }

    /// An error with what the guest did meanwhile: whether it lives is the first question.
    async fn told(&self, error: EngineError) -> EngineError {
        let uuid = self.node.uuid;
        let asked =
            tokio::time::timeout(GLIMPSE, call(&self.provider, move |h| h.power()?.activity(uuid)));
        let Ok(Ok(Some(activity))) = asked.await else { return error };
        let did = format!(
            "since its start the guest used {} s of processor time, and made {} disk requests and packets",
            activity.cpu.as_secs(),
            activity.io
        );
        EngineError { message: format!("{} ({did})", error.message), ..error }
    }

    async fn start_again(&self, fault: &Fault) -> Result<(), EngineError> {
        let (name, uuid) = (&self.node.name, self.node.uuid);
        let text = match fault {
            Fault::Off => format!("{name}: the guest stopped by itself; starting it again"),
            Fault::Hangs(still) => format!(
                "{name}: the guest hangs: no disk read, no packet sent for {} s; starting it again",
                still.as_secs()
            ),
        };
        self.events.warn(text);
        call(&self.provider, move |h| {
            let power = h.power()?;
            power.stop(uuid)?;
            power.start(uuid)
        })
        .await
    }

    /// Returns once the guest has stopped or hangs.
    async fn fault(&self) -> Fault {
        let uuid = self.node.uuid;
        let ask = || Box::pin(call(&self.provider, move |h| h.power()?.activity(uuid)));
        let (mut watch, mut activity) = (Watch::new(self.patience, Instant::now()), ask());
        loop {
            tokio::time::sleep(GLIMPSE).await;
            let seen = call(&self.provider, |h| h.inventory()).await;
            match seen.ok().and_then(|all| all.machine(&self.node)) {
                Some(MachineState::Stopped) => return Fault::Off,
                // One that somebody holds does nothing, and does not hang.
                Some(MachineState::Paused) => watch = Watch::new(self.patience, Instant::now()),
                _ => {}
            }
            // One question at a time: an emulator that does not answer holds whoever asks.
            if let Ok(seen) = tokio::time::timeout(GLIMPSE, &mut activity).await {
                watch.note(Instant::now(), seen.ok().flatten());
                activity = ask();
            }
            if let Some(still) = watch.hangs(Instant::now()) {
                return Fault::Hangs(still);
            }
        }
    }
}

fn again_and_again(fault: &Fault) -> EngineError {
    let what = match fault {
        Fault::Off => "it stopped by itself",
        Fault::Hangs(_) => "it hangs, without a disk read or a packet sent,",
    };
    EngineError::of(&code::BOOT, format!("wait for the guest: {what} again and again"))
        .hint("the last words of QEMU are in libvirt's log of the domain")
}

/// Tells a guest that hangs from one that is slow: a kernel that lives reads its disk, and later answers
/// our knocking, if only to refuse it.
struct Watch {
    patience: Duration,
    /// Of the last sign of life.
    since: Instant,
    seen: Option<Activity>,
    /// Processor time since then.
    cpu: Duration,
}

impl Watch {
    fn new(patience: Duration, since: Instant) -> Self {
        Self { patience, since, seen: None, cpu: Duration::ZERO }
    }

    fn note(&mut self, now: Instant, activity: Option<Activity>) {
        match (&self.seen, &activity) {
            (Some(before), Some(new)) if before.io == new.io => {
                self.cpu = new.cpu.saturating_sub(before.cpu);
            }
            _ => *self = Self { seen: activity, ..Self::new(self.patience, now) },
        }
    }

    /// For how long it has stood still, when that is no longer slowness. One that had little of the
    /// processor gets twice the time.
    fn hangs(&self, now: Instant) -> Option<Duration> {
        self.seen.as_ref()?;
        let still = now.duration_since(self.since);
        let (short, work) = ((self.patience / 5).max(SHORTEST), (self.patience / 10).max(LEAST));
        let computed = still >= short && self.cpu >= work;
        (computed || still >= short * 2).then_some(still)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a guest every five seconds; the second at which it is said to hang.
    fn hangs_at(activity: impl Fn(u64) -> Option<Activity>) -> Option<u64> {
        let start = Instant::now();
        let mut watch = Watch::new(Duration::from_secs(600), start);
        (0..600).step_by(5).find(|second| {
            let now = start + Duration::from_secs(*second);
            watch.note(now, activity(*second));
            watch.hangs(now).is_some()
        })
    }

    fn activity(cpu: u64, io: u64) -> Option<Activity> {
        Some(Activity { cpu: Duration::from_secs(cpu), io })
    }

    #[test]
    fn a_guest_that_computes_and_does_nothing_hangs() {
        assert_eq!(hangs_at(|second| activity(second, 0)), Some(120));
        // It read its disk for half a minute first.
        assert_eq!(hangs_at(|second| activity(second, second.min(30))), Some(150));
    }

    #[test]
    fn a_guest_that_sleeps_or_starves_gets_more_time() {
        assert_eq!(hangs_at(|_| activity(0, 7)), Some(240));
        assert_eq!(hangs_at(|second| activity(second / 3, 7)), Some(180));
        // A tenth of a processor, and a request every two minutes.
        assert_eq!(hangs_at(|second| activity(second / 10, second / 120)), None);
    }

    #[test]
    fn a_guest_of_which_nothing_is_known_is_left_alone() {
        assert_eq!(hangs_at(|_| None), None);
        // Nor one of which nothing was known for a moment.
        assert_eq!(hangs_at(|second| activity(second, 0).filter(|_| second % 100 != 0)), None);
    }
}

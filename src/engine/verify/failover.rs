//! `verify --failover`: stops every node in turn, as if its power were cut, and measures how long
//! the API and a running service need to come back. Nothing acknowledged may be lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drivers::guest::{Guest, Output};
use crate::engine::lab::open::Session;
use crate::engine::lab::reach::{Drivers, Reach};
use crate::engine::machines::boot::Boot;
use crate::engine::machines::provision::call;
use crate::engine::task::error::EngineError;
use crate::engine::task::event::Events;
use crate::engine::task::stop::Stop;
use crate::engine::verify::probe::{CheckResult, Verdict};
use crate::engine::verify::run::Say;
use crate::engine::verify::wait;
use crate::kubernetes::checks::Health;
use crate::kubernetes::failover::{self, Scripts, Trial};
use crate::model::{Node, code};

/// Patience until the API, or the service, must be back.
const COME_BACK: Duration = Duration::from_secs(600);
/// Patience until a node that was started again, and its part of the cluster, work.
const HEAL: Duration = Duration::from_secs(2400);

/// Stops every node of the lab in turn.
///
/// # Errors
/// When a node cannot be stopped or started, or the cluster does not heal: going on would measure
/// two failures at once. When it was stopped: the node that is down then is started again.
pub async fn failover(
    session: &Session,
    stop: &Stop,
    say: Say<'_>,
    events: &Events,
) -> Result<Vec<CheckResult>, EngineError> {
    let keys = session.load_keys()?;
    // Who watches is alive, and busy where guests are emulated.
    let reach = session.reach(&keys, session.timeouts().vitals())?;
    let booting = session.reach(&keys, session.lab.options.boot_patience())?;
    let provider = session.provider.connect()?;
    provider.power()?;
    let drivers = Drivers { provider, reach, again: None };
    failover_with(session, drivers, booting, stop, say, events).await
}

/// The same with given drivers; nodes that boot are reached by `booting`.
///
/// # Errors
/// As [`failover`].
pub async fn failover_with(
    session: &Session,
    drivers: Drivers,
    booting: Reach,
    stop: &Stop,
    say: Say<'_>,
    events: &Events,
) -> Result<Vec<CheckResult>, EngineError> {
    let run: u32 = rand::random();
    let run = format!("{run:08x}");
    let test = Test { session, drivers, booting, stop, events, run };
    let Some(first) = session.lab.nodes.iter().find_map(|node| failover::trial(&session.lab, node))
    else {
        return Ok(vec![test.result("failover", "", Verdict::Failed, "one controller only")]);
    };
    test.healthy().await?;
    let tried = test.each(&first, say).await;
    // What was made for it is cleared away however it ended.
    let cleared = test.tell(&first, &test.scripts(&first)?.clear).await;
    let results = tried?;
    cleared?;
    Ok(results)
}

struct Test<'s> {
    session: &'s Session,
    drivers: Drivers,
    /// With the patience that a boot takes.
    booting: Reach,
    stop: &'s Stop,
    events: &'s Events,
    run: String,
}

/// What was seen while a node was down: seconds until the API and the service were back, and the writes.
type Seen = (Option<f64>, Option<f64>, Output);

impl Test<'_> {
    /// One node after the other.
    async fn each(&self, first: &Trial, say: Say<'_>) -> Result<Vec<CheckResult>, EngineError> {
        self.ask(first, &self.scripts(first)?.prepare).await?;
        let mut results = Vec::new();
        for node in &self.session.lab.nodes {
            let made = self.without(node).await?;
            made.iter().for_each(say);
            results.extend(made);
        }
        Ok(results)
    }

    /// Everything that happens while `node` is down, and until it is back.
    async fn without(&self, node: &Node) -> Result<Vec<CheckResult>, EngineError> {
        let Some(trial) = failover::trial(&self.session.lab, node) else {
            let why = "nothing can take its place: add a second controller or worker";
            return Ok(vec![self.result("failover-api", &node.name, Verdict::Failed, why)]);
        };
        let scripts = self.scripts(&trial)?;
        self.ask(&trial, &scripts.start_writer).await?;
        let uuid = node.uuid;
        call(&self.drivers.provider, move |h| h.power()?.stop(uuid)).await?;
        let seen = self.stop.or("see what comes back", self.watch(&trial, &scripts)).await;
        // Started again even when there was nobody to tell what happened.
        call(&self.drivers.provider, move |h| h.power()?.start(uuid)).await?;
        let (api, service, writes) = seen?;
        let kept = if writes.status == 0 { Verdict::Passed } else { Verdict::Failed };
        let results = vec![
            self.timed("failover-api", node, api),
            self.timed("failover-service", node, service),
            self.result("failover-writes", &node.name, kept, &writes.text()),
        ];
        let boot = Boot::of(&self.drivers.provider, self.events, &self.session.lab, node);
        let guest = (self.booting)(node);
        self.stop.or("wait for the guest", boot.run(&*guest, "true")).await?;
        self.healthy().await?;
        Ok(results)
    }

    fn scripts(&self, trial: &Trial) -> Result<Scripts, EngineError> {
        Ok(trial.scripts(&self.session.templates, &self.run)?)
    }

    async fn watch(&self, trial: &Trial, scripts: &Scripts) -> Result<Seen, EngineError> {
        let start = Instant::now();
        let (api, service) = tokio::join!(
            self.back(trial, &scripts.ask_api, start),
            self.back(trial, &scripts.ask_service, start)
        );
        let writes = self.guest(trial)?.run(&scripts.count_writes).await?;
        Ok((api, service, writes))
    }

    fn guest(&self, trial: &Trial) -> Result<Arc<dyn Guest>, EngineError> {
        let node = self.session.lab.node(&trial.observer);
        let node = node.ok_or_else(|| EngineError::internal("find the node that watches"))?;
        Ok((self.drivers.reach)(node))
    }

    /// Has `script` run on the controller that stays, unless the run is stopped.
    async fn ask(&self, trial: &Trial, script: &str) -> Result<(), EngineError> {
        self.stop.or("prepare", self.tell(trial, script)).await
    }

    async fn tell(&self, trial: &Trial, script: &str) -> Result<(), EngineError> {
        let output = self.guest(trial)?.run(script).await?;
        if output.status == 0 {
            return Ok(());
        }
        Err(EngineError::of(
            &code::NOT_WHOLE,
            format!("prepare on {}: {}", trial.observer, output.text().trim()),
        ))
    }

    /// Seconds from `start` until the question is answered; `None` when it never is.
    async fn back(&self, trial: &Trial, question: &str, start: Instant) -> Option<f64> {
        let guest = self.guest(trial).ok()?;
        while start.elapsed() < COME_BACK {
            if guest.run(question).await.is_ok_and(|output| output.status == 0) {
                return Some(start.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        None
    }

    /// Waits until all nodes and the cluster are as they should be.
    async fn healthy(&self) -> Result<(), EngineError> {
        let plan = self.session.flavour().checks(&self.session.lab, &self.session.templates)?;
        let wanted = plan.health(Health::Failover);
        let wait = wait::wait(&self.session.lab, &self.drivers.reach, wanted, None, HEAL);
        self.stop.or("wait until all is well", wait).await
    }

    fn timed(&self, name: &str, node: &Node, seconds: Option<f64>) -> CheckResult {
        match seconds {
            Some(seconds) => {
                self.result(name, &node.name, Verdict::Passed, &format!("{seconds:.1} s"))
            }
            None => {
                let text = format!("not within {} s", COME_BACK.as_secs());
                self.result(name, &node.name, Verdict::Failed, &text)
            }
        }
    }

    fn result(&self, name: &str, node: &str, verdict: Verdict, output: &str) -> CheckResult {
        let proves = match name {
            "failover-api" => format!("without {node} the API comes back"),
            "failover-service" => format!("without {node} a running service comes back"),
            "failover-writes" => format!("without {node} nothing acknowledged is lost"),
            _ => "another node can take the place of each".into(),
        };
        CheckResult {
            name: name.into(),
            node: node.into(),
            proves,
            verdict,
            output: output.trim().into(),
            hint: failover::HINT.into(),
            quiet: false,
        }
    }
}

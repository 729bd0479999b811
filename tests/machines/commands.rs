//! What people have `lab` do, by the real engine on the machines of a [`Cluster`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use lab::engine::{
    CheckResult, Drivers, EngineError, Event, Events, Outcome, Say, Stop, UpOptions, Verdict,
    run_stage_with, up_with, verify_with,
};
use lab::kubernetes::stage::Stage;

use crate::cluster::Cluster;

/// What a run of `up` did.
pub struct Run {
    pub outcome: Outcome,
    /// Stages that were carried out, as `NODE STAGE`, each with its seconds.
    pub finished: Vec<(String, f64)>,
    /// Failures, in full.
    pub failures: Vec<String>,
    /// What it was going to do.
    pub planned: Vec<String>,
}

impl Cluster {
    /// All stages, by the real engine.
    pub fn up(&self) -> Run {
        self.up_unless(Stop::default())
    }

    /// What `up` would do: one that is stopped before its first step.
    pub fn plan(&self) -> Vec<String> {
        let stop = Stop::default();
        stop.request();
        self.up_unless(stop).planned
    }

    fn up_unless(&self, stop: Stop) -> Run {
        let session = Arc::new(self.session());
        self.secrets.keep(&session.store, &session.lab);
        let prepared = self.prepared(&session);
        let drivers =
            Drivers { provider: self.hypervisor.clone(), reach: self.reach(&session), again: None };
        let options = UpOptions { yes: true, ..UpOptions::default() };
        self.inside(async {
            let (events, mut receiver) = Events::channel();
            let up = up_with(session, prepared, drivers, options, stop, events);
            let (mut finished, mut failures, mut planned) = (Vec::new(), Vec::new(), Vec::new());
            let listen = async {
                while let Some(event) = receiver.recv().await {
                    match event {
                        Event::Finished { node: Some(node), task, seconds } => {
                            finished.push((format!("{node} {task}"), seconds));
                        }
                        Event::Planned { changes } => {
                            planned.extend(changes.iter().map(ToString::to_string));
                        }
                        Event::Failed(failure) => failures.push(format!("{failure:#?}")),
                        Event::Warning { text } => self.say(&format!("warning: {text}")),
                        _ => {}
                    }
                }
            };
            let (ended, ()) = tokio::join!(up, listen);
            let outcome = ended.unwrap_or_else(|error| panic!("{error:?}\n{}", self.consoles()));
            Run { outcome, finished, failures, planned }
        })
    }

    /// `up`, all of whose changes are made.
    pub fn up_done(&self) -> Run {
        let run = self.up();
        assert!(
            matches!(run.outcome, Outcome::Done(_)),
            "{:?}\n{}\n{}",
            run.outcome,
            run.failures.join("\n"),
            self.consoles()
        );
        run
    }

    /// `up` that finds nothing to do.
    pub fn up_unchanged(&self) {
        let run = self.up();
        assert!(matches!(run.outcome, Outcome::Unchanged), "{:?}", run.outcome);
    }

    /// Every check of `lab verify`.
    pub fn verify(&self) -> Vec<CheckResult> {
        self.verify_unless(None, &Stop::default(), &|_| {}).unwrap()
    }

    /// The checks of one stage.
    pub fn verify_stage(&self, stage: &'static Stage) -> Vec<CheckResult> {
        self.verify_unless(Some(stage), &Stop::default(), &|_| {}).unwrap()
    }

    /// Waits until the checks of a stage pass: what begins anew takes its time.
    pub fn until_verified(&self, stage: &'static Stage) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let results = self.verify_stage(stage);
            assert!(!results.is_empty());
            let bad: Vec<_> = results.iter().filter(|one| one.verdict != Verdict::Passed).collect();
            if bad.is_empty() {
                return;
            }
            if Instant::now() >= deadline {
                let pods = self.kubectl("get pods -A -o wide");
                let dns = self.kubectl_says("-n kube-system logs -l k8s-app=kube-dns --tail=20");
                panic!("{bad:#?}\n{pods}\n{dns:?}");
            }
        }
    }

    /// The checks of one stage, given up by the person when one of them was told.
    pub fn verify_until(
        &self,
        stage: &'static Stage,
        proves: &str,
    ) -> Result<Vec<CheckResult>, EngineError> {
        let stop = Stop::default();
        let say = |result: &CheckResult| {
            if result.proves.contains(proves) {
                stop.request();
            }
        };
        self.verify_unless(Some(stage), &stop, &say)
    }

    fn verify_unless(
        &self,
        stage: Option<&'static Stage>,
        stop: &Stop,
        say: Say<'_>,
    ) -> Result<Vec<CheckResult>, EngineError> {
        let session = self.session();
        let reach = self.reach(&session);
        self.inside(async { verify_with(&session, &reach, stage, stop, say).await })
    }

    /// One stage on one node, as `lab stage run` does it.
    pub fn run_stage(&self, node: &str, stage: &'static Stage) {
        let session = self.session();
        let prepared = self.prepared(&session);
        let node = session.lab.node(node).unwrap();
        let guest = self.reach(&session)(node);
        let done = self.inside(async {
            let (events, mut receiver) = Events::channel();
            let (stop, what) = (Stop::default(), (node, stage));
            let done = run_stage_with(&session, &prepared, &*guest, what, &stop, &events).await;
            drop(events);
            while let Some(event) = receiver.recv().await {
                if let Event::Failed(failure) = event {
                    self.say(&format!("{failure:#?}"));
                }
            }
            done
        });
        assert!(done.unwrap(), "stage {} failed on {}", stage.name, node.name);
    }
}

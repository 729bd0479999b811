//! Events as lines: one per node and stage, for people; each event as JSON, for programs; both
//! into the run's log.

pub(crate) mod live;
pub(crate) mod signals;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, draw_foot, info, paint, print_one_of_many, table};
use crate::engine::{EngineError, Event, Events, Failure, Trouble};
use live::{BEAT, Live};

/// A reader of events.
pub(super) struct Progress {
    verbose: bool,
    quiet: bool,
    json: bool,
    log: Option<File>,
    start: Instant,
    /// Seconds by task, over all nodes: the longest counts.
    times: BTreeMap<String, (usize, f64, f64)>,
    order: Vec<String>,
    /// What runs now, on a terminal of a person who reads along.
    live: Option<Live>,
}

/// Has what `work` says be told as `global` asks, while it is done.
pub(super) async fn telling<T>(global: &Global, work: impl AsyncFnOnce(&Events) -> T) -> T {
    let (events, receiver) = Events::channel();
    let reader = tokio::spawn(Progress::new(global, None).read(receiver));
    let done = work(&events).await;
    drop(events);
    let _ = reader.await;
    done
}

impl Progress {
    /// A reader that prints as `global` asks, and writes all of it to `log`.
    pub fn new(global: &Global, log: Option<File>) -> Self {
        Self {
            verbose: global.verbose,
            quiet: global.quiet,
            json: global.output == Format::Json,
            log,
            start: Instant::now(),
            times: BTreeMap::new(),
            order: Vec::new(),
            live: if global.quiet || global.verbose { None } else { Live::new() },
        }
    }

    /// Reads until the engine is done.
    pub async fn read(mut self, mut events: tokio::sync::mpsc::UnboundedReceiver<Event>) -> Self {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.one(&event),
                    None => break,
                },
                _ = beat.tick(), if self.live.is_some() => {}
            }
            if let Some(live) = &self.live {
                live.draw();
            }
        }
        if self.live.is_some() {
            draw_foot(&[]);
        }
        self
    }

    fn one(&mut self, event: &Event) {
        if let Some(log) = &mut self.log {
            let json = serde_json::to_string(event).unwrap_or_default();
            let _ = writeln!(log, "{:8.1} {json}", self.start.elapsed().as_secs_f64());
        }
        if let Event::Finished { task, seconds, .. } = event {
            self.count(task, *seconds);
        }
        let line = if self.json { None } else { self.line(event) };
        if let Some(live) = &mut self.live {
            live.hear(event);
        }
        if self.json {
            print_one_of_many(event);
        } else if let Some(line) = line {
            info(&line);
        }
    }

    fn count(&mut self, task: &str, seconds: f64) {
        if !self.times.contains_key(task) {
            self.order.push(task.to_owned());
        }
        let entry = self.times.entry(task.to_owned()).or_insert((0, 0.0, 0.0));
        *entry = (entry.0 + 1, entry.1.max(seconds), entry.2 + seconds);
    }

    fn line(&self, event: &Event) -> Option<String> {
        let clock = format!("{:6.1}s", self.start.elapsed().as_secs_f64());
        let place = |node: &Option<String>, task: &str| match node {
            Some(node) => format!("{node:<14} {task}"),
            None => format!("{:<14} {task}", "lab"),
        };
        match event {
            Event::Failed(failure) => Some(describe(failure)),
            Event::Warning { text } => Some(format!("{}: {text}", paint("1;33", "warning"))),
            _ if self.quiet => None,
            Event::Note { text } => Some(format!("{clock}  {text}")),
            Event::Planned { changes } => {
                Some(format!("{clock}  {} to make", counted(changes.len(), "change")))
            }
            Event::Finished { node, task, seconds } => Some(format!(
                "{clock}  {} {} {}",
                paint("32", "ok"),
                place(node, task),
                paint("2", &format!("({seconds:.1} s)"))
            )),
            Event::Skipped { node, task } => Some(format!(
                "{clock}  {} {}",
                paint("33", "--"),
                place(&Some(node.clone()), &format!("{task} skipped"))
            )),
            Event::Started { node, task } if self.verbose => {
                Some(format!("{clock}  .. {}", place(node, task)))
            }
            Event::Step { node, task, step } if self.verbose => {
                Some(format!("{clock}     {node:<14} {task}: {step}"))
            }
            _ => None,
        }
    }

    /// The end of the run, for its log and for programs; people are told by the command itself.
    pub fn ended(&mut self, outcome: &'static str, error: Option<&EngineError>) {
        self.one(&Event::Ended { outcome, error: error.map(Trouble::from) });
    }

    /// Seconds by task, as a table, and the whole run.
    pub fn timings(&self) -> String {
        let mut rows = vec![["phase", "nodes", "longest", "sum"].map(String::from).to_vec()];
        for task in &self.order {
            if let Some((count, longest, sum)) = self.times.get(task) {
                rows.push(vec![
                    task.clone(),
                    count.to_string(),
                    format!("{longest:.1} s"),
                    format!("{sum:.1} s"),
                ]);
            }
        }
        let total = self.start.elapsed().as_secs_f64();
        rows.push(vec!["whole run".into(), String::new(), format!("{total:.1} s"), String::new()]);
        table(&rows)
    }
}

/// A failure as text: where, what, the last lines that matter, what next.
pub(super) fn describe(failure: &Failure) -> String {
    let node = failure.node.as_deref().unwrap_or("lab");
    let failed = paint("1;31", &format!("failed[{}]", failure.code));
    let mut text = format!("{failed}: {node}: {}", failure.task);
    if let Some(step) = &failure.step {
        text.push_str(&format!(": {step}"));
    }
    text.push_str(&format!("\n  {}", failure.message));
    if let Some(tail) = &failure.tail {
        for line in tail.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev() {
            text.push_str(&format!("\n  | {line}"));
        }
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n  next: {hint}"));
    }
    text
}

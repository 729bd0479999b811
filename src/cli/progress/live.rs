//! What runs now, at the foot of a terminal: a line per piece of work, drawn anew while it lasts.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use crate::cli::output::{draw_foot, paint};
use crate::engine::Event;

/// Between two drawings.
pub(crate) const BEAT: Duration = Duration::from_millis(500);

/// A piece of work under way.
struct Work {
    since: Instant,
    step: String,
}

/// Which piece of work it is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// `lab` for the whole lab.
    node: String,
    task: String,
}

/// The foot of a terminal.
pub(crate) struct Live {
    works: BTreeMap<Key, Work>,
}

impl Live {
    /// A foot, where standard error is a terminal.
    pub fn new() -> Option<Self> {
        let terminal = std::io::stderr().is_terminal();
        terminal.then(|| Self { works: BTreeMap::new() })
    }

    /// Remembers what an event tells of work under way.
    pub fn hear(&mut self, event: &Event) {
        let key = |node: &Option<String>, task: &str| {
            let node = node.clone().unwrap_or_else(|| "lab".into());
            Key { node, task: task.to_owned() }
        };
        match event {
            Event::Started { node, task } => {
                let work = Work { since: Instant::now(), step: String::new() };
                self.works.insert(key(node, task), work);
            }
            Event::Step { node, task, step } => {
                if let Some(work) = self.works.get_mut(&key(&Some(node.clone()), task)) {
                    work.step.clone_from(step);
                }
            }
            Event::Finished { node, task, .. } => drop(self.works.remove(&key(node, task))),
            Event::Failed(failure) => drop(self.works.remove(&key(&failure.node, &failure.task))),
            _ => {}
        }
    }

    /// Draws the foot, in place of the one before.
    pub fn draw(&self) {
        let (width, height) = tcgetwinsize(std::io::stderr())
            .map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)))
            // A terminal that does not know its size says nothing of it.
            .ok()
            .filter(|(width, height)| *width > 0 && *height > 0)
            .unwrap_or((80, 24));
        let lines = lines(&self.works, Instant::now(), width.max(20), (height / 2).max(3));
        let lines: Vec<String> = lines.iter().map(|line| paint("2", line)).collect();
        draw_foot(&lines);
    }
}

/// The longest under way first: everybody waits for it. None wider than the terminal.
fn lines(works: &BTreeMap<Key, Work>, now: Instant, width: usize, limit: usize) -> Vec<String> {
    let mut all: Vec<(f64, String)> = works
        .iter()
        .map(|(Key { node, task }, work)| {
            let seconds = now.saturating_duration_since(work.since).as_secs_f64();
            let step =
                if work.step.is_empty() { String::new() } else { format!(": {}", work.step) };
            (seconds, format!("  {seconds:5.0}s  {node:<14} {task}{step}"))
        })
        .collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    let more = all.len().saturating_sub(limit);
    let mut lines: Vec<String> = all.into_iter().take(limit).map(|(_, line)| line).collect();
    if more > 0 {
        lines.push(format!("          and {more} more"));
    }
    // The last column stays free: a terminal that wraps there would count another line.
    lines.iter().map(|line| line.chars().take(width - 1).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_comes_first_and_nothing_is_wider_than_the_terminal() {
        let start = Instant::now();
        let work = |age: u64, step: &str| Work {
            since: start - Duration::from_secs(age),
            step: step.into(),
        };
        let key = |node: &str, task: &str| Key { node: node.into(), task: task.into() };
        let works: BTreeMap<_, _> = [
            (key("a", "os"), work(1, "")),
            (key("b", "etcd"), work(60, "wait until this etcd member is healthy")),
            (key("c", "boot"), work(5, "")),
        ]
        .into();
        let found = lines(&works, start, 40, 2);
        assert_eq!(found[0], "     60s  b              etcd: wait unt");
        assert!(found[1].ends_with("c              boot") && found[2].contains("and 1 more"));
        assert!(found.iter().all(|line| line.chars().count() < 40));
    }

    #[test]
    fn work_is_forgotten_when_it_ends() {
        let mut live = Live { works: BTreeMap::new() };
        let node = Some("a".to_owned());
        live.hear(&Event::Started { node: node.clone(), task: "os".into() });
        live.hear(&Event::Step {
            node: "a".into(),
            task: "os".into(),
            step: "turn swap off".into(),
        });
        assert_eq!(live.works.len(), 1);
        assert_eq!(live.works.values().next().map(|w| w.step.as_str()), Some("turn swap off"));
        live.hear(&Event::Finished { node, task: "os".into(), seconds: 1.0 });
        assert!(live.works.is_empty());
    }
}

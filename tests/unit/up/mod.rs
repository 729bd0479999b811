//! `up` on drivers that keep everything in memory: what it does, in which order, and what it refuses.

mod copies;
mod details;
mod disks;
mod edits;
mod failures;
mod others;
mod runs;
mod sizes;
mod upgrades;

use lab::engine::Event;
use lab::plan::Change;

/// Where a node's task first `begins` or ends among the events.
fn place(events: &[Event], begins: bool, task: &str, node: &str) -> usize {
    let found = events.iter().position(|event| match event {
        Event::Started { node: Some(n), task: t } if begins => n == node && t == task,
        Event::Finished { node: Some(n), task: t, .. } if !begins => n == node && t == task,
        _ => false,
    });
    found.unwrap_or_else(|| panic!("{task} of {node}: {events:#?}"))
}

/// Warnings of a run.
fn warnings<'a>(events: &'a [Event]) -> Vec<&'a String> {
    let warning = |event: &'a Event| match event {
        Event::Warning { text } => Some(text),
        _ => None,
    };
    events.iter().filter_map(warning).collect()
}

/// Tasks that ended, with their nodes, in their order.
fn finished(events: &[Event]) -> Vec<String> {
    let task = |event: &Event| match event {
        Event::Finished { node, task, .. } => {
            Some(format!("{task} {}", node.as_deref().unwrap_or_default()).trim().to_owned())
        }
        _ => None,
    };
    events.iter().filter_map(task).collect()
}

/// Changes as a plan shows them.
fn shown(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

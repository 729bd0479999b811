//! The firewall of nodes, and what it opens besides the ports of stages.

use std::collections::BTreeSet;

use crate::model::code;
use crate::model::opening::Opening;
use crate::model::topology::given::{Given, Value, text};
use crate::model::topology::problem::Problem;

const FIELD: &str = "open_ports";

/// Whether nodes have one.
pub(super) fn is_on(root: &Given) -> bool {
    text(root.get("firewall")) == Some("on")
}

/// What each says is opened, added up.
pub(super) fn open_ports(all: [Option<&Given>; 3]) -> BTreeSet<Opening> {
    let lists = all.into_iter().flatten().filter_map(|given| given.get(FIELD));
    let texts = lists.flat_map(Given::items).filter_map(Given::text);
    texts.filter_map(|text| Opening::parse(text).ok()).collect()
}

/// Refuses ports that are opened where nothing shuts them.
pub(super) fn refuse_without(root: &Given, problems: &mut Vec<Problem>) {
    // Of a word that was refused nobody knows what was meant.
    let is_refused = matches!(root.get("firewall"), Some(Given { value: Value::Refused, .. }));
    if is_on(root) || is_refused {
        return;
    }
    let all = root.get("defaults").into_iter().chain(root.of_nodes()).flat_map(Given::entries);
    for entry in all.filter(|entry| entry.key == FIELD) {
        let message = "ports are opened, and no firewall shuts the others";
        let problem = Problem::error(&code::NO_FIREWALL, &entry.key_span, message);
        problems.push(problem.help("write `firewall: on` at the top, or remove `open_ports`"));
    }
}

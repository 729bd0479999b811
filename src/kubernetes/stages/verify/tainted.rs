//! Workers and what keeps pods off them by the topology's own word: pods of checks come all the same.

use serde::Serialize;

use crate::model::Node;

/// A worker's name, and the taints that the topology has for it.
pub(super) type Tainted<'a> = (&'a str, Vec<Parts<'a>>);

/// A taint in its parts.
#[derive(Serialize)]
pub(super) struct Parts<'a> {
    key: &'a str,
    value: &'a str,
    effect: &'a str,
}

pub(super) fn tainted(node: &Node) -> Tainted<'_> {
    let all = node.told.taints.iter();
    let parts =
        all.map(|taint| Parts { key: &taint.key, value: &taint.value, effect: taint.effect });
    (&node.name, parts.collect())
}

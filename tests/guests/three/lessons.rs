//! README's list and the workshop's pages, typed as a learner does: the program's own commands. What pages ask
//! of nodes, break and mend is typed on machines (tests/machines/lessons.rs), and on guests by `make test-full`.

use lab::kubernetes::DEFAULT;

use super::{chapter, nothing_to_do};
use crate::pages;
use crate::rig::documents::looks_at_nodes;

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn where_to_look_is_as_told() {
    chapter(|rig| {
        pages::only_look(rig);
        let lab = rig.resolved();
        for stage in DEFAULT.stages.iter().filter(|stage| !(stage.nodes)(&lab).is_empty()) {
            pages::looks(rig, stage.name, |line| !looks_at_nodes(line));
        }
        nothing_to_do(rig, &["up"]);
    });
}

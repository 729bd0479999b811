//! The pages of the workshop and README's list, typed as a learner does: where to look. What pages break, and
//! its cure, is typed on machines (tests/machines/lessons.rs), and on guests by `make test-full`.

use lab::kubernetes::DEFAULT;

use super::{chapter, nothing_to_do};
use crate::pages;

#[test]
#[ignore = "boots guests; `make test` runs it"]
fn where_to_look_is_as_told() {
    chapter(|rig| {
        pages::only_look(rig);
        let lab = rig.resolved();
        for stage in DEFAULT.stages.iter().filter(|stage| !(stage.nodes)(&lab).is_empty()) {
            pages::looks(rig, stage.name);
        }
        nothing_to_do(rig, &["up"]);
    });
}

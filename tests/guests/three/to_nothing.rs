//! The last chapter, by its name.

use super::{CLUSTER, Cluster};
use crate::rig::guests::text;
use crate::rig::traces::differences_that_stay;

/// Taken down, the lab leaves no trace, whatever the chapters before did to it.
#[test]
#[ignore = "boots guests; `make test` runs it"]
fn the_computer_is_as_it_was() {
    let mut cluster = CLUSTER.take(Cluster::come_up);
    cluster.rig.edit(&cluster.text);
    let rig = &cluster.rig;
    let listed = rig.ok(&["down", "--dry-run"]);
    assert!(listed.contains("private libvirt"), "{listed}");
    let proof = rig.lab(&["down", "--prove"]);
    let (out, said) = (text(&proof.stdout), text(&proof.stderr));
    assert!(proof.status.success() && said.contains("no difference"), "{out}\n{said}");
    let again = rig.lab(&["down"]);
    assert!(again.status.success() && text(&again.stderr).contains("nothing to do"));
    let left: Vec<_> = ["state", "run"]
        .iter()
        .filter(|dir| rig.home.path().join(dir).join("lab").exists())
        .collect();
    assert!(left.is_empty(), "{left:?} stayed");
    let found = differences_that_stay(&cluster.before);
    assert!(found.is_empty(), "{found:#?}");
    rig.say("the computer is as it was");
    // Only now: had anything failed, it would have taken the lab down.
    cluster.guard.dismiss();
}

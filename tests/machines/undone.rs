//! The last chapter of the cluster that the tests share, by its name.

use crate::{CLUSTER, members, nothing_is_left, on_cluster};

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn nothing_stays_when_the_machines_go() {
    on_cluster(|cluster| {
        let (dir, groups) = cluster.places();
        assert!(dir.is_dir() && members(&dir) > 20, "{} processes", members(&dir));
        assert!(groups.len() > 1 && groups.iter().all(|group| group.is_dir()));
    });
    let cluster = CLUSTER.lock().unwrap().take().unwrap();
    let (dir, groups) = cluster.places();
    drop(cluster);
    nothing_is_left(&dir, &groups);
}

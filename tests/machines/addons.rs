//! Add-ons on a real cluster: Traefik from a registry's own program, and one of a person's own. They come, are put
//! right, change and go, and nothing of them stays.

use std::collections::BTreeSet;
use std::path::Path;

use lab::drivers::state::addon_folder;
use lab::kubernetes::DEFAULT;
use lab::model::topology::folders::folders;

use crate::cluster::{Cluster, MAIN, TOPOLOGY};
use crate::{archives, on_cluster};

/// The topology with these add-ons; what names a folder is read from here.
fn with(addons: &str) -> String {
    let text = format!("{TOPOLOGY}  addons: [{addons}]\n");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    folders(&text, &|path| addon_folder::read(here, path)).unwrap()
}

fn hello(parameters: &str) -> String {
    with(&format!(
        "{{folder: examples/hello, parameters: {{{parameters}}}}}, coredns, {{name: traefik, parameters: {{log_level: INFO}}}}"
    ))
}

fn objects(cluster: &Cluster, of: &str) -> String {
    cluster.kubectl(&format!("{of} --ignore-not-found -o name"))
}

fn told(cluster: &Cluster, text: &str) {
    let plan = cluster.plan();
    assert!(plan.iter().any(|change| change.contains(text)), "{text}: {plan:#?}");
}

/// Everything of the API and of the node that add-ons other than cluster DNS could leave behind. Namespaces of checks
/// go when they do.
fn traces(cluster: &Cluster) -> BTreeSet<String> {
    let of_cluster = "get namespaces,clusterroles,clusterrolebindings,crds,ingressclasses";
    let sets = objects(cluster, "-n kube-system get configmaps");
    let sets = sets.lines().filter(|line| line.contains("lab-addon-"));
    let files = cluster.run(MAIN, "ls /etc/kubernetes/lab/addons");
    let all = objects(cluster, of_cluster);
    let all = all.lines().filter(|line| !line.starts_with("namespace/lab-"));
    all.chain(sets).chain(files.lines()).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs root and the Kubernetes binaries; `make test` runs it"]
fn addons_come_are_kept_change_and_go() {
    on_cluster(|cluster| {
        let before = traces(cluster);
        archives::write_traefik(&cluster.archives());
        cluster.change(&hello("greeting: \"it's $HOME\", pods: 2"));
        cluster.up_done();
        cluster.say("Traefik and a person's own add-on are there");
        // Each proves its use by a check of its own.
        cluster.until_verified(DEFAULT.stage("addons").unwrap());
        cluster.up_unchanged();
        cluster.say("they are of use, and nothing is to be done");

        cluster.kubectl("-n traefik delete service traefik");
        told(cluster, "objects of the add-on traefik were changed");
        cluster.kubectl("-n hello scale deployment hello --replicas=0");
        told(cluster, "objects of the add-on hello were changed");
        cluster.up_done();
        cluster.until_verified(DEFAULT.stage("addons").unwrap());
        cluster.up_unchanged();
        // With its namespace most of it is gone, and kubectl cannot even compare.
        cluster.kubectl("delete namespace hello");
        told(cluster, "objects of the add-on hello were changed");
        cluster.up_done();
        cluster.until_verified(DEFAULT.stage("addons").unwrap());
        cluster.say("what was changed by hand is told and put right");

        assert_ne!(objects(cluster, "-n hello get configmap several"), "");
        cluster.change(&hello("pods: 1"));
        cluster.up_done();
        assert_eq!(objects(cluster, "-n hello get configmap several"), "");
        let said =
            cluster.kubectl("-n hello get configmap words -o 'jsonpath={.data.index\\.html}'");
        assert_eq!(said.trim(), "hello");
        cluster.say("what the add-on no longer has is gone");

        cluster.change(TOPOLOGY);
        cluster.up_done();
        let left: Vec<_> = traces(cluster).symmetric_difference(&before).cloned().collect();
        assert!(left.is_empty(), "{left:?}");
        cluster.up_unchanged();
        cluster.say("nothing of them is left");
    });
}

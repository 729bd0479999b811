//! How planning and defining grow with the number of nodes, without guests: topologies of 10, 100 and 500
//! workers, on libvirt's own `test:///default`. Writes docs/scale.md; `make bench` runs it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::fs;
use std::time::Instant;

use lab::drivers::provider::libvirt::Libvirt;
use lab::drivers::provider::{Machines, Networks, Provider};
use lab::kubernetes::DEFAULT;
use lab::model::platform::Acceleration;
use lab::model::topology;
use lab::plan::{Observed, diff};

const SIZES: [u32; 3] = [10, 100, 500];
const ROUNDS: usize = 5;
const PARTS: [&str; 5] = [
    "topology read and checked",
    "every document, file and command of every stage made",
    "plan of a new lab",
    "plan with nothing to do",
    "network and domains defined in libvirt's test driver",
];

fn topology(workers: u32) -> String {
    format!(
        "name: scale\nnetwork: {{cidr: 10.64.0.0/16}}\nnodes:\n  controller: {{roles: [control-plane, etcd], count: 1, first_address: 10.64.0.11}}\n  \
         worker: {{count: {workers}, first_address: 10.64.1.1}}\nkubernetes: {{pod_cidr: 10.128.0.0/9}}\n"
    )
}

/// Seconds of each part.
fn measure(workers: u32) -> [f64; 5] {
    let home = tempfile::tempdir().unwrap();
    let text = topology(workers);
    let mut clock = Instant::now();
    let mut lap = || {
        let seconds = clock.elapsed().as_secs_f64();
        clock = Instant::now();
        seconds
    };
    topology::load(&text, &rig::owner()).unwrap();
    let read = lap();
    let session = rig::session(&text, home.path());
    let prepared = rig::prepared(&session, "1.36.2", Acceleration::Emulated);
    let all: Vec<_> = DEFAULT.stages.iter().collect();
    lap();
    let desired = prepared.desired(&session, &all).unwrap();
    let rendered = lap();
    let changes = diff(&desired, &Observed::default());
    let new = lap();
    assert!(changes.len() > workers as usize);

    let libvirt = Libvirt::open("test:///default").unwrap();
    lap();
    libvirt.ensure_network(desired.network.as_ref().unwrap()).unwrap();
    for domain in &desired.domains {
        let mut domain = domain.clone();
        domain.xml = domain.xml.replace("<domain type=\"qemu\">", "<domain type=\"test\">");
        libvirt.define(&domain).unwrap();
    }
    let defined = lap();
    let mut observed = Observed { provider_running: true, ..Observed::default() };
    observed.inventory = libvirt.inventory().unwrap();
    for goal in &desired.stages {
        let markers = observed.markers.entry(goal.node.clone()).or_default();
        markers.insert(goal.stage.to_owned(), goal.fingerprint.clone());
    }
    lap();
    let rest = diff(&desired, &observed);
    let nothing = lap();
    assert!(!rest.iter().any(|change| change.object == lab::plan::Object::Stage), "{rest:?}");
    for domain in &desired.domains {
        libvirt.remove(domain.uuid).unwrap();
    }
    libvirt.remove_network(desired.network.as_ref().unwrap().uuid).unwrap();
    [read, rendered, new, nothing, defined]
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn main() {
    let mut medians = Vec::new();
    for size in SIZES {
        let runs: Vec<[f64; 5]> = (0..ROUNDS).map(|_| measure(size)).collect();
        let part = |at: usize| median(runs.iter().map(|run| run[at]).collect());
        medians.push([part(0), part(1), part(2), part(3), part(4)]);
        eprintln!("{size} workers: {:?} s", medians.last().unwrap());
    }
    let mut text = format!(
        "# Scale\n\nWritten by `make bench`: milliseconds, medians of {ROUNDS} runs of one session, of the release build, on one\nprocessor. The last column is how the time grew from 100 to 500 workers: linear growth is 5. Every node has the\nnames and routes of all others, so that what is made for all of them grows with their square.\n\n| what | 10 workers | 100 | 500 | grew |\n| --- | --- | --- | --- | --- |\n"
    );
    for (at, part) in PARTS.iter().enumerate() {
        let of = |size: usize| medians[size][at] * 1000.0;
        text.push_str(&format!(
            "| {part} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
            of(0),
            of(1),
            of(2),
            of(2) / of(1)
        ));
    }
    fs::write("docs/scale.md", text).unwrap();
}

//! `lab plan`.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::cli::args::Plan;
use crate::cli::failure::{CHANGES, Failure};
use crate::cli::global::{Format, Global};
use crate::cli::output::{counted, info, print, print_data};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::cli::session::lookup::{limit, stages};
use crate::cli::session::saved_plan::SavedPlan;
use crate::engine;
use crate::model::{Lab, Role, size};
use crate::plan::Object;

pub(crate) fn run(global: &Global, plan: &Plan) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let stages = stages(session.flavour(), plan.until.as_deref())?;
    let limit = limit(&session.lab, &plan.limit)?;
    let prepared = engine::preview(&session)?;
    let changes = runtime()?.block_on(engine::plan(&session, &prepared, &stages))?;
    let (changes, others) = engine::within(session.flavour(), changes, limit.as_ref());
    if let Some(path) = &plan.save {
        let agreed = engine::as_agreed(&changes);
        SavedPlan::new(&session.lab, plan.until.as_ref(), agreed).save(path)?;
    }
    let missing = engine::missing_assets(&session, &prepared.platform);
    match global.output {
        Format::Json => {
            let capacity = capacity(&session.lab);
            print_data(&json!({"changes": changes, "capacity": capacity, "missing": missing}));
        }
        Format::Table if changes.is_empty() && others > 0 => {
            print(&format!("no changes here; {} of other nodes", counted(others, "change")));
        }
        Format::Table if changes.is_empty() => {
            print(&format!("no changes: the lab '{}' is as its topology says", session.lab.name));
        }
        Format::Table => {
            let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
            let stages = changes.iter().filter(|change| change.object == Object::Stage).count();
            print(&format!(
                "{}\n\n{}, {stages} of them stages; `lab up` makes them",
                lines.join("\n"),
                counted(changes.len(), "change")
            ));
        }
    }
    if global.output == Format::Table && !global.quiet {
        info(&describe(&capacity(&session.lab)));
        missing.iter().for_each(|missing| info(&missing.to_string()));
    }
    let pending = plan.detailed_exitcode && !changes.is_empty();
    Ok(if pending { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
}

/// What the lab has room for, and what it takes.
#[derive(Serialize)]
struct Capacity {
    pod_cidr: String,
    node_mask: u8,
    /// Addresses for pods on each worker.
    addresses_per_worker: u64,
    /// Pods that the kubelet lets run on each worker.
    pods_per_worker: u64,
    workers: usize,
    /// Workers that have a pod subnet in the network of all pods.
    workers_at_most: u64,
    memory_mib: u64,
    cpus: u32,
}

fn capacity(lab: &Lab) -> Capacity {
    let kubernetes = &lab.kubernetes;
    let (pods, mask) = (kubernetes.pod_cidr, kubernetes.node_mask);
    Capacity {
        pod_cidr: pods.to_string(),
        node_mask: mask,
        addresses_per_worker: kubernetes.pod_addresses(),
        pods_per_worker: kubernetes.max_pods(),
        workers: lab.with_role(Role::Worker).count(),
        workers_at_most: 1 << u32::from(mask.saturating_sub(pods.prefix_len())).min(32),
        memory_mib: lab.nodes.iter().map(|node| node.memory_mib).sum(),
        cpus: lab.nodes.iter().map(|node| node.cpus).sum(),
    }
}

fn describe(capacity: &Capacity) -> String {
    format!(
        "pods: a /{} of {} for each worker: {} addresses, {} pods at most; {} of {} that fit\n\
         guests: {} of memory, {} virtual processors",
        capacity.node_mask,
        capacity.pod_cidr,
        capacity.addresses_per_worker,
        capacity.pods_per_worker,
        counted(capacity.workers, "worker"),
        capacity.workers_at_most,
        size::human(capacity.memory_mib << 20),
        capacity.cpus,
    )
}

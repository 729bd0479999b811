//! The engine, the orchestrator: it finds out what is, compares it with what should be, and has the
//! drivers change it, nodes side by side. Says what happens as events; prints nothing.

pub(crate) mod apply;
pub(crate) mod cluster;
pub(crate) mod destroy;
pub mod doctor;
pub(crate) mod lab;
pub(crate) mod machines;
pub mod snapshot;
pub(crate) mod stages;
pub(crate) mod status;
pub(crate) mod task;
pub(crate) mod verify;

pub use apply::checkpoint::{name_after, up_by_checkpoints};
pub use apply::outcome::{Outcome, UpOptions, within};
pub use apply::preflight::{as_agreed, footprint, footprint_before};
pub use apply::up::{plan, up, up_with};
pub use cluster::{repair, rotate, users};
pub use destroy::down::{Teardown, told};
pub use lab::bases::kept_like;
pub use lab::free_network::network_for;
pub use lab::kubeconfig::{
    administrator_kubeconfig, context, refresh as refresh_kubeconfigs, remember_kubeconfig,
};
pub use lab::locked;
pub use lab::missing::{MissingAsset, missing_assets};
pub use lab::open::Session;
pub use lab::prepare::{assets_here, fetch, prepare, preview};
pub use lab::prepared::Prepared;
pub use lab::provider::{ProviderChoice, ProviderKind};
pub use lab::reach::{Drivers, Reach};
pub use machines::clone::golden_key;
pub use machines::power::{Change, power};
pub use stages::by_hand::{run_stage, run_stage_with};
pub use stages::lesson;
pub use status::link::link_of;
pub use status::list::{LabStatus, lab_status};
pub use status::report::{
    CertificateStatus, NodeStatus, StageStatus, Status, VipStatus, status, status_with,
};
pub use task::error::EngineError;
pub use task::event::{Event, Events, Failure, Trouble};
pub use task::stop::Stop;
pub use verify::failover::{failover, failover_with};
pub use verify::probe::{CheckResult, Verdict};
pub use verify::run::{Say, inspect, verify, verify_with};

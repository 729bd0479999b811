//! The conductor: finds out what is, compares it with what should be, and has the drivers change
//! it, nodes side by side. Says what happens as events; prints nothing.

mod admission;
mod by_hand;
mod checkpoint;
mod depart;
pub mod doctor;
mod down;
mod error;
mod event;
mod failover;
mod health;
mod labs;
mod lanes;
mod merged;
mod observe;
mod place;
mod power;
mod preflight;
mod prepared;
mod provision;
mod question;
mod run;
mod session;
pub mod snapshot;
mod status;
mod steps;
mod up;
mod upgrade;
mod verify;

pub use by_hand::run_stage;
pub use checkpoint::{name_after, up_by_checkpoints};
pub use down::{Keep, Removal, down, down_with, removals};
pub use error::EngineError;
pub use event::{Event, Events, Failure, Trouble};
pub use failover::failover;
pub use labs::{LabStatus, lab_status};
pub use merged::{context, remember_kubeconfig};
pub use place::{EngineChoice, Place};
pub use power::{Change, power};
pub use preflight::{as_agreed, picture, picture_before};
pub use prepared::Prepared;
pub use question::{CheckResult, Verdict};
pub use session::{Reach, Session};
pub use status::{CertificateStatus, NodeStatus, StageStatus, Status, VipStatus, status};
pub use up::{Drivers, Outcome, Stop, UpOptions, plan, up, up_with};
pub use verify::{Say, inspect, verify, verify_with};

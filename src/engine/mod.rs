//! The conductor: finds out what is, compares it with what should be, and has the drivers change
//! it, nodes side by side. Says what happens as events; prints nothing.

mod depart;
mod down;
mod error;
mod event;
mod failover;
mod lanes;
mod observe;
mod place;
mod preflight;
mod prepared;
mod provision;
mod run;
mod session;
mod status;
mod steps;
mod up;
mod verify;

pub use down::{Removal, down, removals};
pub use error::EngineError;
pub use event::{Event, Events, Failure};
pub use failover::failover;
pub use place::{EngineChoice, Place};
pub use prepared::Prepared;
pub use session::{Reach, Session};
pub use status::{CertificateStatus, NodeStatus, StageStatus, Status, VipStatus, status};
pub use up::{Drivers, Outcome, Stop, UpOptions, plan, up, up_with};
pub use verify::{CheckResult, Say, Verdict, verify, verify_with};

//! `lab up`: what is refused, what is changed, in which order.

pub(crate) mod capacity;
pub(crate) mod checkpoint;
mod joined;
pub(crate) mod outcome;
pub(crate) mod preflight;
pub(crate) mod run;
pub(crate) mod up;

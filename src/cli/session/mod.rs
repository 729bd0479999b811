//! The lab that a command is about: its topology, its parts by name, its lock, a plan of it that was saved,
//! and how it comes up.

pub(crate) mod acquaint;
pub(crate) mod bring_up;
pub(crate) mod etcd;
pub(crate) mod filled;
pub(crate) mod lesson;
pub(crate) mod load;
pub(crate) mod lookup;
pub(crate) mod rotation;
pub(crate) mod saved_plan;
mod source;

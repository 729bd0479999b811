//! Drivers: the room for IO. They see the model and what was rendered from it, and know
//! nothing of roles, stages or Kubernetes.

pub mod assets;
pub mod guest;
pub mod host;
pub mod provider;
pub mod state;

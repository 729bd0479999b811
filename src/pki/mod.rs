//! The lab's secrets: certificates, keys, kubeconfigs, SSH keys. Everything is made on the host before the
//! first guest boots; no stage makes or moves a secret. Nothing here touches a file.

mod bundle;
mod certificate;
mod kubeconfig;
mod roots;
mod rotation;
mod specs;
mod ssh;
mod users;

pub use bundle::{Bundle, Due, EncryptionKey, Entry, Leaves, Made, super_admin};
pub use certificate::{Authority, Pair, PkiError};
pub use kubeconfig::{base64, in_namespace, kubeconfig};
pub use roots::{Phase, Root, Standing};
pub use specs::{Identity, Issuer, LeafSpec, Usage, leaf_specs, super_admin_spec};
pub use ssh::{SshKeys, generate_ssh_key};
pub use users::{Issued, user};

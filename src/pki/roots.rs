//! What every node trusts, and how far the rotation of each is. A rotation goes in phases, each of which
//! reaches all nodes before the next begins: the new one is trusted beside the old one, then it signs, then
//! the old one goes. So there is no moment at which a node meets something that it does not trust.

use serde::{Deserialize, Serialize};

use crate::pki::certificate::PkiError;
use crate::pki::specs::Issuer;

/// What is made once for a lab, and trusted by every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The authority of Kubernetes.
    Ca,
    /// The authority of etcd.
    EtcdCa,
    /// The authority of the aggregation layer.
    FrontProxyCa,
    /// The key that signs tokens of service accounts.
    ServiceAccount,
    /// The key that Secrets are encrypted with in etcd.
    EncryptionKey,
}

/// How far a rotation is: what the nodes are brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The new one is trusted, too; the old one signs.
    Trusted,
    /// The new one signs; the old one is still trusted.
    Signing,
    /// The old one is trusted no more.
    Ending,
}

impl Phase {
    /// For people.
    pub fn told(self) -> &'static str {
        match self {
            Phase::Trusted => "the new one is trusted beside the old one",
            Phase::Signing => "the new one signs",
            Phase::Ending => "the old one is trusted no more",
        }
    }
}

/// Which making of a root signs, and whether another one is trusted beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The one that signs, counted from 1.
    pub generation: u32,
    /// The rotation under way.
    pub phase: Option<Phase>,
}

impl Default for Standing {
    fn default() -> Self {
        Self { generation: 1, phase: None }
    }
}

impl Standing {
    /// Generations that are trusted, oldest first.
    pub fn trusted(self) -> Vec<u32> {
        match self.phase {
            Some(Phase::Trusted) => vec![self.generation, self.generation + 1],
            Some(Phase::Signing) => vec![self.generation.saturating_sub(1), self.generation],
            Some(Phase::Ending) | None => vec![self.generation],
        }
    }

    /// What comes next in a rotation.
    pub(super) fn next(self) -> Self {
        let Self { generation, phase } = self;
        match phase {
            None => Self { generation, phase: Some(Phase::Trusted) },
            Some(Phase::Trusted) => {
                Self { generation: generation + 1, phase: Some(Phase::Signing) }
            }
            Some(Phase::Signing) => Self { generation, phase: Some(Phase::Ending) },
            Some(Phase::Ending) => Self { generation, phase: None },
        }
    }
}

impl Root {
    /// All of them.
    pub const ALL: [Root; 5] =
        [Root::Ca, Root::EtcdCa, Root::FrontProxyCa, Root::ServiceAccount, Root::EncryptionKey];

    /// What it is called on the command line, and in the lab's directory where it was never rotated.
    pub fn name(self) -> &'static str {
        match self {
            Root::Ca => Issuer::Kubernetes.entry(),
            Root::EtcdCa => Issuer::Etcd.entry(),
            Root::FrontProxyCa => Issuer::FrontProxy.entry(),
            Root::ServiceAccount => "service-account",
            Root::EncryptionKey => "encryption-key",
        }
    }

    /// The root of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(name: &str) -> Result<Self, PkiError> {
        let found = Root::ALL.into_iter().find(|root| root.name() == name);
        found.ok_or_else(|| PkiError(format!("find '{name}' among what nodes trust")))
    }

    /// The name of one of its generations in the lab's directory.
    pub fn entry(self, generation: u32) -> String {
        match generation {
            1 => self.name().to_owned(),
            _ => format!("{}-{generation}", self.name()),
        }
    }

    /// Whom it makes certificates for, where it is an authority.
    pub(super) fn issuer(self) -> Option<Issuer> {
        match self {
            Root::Ca => Some(Issuer::Kubernetes),
            Root::EtcdCa => Some(Issuer::Etcd),
            Root::FrontProxyCa => Some(Issuer::FrontProxy),
            Root::ServiceAccount | Root::EncryptionKey => None,
        }
    }
}

impl From<Issuer> for Root {
    fn from(issuer: Issuer) -> Self {
        match issuer {
            Issuer::Kubernetes => Root::Ca,
            Issuer::Etcd => Root::EtcdCa,
            Issuer::FrontProxy => Root::FrontProxyCa,
        }
    }
}

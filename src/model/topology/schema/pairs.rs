//! Mappings whose keys people choose: labels, flags, fields of configuration files.

use crate::model::code::{self, Code};
use crate::model::flaw::Flaw;
use crate::model::topology::{components, grammar, kubernetes_words};

/// How such a mapping is read.
#[derive(Debug)]
pub struct Pairs {
    /// What it has, for the reference: "flags and their values".
    pub what: &'static str,
    /// Judges a key.
    pub key: fn(&str) -> Result<(), Flaw>,
    /// What stands behind a key.
    pub held: Held,
    /// The code of what is wrong with either.
    pub code: &'static Code,
}

/// What stands behind a key.
#[derive(Debug)]
pub enum Held {
    /// Text, which this judges; nothing stands for no text.
    Text(fn(&str) -> Result<(), Flaw>),
    /// `true` or `false`.
    Truth,
    /// Whatever YAML can say.
    Anything,
}

/// Labels of nodes.
pub const LABELS: Pairs = Pairs {
    what: "keys and values of labels",
    key: kubernetes_words::label_key,
    held: Held::Text(kubernetes_words::label_value),
    code: &code::BAD_LABEL,
};
/// Annotations of nodes.
pub const ANNOTATIONS: Pairs = Pairs {
    what: "keys and texts of annotations",
    key: kubernetes_words::key,
    held: Held::Text(kubernetes_words::annotation_value),
    code: &code::BAD_LABEL,
};
/// Feature gates of all components.
pub const GATES: Pairs = Pairs {
    what: "names of feature gates, each with true or false",
    key: components::gate,
    held: Held::Truth,
    code: &code::BAD_ARGUMENT,
};

/// Files of an add-on.
pub const FILES: Pairs = Pairs {
    what: "names of files, and their text",
    key: grammar::file_name,
    held: Held::Text(|_| Ok(())),
    code: &code::BAD_ADDON,
};
/// What an add-on is told.
pub const PARAMETERS: Pairs = Pairs {
    what: "parameters of the add-on",
    key: |_| Ok(()),
    held: Held::Anything,
    code: &code::BAD_ADDON,
};

/// Flags of a component.
const fn flags(key: fn(&str) -> Result<(), Flaw>) -> Pairs {
    let held = Held::Text(components::flag_value);
    Pairs {
        what: "flags, without hyphens before them, and their values",
        key,
        held,
        code: &code::BAD_ARGUMENT,
    }
}

/// Fields of a component's configuration file.
const fn fields(key: fn(&str) -> Result<(), Flaw>) -> Pairs {
    Pairs {
        what: "fields of the configuration",
        key,
        held: Held::Anything,
        code: &code::BAD_ARGUMENT,
    }
}

/// Flags of the API server.
pub const API_SERVER: Pairs = flags(|text| components::flag(text, components::API_SERVER));
/// Flags of the controller manager.
pub const CONTROLLER_MANAGER: Pairs =
    flags(|text| components::flag(text, components::CONTROLLER_MANAGER));
/// Flags of the scheduler.
pub const SCHEDULER: Pairs = flags(|text| components::flag(text, components::SCHEDULER));
/// Flags of kubelets.
pub const KUBELET: Pairs = flags(|text| components::flag(text, components::KUBELET));
/// Flags of etcd.
pub const ETCD: Pairs = flags(|text| components::flag(text, components::ETCD));
/// Fields of the kubelets' configuration.
pub const KUBELET_CONFIG: Pairs =
    fields(|text| components::field(text, components::KUBELET_CONFIG));
/// Fields of kube-proxy's configuration.
pub const PROXY_CONFIG: Pairs = fields(|text| components::field(text, components::PROXY_CONFIG));

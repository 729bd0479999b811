//! What a topology says of Kubernetes' components.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::user_data::Document;

/// What a topology says of Kubernetes' components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Components {
    /// Names and addresses that the API's certificate has besides.
    pub certificate_names: Vec<String>,
    /// Flags and their values, by component.
    pub arguments: BTreeMap<String, BTreeMap<String, String>>,
    /// Feature gates of all components.
    pub feature_gates: BTreeMap<String, bool>,
    /// Fields of the kubelets' configuration.
    pub kubelet: BTreeMap<String, Document>,
    /// Fields of kube-proxy's configuration.
    pub kube_proxy: BTreeMap<String, Document>,
}

impl Components {
    /// True where nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! What a cluster set up by kubeadm is asked for: etcd as everywhere, the control plane through its manifests.

use crate::kubernetes::flavour::Operations;
use crate::kubernetes::hard_way;

pub(super) const OPERATIONS: Operations = Operations {
    news: |templates| templates.render("stages/kubeadm/news.sh.j2", &()),
    api: |templates, verb| {
        templates.render("stages/kubeadm/api.sh.j2", &minijinja::context! { verb })
    },
    ..hard_way::FLAVOUR.operations
};

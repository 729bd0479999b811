//! What a cluster set up by hand is asked for.

use crate::kubernetes::flavour::Operations;
use crate::kubernetes::hard_way::etcd;
use crate::kubernetes::operations;

pub(crate) const OPERATIONS: Operations = Operations {
    drain: operations::drain,
    forget: operations::forget,
    close: operations::close,
    open: operations::open,
    leave: |templates, node, address| {
        operations::leave_etcd(templates, etcd::CLIENT, node, address)
    },
    settle: operations::settle,
    readiness: operations::readiness,
    founder: etcd::founder_entry,
    survey: |templates| operations::etcd::survey(templates, etcd::CLIENT),
    set_aside: operations::etcd::set_aside,
    refound: |templates, kept| operations::etcd::refound(templates, etcd::CLIENT, kept),
    save: |templates| operations::etcd::save(templates, etcd::CLIENT),
    unpack: operations::etcd::unpack,
    load: |templates, kept| operations::etcd::load(templates, etcd::CLIENT, kept),
    news: operations::etcd::news,
    api: operations::etcd::api,
    admit: operations::users::admit,
    dismiss: operations::users::dismiss,
    rotated: operations::rotation::rotated,
};

//! The way outside, where it is not a plain one.

use crate::model::outside;
use crate::model::topology::schema::kind::{Kind, Table, may};

/// Certificates that nodes trust.
pub(super) const AUTHORITIES: Kind = Kind::List(&Kind::Text(outside::trusted));

/// One proxy for all, or each.
pub(super) const PROXY: Kind = Kind::TableOrText(outside::proxy, &PROXIES);

const PROXIES: Table = Table {
    name: "proxy",
    fields: &[
        may("http", Kind::Text(outside::proxy), "Proxy for http, like http://proxy.example:3128."),
        may("https", Kind::Text(outside::proxy), "Proxy for https; most often the same."),
        may(
            "no_proxy",
            Kind::List(&Kind::Text(outside::without_proxy)),
            "Hosts, domains and networks that are reached without one, besides the lab's own.",
        ),
    ],
};

//! All that the network's DNS answers with an address.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::model::dns::Answer;
use crate::model::lab::Lab;

/// An address, and all names that lead to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// The address.
    pub address: Ipv4Addr,
    /// Whole names and short ones; the first is what the address is called.
    pub names: Vec<String>,
}

impl Host {
    fn new(address: Ipv4Addr, name: &str, domain: &str) -> Self {
        Self { address, names: vec![format!("{name}.{domain}"), name.to_owned()] }
    }
}

/// A whole name, and its first label alone where the domain follows it.
pub fn spellings(whole: &str, domain: &str) -> Vec<String> {
    let short = whole.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
    let short = short.filter(|label| !label.contains('.'));
    std::iter::once(whole).chain(short).map(str::to_owned).collect()
}

/// All addresses that the network's DNS knows, each once, with their names: floating ones, nodes, reservations,
/// records.
pub fn hosts(lab: &Lab) -> Vec<Host> {
    let domain = &lab.domain;
    let vips = lab.vips.iter().map(|vip| Host::new(vip.address, &vip.name, domain));
    let nodes = lab.nodes.iter().map(|node| Host::new(node.address, &node.name, domain));
    let kept = &lab.network.reservations;
    let kept = kept.iter().map(|kept| Host::new(kept.address, &kept.name, domain));
    let mut all: Vec<Host> = vips.chain(nodes).chain(kept).collect();
    for record in lab.network.records.iter().filter(|record| !record.is_wildcard) {
        let Answer::Address(address) = record.answer else { continue };
        // libvirt takes one element of an address, and no second one while the network runs.
        let names = spellings(&record.name, domain);
        match all.iter_mut().find(|host| host.address == address) {
            Some(host) => host.names.extend(names),
            None => all.push(Host { address, names }),
        }
    }
    for record in lab.network.records.iter().filter(|record| !record.is_wildcard) {
        let Answer::Alias(target) = &record.answer else { continue };
        if let Some(host) = all.iter_mut().find(|host| host.names.contains(target)) {
            host.names.extend(spellings(&record.name, domain));
        }
    }
    all
}

/// What a wildcard's names lead to.
pub fn wildcards(lab: &Lab) -> Vec<(String, Ipv4Addr)> {
    let known = hosts(lab);
    let address = |answer: &Answer| match answer {
        Answer::Address(address) => Some(*address),
        Answer::Alias(target) => {
            known.iter().find(|host| host.names.contains(target)).map(|host| host.address)
        }
        Answer::Text(_) | Answer::Service(_) => None,
    };
    let wild = lab.network.records.iter().filter(|record| record.is_wildcard);
    wild.filter_map(|record| Some((record.name.clone(), address(&record.answer)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_domain_have_a_short_spelling() {
        assert_eq!(spellings("www.three.lab", "three.lab"), ["www.three.lab", "www"]);
        assert_eq!(spellings("a.b.three.lab", "three.lab"), ["a.b.three.lab"]);
        assert_eq!(spellings("a.other", "three.lab"), ["a.other"]);
    }
}

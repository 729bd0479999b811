//! From a topology as it was read to a draft of the lab: defaults, counting, derived identities.
//!
//! What [`crate::model::topology::check`] refused is not there; a default stands in, and the problem that
//! was found keeps the draft from becoming a lab.

mod addons;
mod disks;
mod existing;
mod firewall;
mod images;
mod network;
mod nodes;
mod outside;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::certificates::{Certificates, Place};
use crate::model::components::Components;
use crate::model::lab::{Ingress, Kubernetes, NO_KUBERNETES, PodNetwork, PodSecurity, Vip};
use crate::model::name::{self, Owner};
use crate::model::options::{Cloning, Options};
use crate::model::port;
use crate::model::role::Role;
use crate::model::router_id;
use crate::model::ssh::{Ssh, SshOfExisting};
use crate::model::topology::draft::{LabDraft, NetworkSpans, Spans};
use crate::model::topology::given::{Entry, Given, span, text};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span};
use crate::model::topology::resolve::nodes::{Nodes, too_many};

/// The draft of the lab; `None` without a network, which is reported: nothing is left to compare then.
pub(crate) fn resolve(
    root: &Given,
    owner: &Owner,
    problems: &mut Vec<Problem>,
) -> Option<LabDraft> {
    let name = text(root.get("name")).unwrap_or("lab").to_owned();
    let id = name::lab_id(owner, &name);
    let domain = text(root.get("domain")).map_or_else(|| format!("{name}.lab"), str::to_owned);
    let network = network::network(root.get("network"), (&name, &domain), id, problems);
    let cidr = network.as_ref().map(|(network, _)| network.cidr);
    let machines_alone = text(root.get("kubernetes")) == Some(NO_KUBERNETES);
    let (lab_name, lab_domain) = (&name, &domain);
    let defaults = root.get("defaults");
    let machine = existing::machine(root);
    existing::refuse_unfit(root, machine, problems);
    existing::refuse_kubeadm(root, machine, problems);
    firewall::refuse_without(root, problems);
    if too_many(root, problems) {
        return None;
    }
    let mut nodes = Nodes {
        lab: id,
        lab_name,
        domain: lab_domain,
        cidr,
        machines_alone,
        machine,
        defaults,
        problems,
    };
    let nodes = nodes.all(root);
    let given_vips = vips(root.get("vips"));
    let mut vips: Vec<Vip> = given_vips.iter().map(|(vip, _)| vip.clone()).collect();
    router_id::assign(id, &mut vips, &BTreeMap::new(), &BTreeSet::new());
    let places: Vec<&Entry> = given_vips.iter().map(|(_, entry)| *entry).collect();
    let (network, network_spans) = network?;
    network::refuse_routes(root, &network, problems);
    Some(LabDraft {
        network,
        nodes,
        vips,
        kubernetes: kubernetes(root.get("kubernetes"), problems),
        ssh: ssh(root.get("ssh")),
        images: images::own(root, problems),
        firewall: firewall::is_on(root),
        outside: outside::of(root, problems),
        options: options(root.get("options")),
        spans: spans(root, &places, network_spans),
        name,
        id,
        domain,
    })
}

/// Floating addresses that could be read, each with its place.
fn vips(given: Option<&Given>) -> Vec<(Vip, &Entry)> {
    let vip = |entry: &Entry| {
        let router_id = entry.given.get("router_id").and_then(Given::number);
        let router_id = router_id.and_then(|id| u8::try_from(id).ok());
        Some(Vip {
            name: entry.key.clone(),
            address: entry.given.get("address")?.address()?,
            role: Role::parse(text(entry.given.get("role"))?)?,
            router_id: router_id.unwrap_or_default(),
            router_id_given: router_id.is_some(),
        })
    };
    let entries = given.map(Given::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((vip(entry)?, entry))).collect()
}

fn kubernetes(given: Option<&Given>, problems: &mut Vec<Problem>) -> Kubernetes {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let network = |key: &str, default| get(key).and_then(Given::network).unwrap_or(default);
    let port = |key: &str| {
        let port = get("ingress").and_then(|ingress| ingress.get(key)).and_then(Given::number);
        port.and_then(|port| u16::try_from(port).ok())
    };
    let flavour = text(given).or(text(get("flavour"))).unwrap_or(preset::FLAVOUR);
    let node_mask = get("node_mask").and_then(Given::number).unwrap_or(preset::NODE_MASK);
    Kubernetes {
        flavour: flavour.to_owned(),
        version: get("version").and_then(Given::version),
        service_cidr: network("service_cidr", preset::SERVICE_CIDR),
        pod_cidr: network("pod_cidr", preset::POD_CIDR),
        node_mask: node_mask as u8,
        api_port: get("api_port")
            .and_then(Given::number)
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(port::API),
        pod_network: text(get("pod_network"))
            .and_then(PodNetwork::parse)
            .unwrap_or(preset::POD_NETWORK),
        pod_security: text(get("pod_security"))
            .and_then(PodSecurity::parse)
            .unwrap_or(preset::POD_SECURITY),
        host_routes: get("host_routes").and_then(Given::truth).unwrap_or(preset::HOST_ROUTES),
        endpoint: text(get("endpoint")).map(str::to_owned),
        ingress: Ingress {
            http: port("http").unwrap_or(preset::HTTP),
            https: port("https").unwrap_or(preset::HTTPS),
        },
        addons: match flavour {
            NO_KUBERNETES => Vec::new(),
            _ => addons::of(get("addons"), problems),
        },
        certificates: get("certificates").map(certificates).unwrap_or_default(),
        components: given.map(components).unwrap_or_default(),
        cluster_domain: text(get("cluster_domain")).unwrap_or(preset::CLUSTER_DOMAIN).to_owned(),
        mirrors: by_key(get("mirrors"), |list| {
            let all = list.items().iter().filter_map(|url| url.text().map(str::to_owned));
            Some(all.collect())
        }),
        artifacts: text(get("artifacts")).map(str::to_owned),
        registry_logins: text(get("registry_logins")).map(str::to_owned),
    }
}

/// Entries of a mapping, each by what `read` makes of it.
fn by_key<V>(given: Option<&Given>, read: impl Fn(&Given) -> Option<V>) -> BTreeMap<String, V> {
    let entries = given.map(Given::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.clone(), read(&entry.given)?))).collect()
}

fn components(given: &Given) -> Components {
    let words = |flags: &Given| Some(by_key(Some(flags), |value| value.text().map(str::to_owned)));
    let names = given.get("certificate_names").map(Given::items).unwrap_or_default();
    let document = |field: &Given| field.document().cloned();
    Components {
        certificate_names: names.iter().filter_map(|name| name.text().map(str::to_owned)).collect(),
        arguments: by_key(given.get("arguments"), words),
        feature_gates: by_key(given.get("feature_gates"), Given::truth),
        kubelet: by_key(given.get("kubelet"), document),
        kube_proxy: by_key(given.get("kube_proxy"), document),
    }
}

fn certificates(given: &Given) -> Certificates {
    let own = |key: &str| text(given.get(key)).map(str::to_owned);
    Certificates {
        hours: given.get("expiry").and_then(Given::number),
        place: Place { country: own("country"), state: own("state"), city: own("city") },
    }
}

fn ssh(given: Option<&Given>) -> Ssh {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let keys = get("authorized_keys").map(Given::items).unwrap_or_default();
    Ssh {
        user: text(get("user")).unwrap_or(preset::USER).to_owned(),
        authorized_keys: keys.iter().filter_map(|key| key.text().map(str::to_owned)).collect(),
        existing: SshOfExisting {
            port: existing::port(get("port")),
            key: text(get("key")).map(str::to_owned),
            known_hosts: text(get("known_hosts")).map(str::to_owned),
            bastion: get("bastion").and_then(|given| {
                existing::bastion(given, text(get("user")).unwrap_or(preset::USER))
            }),
        },
    }
}

fn options(given: Option<&Given>) -> Options {
    let get = |key: &str| given.and_then(|given| given.get(key));
    let seconds = get("boot_timeout").and_then(Given::number);
    Options {
        acceleration: text(get("acceleration")).unwrap_or(preset::ACCELERATION).to_owned(),
        boot_timeout: seconds.unwrap_or(preset::BOOT_TIMEOUT),
        clone: text(get("clone")).and_then(Cloning::parse).unwrap_or(preset::CLONE),
        storage: text(get("storage")).map(str::to_owned),
        autostart: get("autostart").and_then(Given::truth),
    }
}

/// From a field's name to where the next field begins.
fn whole(root: &Given, field: &str) -> Span {
    let starts = || root.entries().iter().map(|entry| entry.key_span.start);
    let own = root.entries().iter().find(|entry| entry.key == field);
    let Some(start) = own.map(|entry| entry.key_span.start) else { return 0..0 };
    start..starts().filter(|other| *other > start).min().unwrap_or(usize::MAX)
}

fn spans(root: &Given, vips: &[&Entry], network: NetworkSpans) -> Spans {
    let nodes = span(root.get("nodes"), &(0..1));
    let all_nodes = whole(root, "nodes");
    let nodes = nodes.start..(nodes.start + 1).min(nodes.end.max(nodes.start + 1));
    let of = |table: &str, key: &str| {
        let table = root.get(table);
        span(table.and_then(|table| table.get(key)), &nodes)
    };
    let of_vips =
        |key: &str| vips.iter().map(|entry| span(entry.given.get(key), &entry.key_span)).collect();
    Spans {
        network,
        service_cidr: of("kubernetes", "service_cidr"),
        pod_cidr: of("kubernetes", "pod_cidr"),
        node_mask: of("kubernetes", "node_mask"),
        api_port: of("kubernetes", "api_port"),
        vips: of_vips("address"),
        router_ids: of_vips("router_id"),
        endpoint: of("kubernetes", "endpoint"),
        ingress: of("kubernetes", "ingress"),
        version: of("kubernetes", "version"),
        domain: span(root.get("domain"), &of("kubernetes", "cluster_domain")),
        nodes,
        all_nodes,
    }
}

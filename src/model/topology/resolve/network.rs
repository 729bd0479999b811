//! The network, and what its DNS and DHCP know besides nodes.

use std::net::Ipv4Addr;

use uuid::Uuid;

use crate::model::code;
use crate::model::dns::{Answer, Record, Reservation, Service, check_name, service, whole};
use crate::model::name;
use crate::model::network::{Joined, MTU, Mode, Network, Uplink};
use crate::model::topology::draft::NetworkSpans;
use crate::model::topology::given::{Entry, Given, Value, span, text};
use crate::model::topology::preset;
use crate::model::topology::problem::{Problem, Span, printable};

/// Fields of which a record has one.
const ANSWERS: &[&str] = &["a", "cname", "txt", "srv"];

/// The network, where its addresses could be read, and its places.
pub(super) fn network(
    given: Option<&Given>,
    (lab_name, domain): (&str, &str),
    lab: Uuid,
    problems: &mut Vec<Problem>,
) -> Option<(Network, NetworkSpans)> {
    let given = given?;
    let cidr = given.get("cidr")?.network()?;
    let mode = text(given.get("mode")).and_then(Mode::parse).unwrap_or(preset::MODE);
    let uplink = uplink(given, mode, problems);
    let joined = joined(given, problems);
    let first = Ipv4Addr::from(u32::from(cidr.network()) + 1);
    let (records, record_spans) =
        records(given.get("records"), domain, problems).into_iter().unzip();
    let (reservations, reservation_spans) =
        reservations(given.get("reservations")).into_iter().unzip();
    let at = |key: &str| span(given.get(key), &given.span);
    let servers = given.get("forwarders").map(Given::items).unwrap_or_default();
    let mut spans = NetworkSpans {
        cidr: at("cidr"),
        gateway: at("gateway"),
        dhcp: at("dhcp"),
        forwarders: servers
            .iter()
            .filter(|one| one.address().is_some())
            .map(|one| one.span.clone())
            .collect(),
        records: record_spans,
        reservations: reservation_spans,
        unread: Vec::new(),
    };
    let network = Network {
        name: lab_name.to_owned(),
        uuid: name::object_id(lab, "network", lab_name),
        cidr,
        gateway: given.get("gateway").and_then(Given::address).unwrap_or(first),
        // The usual one is not said to anybody, and changes nothing.
        mtu: given.get("mtu").and_then(Given::number).filter(|mtu| *mtu != MTU),
        forwarders: servers.iter().filter_map(Given::address).collect(),
        records,
        reservations,
        dhcp: given.get("dhcp").and_then(Given::range),
        bridge: name::bridge(lab),
        mode,
        uplink,
        joined,
    };
    spans.unread = unread(given, domain, &network);
    Some((network, spans))
}

/// What a network that is there already does not leave to lab.
const OF_OWN: &[&str] = &["mode", "uplink", "dhcp", "records", "reservations"];

/// What nodes join instead of a network of the lab's own.
fn joined(given: &Given, problems: &mut Vec<Problem>) -> Option<Joined> {
    let named = |key: &str| given.entries().iter().find(|entry| entry.key == key);
    let (bridge, existing) = (named("bridge"), named("existing"));
    let first = bridge.or(existing)?;
    let mut refuse = |entry: &Entry, message: String, help: String| {
        let problem = Problem::error(&code::JOINED_NETWORK, &entry.key_span, message);
        problems.push(problem.help(help));
    };
    if let (Some(_), Some(existing)) = (bridge, existing) {
        let message = "nodes join one network, and two are named".into();
        refuse(existing, message, "remove `bridge` or `existing`".into());
    }
    for entry in given.entries().iter().filter(|entry| OF_OWN.contains(&entry.key.as_str())) {
        let message = format!(
            "`{}` is of a network that lab makes, and this one is there already",
            entry.key
        );
        refuse(entry, message, format!("remove `{}`, or `{}`", entry.key, first.key));
    }
    let name = first.given.text()?.to_owned();
    Some(if bridge.is_some() { Joined::Bridge(name) } else { Joined::Libvirt(name) })
}

/// Routes of the computer to pods lead through a network of the lab's own.
pub(super) fn refuse_routes(root: &Given, network: &Network, problems: &mut Vec<Problem>) {
    let field = root.get("kubernetes").and_then(|given| given.get("host_routes"));
    if let Some(field) = field.filter(|field| field.truth() == Some(true) && !network.is_own()) {
        let message =
            "routes to pods lead through a network that lab makes, and this one is there already";
        let problem = Problem::error(&code::JOINED_NETWORK, &field.span, message);
        problems.push(problem.help("remove `host_routes`"));
    }
}

/// Nothing leads out of an isolated network.
fn uplink(given: &Given, mode: Mode, problems: &mut Vec<Problem>) -> Uplink {
    let said = given.get("uplink").and_then(|field| Some((field, Uplink::parse(field.text()?)?)));
    let Some((field, uplink)) = said else {
        return if mode == Mode::Isolated { Uplink::None } else { preset::UPLINK };
    };
    let refused = match mode {
        Mode::Isolated if uplink.leads_out() => Some("an isolated network has no uplink"),
        Mode::Routed if !uplink.leads_out() => Some("a routed network leads out"),
        _ => None,
    };
    if let Some(why) = refused {
        let text = format!("{why}, and this uplink is '{}'", uplink.name());
        let problem = Problem::error(&code::MODE_AND_UPLINK, &field.span, text);
        problems.push(problem.help("remove `uplink`, or write `mode: nat`"));
    }
    uplink
}

/// Reservations that could be read, each with its name's place and its address's.
fn reservations(given: Option<&Given>) -> Vec<(Reservation, (Span, Span))> {
    let read = |entry: &Entry| {
        let address = entry.given.get("address")?;
        let reservation = Reservation {
            name: entry.key.clone(),
            mac: text(entry.given.get("mac"))?.to_owned(),
            address: address.address()?,
        };
        Some((reservation, (entry.key_span.clone(), address.span.clone())))
    };
    given.map(Given::entries).unwrap_or_default().iter().filter_map(read).collect()
}

/// Records that could be read, each with its name's place and its answer's.
fn records(
    given: Option<&Given>,
    domain: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(Record, (Span, Span))> {
    let entries = given.map(Given::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| record(entry, domain, problems)).collect()
}

fn record(
    entry: &Entry,
    domain: &str,
    problems: &mut Vec<Problem>,
) -> Option<(Record, (Span, Span))> {
    let field = the_answer(entry, problems)?;
    let is_wildcard = entry.key.starts_with("*.");
    let name = whole(entry.key.strip_prefix("*.").unwrap_or(&entry.key), domain);
    let shown = printable(&entry.key);
    if is_wildcard && !["a", "cname"].contains(&&*field.key) {
        let message =
            format!("'{shown}' stands for all names below one, and they have an address alone");
        let problem = Problem::error(&code::BAD_RECORD, &field.key_span, message);
        problems.push(problem.help("write `a` or `cname`, or take `*.` away"));
        return None;
    }
    // Of a name that cannot be that was said.
    if field.key == "srv" && service(&name).is_none() && check_name(&entry.key).is_ok() {
        let message = format!("'{shown}' names no service");
        let problem = Problem::error(&code::BAD_RECORD, &entry.key_span, message);
        problems.push(problem.help("write it like `_ldap._tcp`, or `_ldap._tcp.example.com.`"));
        return None;
    }
    let answer = answer(field, domain)?;
    let at = span(field.given.get("target"), &field.given.span);
    Some((Record { name, is_wildcard, answer }, (entry.key_span.clone(), at)))
}

/// The one field that says what a record answers.
fn the_answer<'a>(entry: &'a Entry, problems: &mut Vec<Problem>) -> Option<&'a Entry> {
    let is_answer = |field: &&Entry| ANSWERS.contains(&&*field.key);
    let answers: Vec<&Entry> = entry.given.entries().iter().filter(is_answer).collect();
    if let [field] = answers.as_slice() {
        return Some(field);
    }
    // Of one that is no mapping that was said.
    if matches!(entry.given.value, Value::Map(_)) {
        let shown = printable(&entry.key);
        let message = match answers.is_empty() {
            true => format!("the record '{shown}' answers nothing"),
            false => format!("the record '{shown}' answers several things"),
        };
        let problem = Problem::error(&code::BAD_RECORD, &entry.key_span, message);
        problems.push(problem.help("write one of `a`, `cname`, `txt` and `srv` below it"));
    }
    None
}

fn answer(field: &Entry, domain: &str) -> Option<Answer> {
    let target = |given: Option<&Given>| Some(whole(text(given)?, domain));
    Some(match &*field.key {
        "a" => Answer::Address(field.given.address()?),
        "cname" => Answer::Alias(target(Some(&field.given))?),
        "txt" => Answer::Text(field.given.text()?.to_owned()),
        _ => {
            let number = |key: &str| field.given.get(key).and_then(Given::number);
            Answer::Service(Service {
                target: target(field.given.get("target"))?,
                port: number("port")?,
                priority: number("priority").unwrap_or_default(),
                weight: number("weight").unwrap_or_default(),
            })
        }
    })
}

/// Names that were given and could not be read: what leads to them is not judged.
fn unread(given: &Given, domain: &str, network: &Network) -> Vec<String> {
    let keys = |field: &str| given.get(field).map(Given::entries).unwrap_or_default().iter();
    let names = keys("records").chain(keys("reservations")).map(|entry| whole(&entry.key, domain));
    let is_read = |name: &String| {
        network.records.iter().any(|record| record.name == *name)
            || network.reservations.iter().any(|kept| whole(&kept.name, domain) == *name)
    };
    names.filter(|name| !is_read(name)).collect()
}

//! Networks to which nothing of a network namespace is led: routes that say so at once, in a table of their own.
//! It is asked after all routes that lead somewhere, as to the lab's nodes and pods, and before the way out.

use std::io;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::drivers::host::routes::ip;

/// The table, and the rules by which it is asked.
const TABLE: &str = "77";
const RULES: [(&str, &[&str]); 2] =
    [("76", &["lookup", "main", "suppress_prefixlength", "0"]), ("77", &["lookup", TABLE])];

/// What is not the internet: this computer's own network and those around it, other machines' at a provider,
/// link-local addresses with the services of clouds, and what belongs to nobody.
const PRIVATE: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "240.0.0.0/4",
];

/// Everything but the internet, seen from the computer that this is asked on: its own addresses, too.
///
/// # Errors
/// When `ip` cannot be run.
pub fn around_this_computer() -> io::Result<Vec<Ipv4Net>> {
    let text = ip(&["-json", "-4", "address", "show"]).map_err(io::Error::other)?;
    let links: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
    let infos = links.iter().filter_map(|link| link["addr_info"].as_array()).flatten();
    let own = infos.filter_map(|info| info["local"].as_str()?.parse::<Ipv4Addr>().ok());
    let private = PRIVATE.iter().filter_map(|net| net.parse().ok());
    let mut all: Vec<Ipv4Net> = private.collect();
    for address in own.map(Ipv4Net::from) {
        let is_covered =
            address.addr().is_loopback() || all.iter().any(|net| net.contains(&address));
        if !is_covered {
            all.push(address);
        }
    }
    Ok(all)
}

/// The networks that are fenced off here.
///
/// # Errors
/// When `ip` cannot be run.
pub fn list() -> io::Result<Vec<Ipv4Net>> {
    if !rules()?.iter().all(|there| *there) {
        return Ok(Vec::new());
    }
    let routes = ip(&["-json", "-4", "route", "show", "table", TABLE]).map_err(io::Error::other)?;
    let routes: Vec<serde_json::Value> = serde_json::from_str(&routes).unwrap_or_default();
    Ok(routes.iter().filter_map(|route| network(route["dst"].as_str()?)).collect())
}

/// Which of our rules are there.
fn rules() -> io::Result<[bool; 2]> {
    let found = ip(&["-json", "-4", "rule", "show"]).map_err(io::Error::other)?;
    let found: Vec<serde_json::Value> = serde_json::from_str(&found).unwrap_or_default();
    let has = |priority: &str| {
        found.iter().any(|rule| rule["priority"].as_u64() == priority.parse::<u64>().ok())
    };
    Ok(RULES.map(|(priority, _)| has(priority)))
}

/// Fences off exactly these here.
///
/// # Errors
/// When they are others afterwards.
pub fn set(wanted: &[Ipv4Net]) -> io::Result<()> {
    let run = |words: &[&str]| ip(words).map(drop).map_err(io::Error::other);
    for ((priority, words), is_there) in RULES.iter().zip(rules()?) {
        if !is_there {
            run(&[&["-4", "rule", "add", "priority", priority], *words].concat())?;
        }
    }
    for net in list()?.iter().filter(|net| !wanted.contains(net)) {
        run(&["route", "del", "prohibit", &net.to_string(), "table", TABLE])?;
    }
    for net in wanted {
        run(&["route", "replace", "prohibit", &net.to_string(), "table", TABLE])?;
    }
    let found = list()?;
    match found.len() == wanted.len() && wanted.iter().all(|net| found.contains(net)) {
        true => Ok(()),
        false => Err(io::Error::other("the routes that do so are not as they should be")),
    }
}

/// `ip` leaves the length away where a network is one address.
fn network(text: &str) -> Option<Ipv4Net> {
    text.parse().ok().or_else(|| Some(Ipv4Net::from(text.parse::<Ipv4Addr>().ok()?)))
}

/// Networks as one line; the other end is [`parse`].
pub fn format(nets: &[Ipv4Net]) -> String {
    nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Reads what [`format`] wrote; `None` when it is something else.
pub fn parse(text: &str) -> Option<Vec<Ipv4Net>> {
    text.split(',').filter(|word| !word.is_empty()).map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_private_networks_are_networks() {
        let nets: Vec<Ipv4Net> = PRIVATE.iter().map(|net| net.parse().unwrap()).collect();
        assert!(nets.iter().all(|net| net.trunc() == *net));
        assert_eq!(parse(&format(&nets)).unwrap(), nets);
        assert_eq!(parse("10.0.0.0/8,x"), None);
        assert_eq!(network("203.0.113.7").unwrap().to_string(), "203.0.113.7/32");
    }
}

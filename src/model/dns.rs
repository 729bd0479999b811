//! What a topology tells the network's DNS and DHCP besides nodes and floating addresses.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// A record of the topology's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Whole name, without a dot at its end.
    pub name: String,
    /// True where it stands for every name below it: `*.` before it in the file.
    pub is_wildcard: bool,
    /// What is answered.
    pub answer: Answer,
}

/// What a record answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// `A`.
    Address(Ipv4Addr),
    /// `CNAME`: another whole name. It is answered by that name's address.
    Alias(String),
    /// `TXT`.
    Text(String),
    /// `SRV`.
    Service(Service),
}

/// A `SRV` record; service and protocol stand in its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Whole name of who serves.
    pub target: String,
    /// Its port.
    pub port: u64,
    /// Lowest first.
    pub priority: u64,
    /// Share among those of one priority.
    pub weight: u64,
}

/// An address that DHCP keeps for a guest which is not in the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reservation {
    /// Host name without domain.
    pub name: String,
    /// MAC address, lower case.
    pub mac: String,
    /// The address.
    pub address: Ipv4Addr,
}

/// A name of `domain`; one that ends with a dot, or with the domain, is whole already.
pub fn whole(name: &str, domain: &str) -> String {
    match name.strip_suffix('.') {
        Some(name) => name.to_owned(),
        None if name == domain || name.ends_with(&format!(".{domain}")) => name.to_owned(),
        None => format!("{name}.{domain}"),
    }
}

/// Labels of at most 63 letters, digits, hyphens and underscores, joined by dots; `*.` may stand before them.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(text: &str) -> Result<(), Flaw> {
    let shown = printable(text);
    let help = "write labels of small letters, digits, `-` and `_`, joined by dots; a name outside of the lab's domain ends with a dot";
    let labels = text.strip_prefix("*.").unwrap_or(text);
    let labels = labels.strip_suffix('.').unwrap_or(labels);
    let is_fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(is_fit)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    match labels.len() <= 200 && labels.split('.').all(is_label) {
        true => Ok(()),
        false => Err(Flaw::new(format!("'{shown}' is not a name that DNS can have"), help)),
    }
}

/// The same for what a record leads to, which is one name.
///
/// # Errors
/// What is wrong with it.
pub fn check_target(text: &str) -> Result<(), Flaw> {
    match text.starts_with("*.") {
        true => {
            Err(Flaw::new(format!("'{}' is not one name", printable(text)), "name one below it"))
        }
        false => check_name(text),
    }
}

/// Service, protocol and domain of a whole name that is `_service._tcp.domain`, or `_udp`.
pub fn service(name: &str) -> Option<[&str; 3]> {
    let (service, rest) = name.strip_prefix('_')?.split_once("._")?;
    let (protocol, domain) = rest.split_once('.')?;
    let is_one = !service.is_empty() && ["tcp", "udp"].contains(&protocol) && !domain.is_empty();
    is_one.then_some([service, protocol, domain])
}

/// What a `TXT` record can say: dnsmasq's configuration gives commas and quotes a meaning of their own.
///
/// # Errors
/// What is wrong with it.
pub fn check_text(text: &str) -> Result<(), Flaw> {
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !",\"\\#".contains(c);
    let is_fit = (1..=255).contains(&text.len()) && text.trim() == text;
    match is_fit && text.chars().all(is_plain) {
        true => Ok(()),
        false => Err(Flaw::new(
            format!("'{}' cannot be the text of a record", printable(text)),
            "write up to 255 characters of ASCII, without commas, quotes, backslashes and `#`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_the_domain_unless_they_end_with_a_dot() {
        let of = |name| whole(name, "three.lab");
        assert_eq!(of("www"), "www.three.lab");
        assert_eq!(of("a.b"), "a.b.three.lab");
        assert_eq!(of("www.three.lab"), "www.three.lab");
        assert_eq!(of("mirror.example.com."), "mirror.example.com");
    }

    #[test]
    fn what_means_something_to_dnsmasq_is_refused() {
        for good in ["www", "_ldap._tcp", "*.apps", "mirror.example.com."] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "*", "a..b", "-a", "a b", "a/b", "*.*.a", "a\nb", "WWW", "."] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert_eq!(service("_ldap._tcp.three.lab"), Some(["ldap", "tcp", "three.lab"]));
        for bad in ["_ldap._tcp", "_._tcp.a", "_ldap._sctp.a", "ldap._tcp.a", "_a.b._tcp"] {
            assert_eq!(service(bad), None, "{bad}");
        }
        assert!(check_target("*.apps").is_err());
        assert!(check_text("v=spf1 ~all").is_ok());
        for bad in ["", "a,b", "\"", "a\nb", " a", "ü"] {
            assert!(check_text(bad).is_err(), "{bad}");
        }
    }
}

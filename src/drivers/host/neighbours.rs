//! Who is on a network beside this computer.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::drivers::host::{addresses as own_addresses, ip_json};

/// How long the kernel may take to hear of somebody it asks for the first time.
const NEW: Duration = Duration::from_millis(1500);
/// How long until it knows whether somebody whom it knew is still there: it asks after five seconds, and then three times.
const KNOWN: Duration = Duration::from_secs(9);
/// A service that drops what it gets (RFC 863): nobody is bothered by what only makes the kernel ask.
const DISCARD: u16 = 9;

/// True when this computer has a bridge of that name.
pub fn is_bridge(name: &str) -> bool {
    let bridges = ip_json(&["link", "show", "type", "bridge"]);
    bridges.iter().any(|link| link["ifname"] == name)
}

/// Which of the addresses are taken on the network of that device, and by whom: this computer, or somebody with that
/// hardware's address. What this computer does not reach directly there is nobody's.
pub fn taken(addresses: &[Ipv4Addr], device: &str) -> BTreeMap<Ipv4Addr, String> {
    let links = ip_json(&["-4", "address", "show", "dev", device]);
    let own: Vec<Ipv4Addr> = own_addresses(&links).into_iter().map(|(_, own, _)| own).collect();
    let mut found: BTreeMap<Ipv4Addr, String> = addresses
        .iter()
        .filter(|address| own.contains(address))
        .map(|address| (*address, "this computer".to_owned()))
        .collect();
    let others: Vec<Ipv4Addr> =
        addresses.iter().filter(|address| !own.contains(address)).copied().collect();
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else { return found };
    for address in &others {
        let _ = socket.send_to(&[0], (*address, DISCARD));
    }
    let begin = Instant::now();
    loop {
        let table = ip_json(&["-4", "neighbour", "show", "dev", device]);
        let heard: Vec<Heard> = others.iter().map(|address| heard(&table, *address)).collect();
        let waits = heard.iter().any(|one| match one {
            Heard::Asked => begin.elapsed() < NEW,
            Heard::OfOld => begin.elapsed() < KNOWN,
            Heard::Of(_) | Heard::Nobody => false,
        });
        if !waits {
            let all = others.iter().zip(heard);
            found.extend(all.filter_map(|(address, one)| match one {
                Heard::Of(mac) => Some((*address, mac)),
                _ => None,
            }));
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the kernel knows of an address.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Somebody has it, with that hardware's address.
    Of(String),
    /// Somebody had it.
    OfOld,
    /// It asks.
    Asked,
    /// Nobody has it, or it is not reached directly.
    Nobody,
}

/// By the states of the kernel's neighbours (ip-neighbour(8)).
fn heard(table: &[Value], address: Ipv4Addr) -> Heard {
    let wanted = address.to_string();
    let Some(row) = table.iter().find(|row| row["dst"] == wanted.as_str()) else {
        return Heard::Nobody;
    };
    match row["state"][0].as_str() {
        Some("REACHABLE" | "PERMANENT") => {
            Heard::Of(row["lladdr"].as_str().unwrap_or_default().to_owned())
        }
        Some("STALE" | "DELAY" | "PROBE") => Heard::OfOld,
        Some("INCOMPLETE") => Heard::Asked,
        _ => Heard::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_who_answers_now_is_there() {
        let row = |last: u8, state: &str| json!({"dst": format!("10.98.0.{last}"), "lladdr": "52:54:00:00:00:07", "state": [state]});
        let table = [row(1, "REACHABLE"), row(2, "STALE"), row(3, "INCOMPLETE"), row(4, "FAILED")];
        let all = [1, 2, 3, 4, 5].map(|last| heard(&table, Ipv4Addr::new(10, 98, 0, last)));
        let of = Heard::Of("52:54:00:00:00:07".into());
        assert_eq!(all, [of, Heard::OfOld, Heard::Asked, Heard::Nobody, Heard::Nobody]);
        let links =
            json!([{"ifname": "lan0", "addr_info": [{"local": "10.98.0.1", "prefixlen": 24}]}, {}]);
        let links = links.as_array().cloned().unwrap_or_default();
        assert_eq!(own_addresses(&links), [("lan0", Ipv4Addr::new(10, 98, 0, 1), 24)]);
    }
}

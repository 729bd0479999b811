//! A topology's nodes in another network, with its comments and its layout as they are.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The text with every address of `from`, and `from` itself, at the same place of `to`. Where `to` is
/// smaller, addresses may end up outside of it: the checker says which.
pub fn relocate(text: &str, from: Ipv4Net, to: Ipv4Net) -> String {
    let (own, other) = (from.to_string(), to.to_string());
    let numeric = |c: char| c.is_ascii_digit() || c == '.' || c == '/';
    let mut moved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(numeric) {
        let (before, after) = rest.split_at(start);
        let end = after.find(|c| !numeric(c)).unwrap_or(after.len());
        let (word, later) = after.split_at(end);
        moved.push_str(before);
        let glued = before.chars().next_back().is_some_and(char::is_alphanumeric);
        let (first, prefix) = word.split_at(word.find('/').unwrap_or(word.len()));
        let address = first.parse().ok().filter(|address| from.contains(address));
        match address {
            _ if glued => moved.push_str(word),
            Some(_) if word == own => moved.push_str(&other),
            Some(address) => moved.push_str(&format!("{}{prefix}", place(address, from, to))),
            None => moved.push_str(word),
        }
        rest = later;
    }
    moved.push_str(rest);
    moved
}

fn place(address: Ipv4Addr, from: Ipv4Net, to: Ipv4Net) -> Ipv4Addr {
    let offset = u32::from(address) - u32::from(from.network());
    Ipv4Addr::from(u32::from(to.network()).wrapping_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_network_move_and_nothing_else_does() {
        let text = "network: {cidr: 10.240.0.0/24, dhcp: 10.240.0.200-10.240.0.250}\n\
                    a: 10.240.0.11, 10.240.0.64/28 # not 10.240.1.11, v1.240.0.3, x10.240.0.9 or 1.36.2\npod_cidr: 10.200.0.0/16";
        let net = |text: &str| text.parse().unwrap_or_default();
        let moved = relocate(text, net("10.240.0.0/24"), net("172.20.4.0/25"));
        assert_eq!(
            moved,
            "network: {cidr: 172.20.4.0/25, dhcp: 172.20.4.200-172.20.4.250}\n\
             a: 172.20.4.11, 172.20.4.64/28 # not 10.240.1.11, v1.240.0.3, x10.240.0.9 or 1.36.2\npod_cidr: 10.200.0.0/16"
        );
    }
}

//! Ports that a node's firewall lets others reach, as people write them: `80`, `53/udp`, `8000-8100`.

use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::word::words;

words! {
    /// What carries what is sent to a port.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
    pub enum Protocol {
        /// Streams.
        Tcp = "tcp",
        /// Datagrams.
        Udp = "udp",
    }
}

/// Ports that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Opening {
    /// What carries it.
    pub protocol: Protocol,
    /// The first of them.
    pub first: u16,
    /// The last, which may be the first.
    pub last: u16,
}

const HELP: &str = "write a port, `8080`, or a range, `8000-8100`; `/udp` at its end means UDP";

impl Opening {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Some(Protocol::Tcp)),
            Some((ports, protocol)) => (ports, Protocol::parse(protocol)),
        };
        let protocol =
            protocol.ok_or_else(|| Flaw::new("only `tcp` and `udp` have ports here", HELP))?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first > last => {
                let cure = format!("write `{last}-{first}`");
                Err(Flaw::new("the range ends before it begins", cure))
            }
            (Some(first), Some(last)) => Ok(Self { protocol, first, last }),
            _ => Err(Flaw::new("this is no port from 1 to 65535", HELP)),
        }
    }

    /// Judges one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(text: &str) -> Result<(), Flaw> {
        Self::parse(text).map(drop)
    }

    /// As a rule names the ports: `8080`, `8000-8100`.
    pub fn ports(&self) -> String {
        match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}-{}", self.first, self.last),
        }
    }
}

fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_ranges_and_protocols_are_read() {
        let read = |text| Opening::parse(text).map(|one| (one.ports(), one.protocol.name())).ok();
        assert_eq!(read("80"), Some(("80".to_owned(), "tcp")));
        assert_eq!(read("53/udp"), Some(("53".to_owned(), "udp")));
        assert_eq!(read("8000-8100/tcp"), Some(("8000-8100".to_owned(), "tcp")));
        assert_eq!(read("7-7"), Some(("7".to_owned(), "tcp")));
        for bad in ["", "0", "65536", "+80", "080", "80/", "80/sctp", "http", "9-8", "1-2-3", "-5"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

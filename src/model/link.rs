//! What becomes of what a node sends and is sent: late, lost, slow, or nothing at all.

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// What a node's link is made to be like. What is not said is as it always is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// How late everything is that the node sends.
    pub delay: Option<Milliseconds>,
    /// By how much more or less.
    pub jitter: Option<Milliseconds>,
    /// How much of it gets lost.
    pub loss: Option<Hundredths>,
    /// How much the node sends at most.
    pub rate: Option<Kilobits>,
    /// Nothing but SSH comes or goes.
    pub is_down: bool,
}

/// Milliseconds by which SSH may be late, and still lets lab in to clear the link.
const MOST_DELAY: u32 = 2000;
/// The same for what gets lost.
const MOST_LOSS: u32 = 3000;

/// Time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milliseconds(pub u32);

/// A share, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hundredths(pub u32);

/// Kilobits in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kilobits(pub u32);

impl Link {
    /// What the kernel's network emulator is told; empty where it has nothing to do.
    pub fn emulation(&self) -> String {
        let mut words = Vec::new();
        if self.delay.is_some() || self.jitter.is_some() {
            words.push(format!("delay {}ms", self.delay.map_or(0, |delay| delay.0)));
            words.extend(self.jitter.map(|jitter| format!("{}ms", jitter.0)));
        }
        let percent = |loss: Hundredths| format!("{}.{:02}", loss.0 / 100, loss.0 % 100);
        words.extend(self.loss.map(|loss| format!("loss {}%", percent(loss))));
        words.extend(self.rate.map(|rate| format!("rate {}kbit", rate.0)));
        words.join(" ")
    }
}

/// Reads a time: `50ms`, `2s`.
///
/// # Errors
/// How it is written.
pub fn delay(text: &str) -> Result<Milliseconds, Flaw> {
    let found = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(count), _) => number(count),
        (None, Some(count)) => number(count).and_then(|count| count.checked_mul(1000)),
        (None, None) => None,
    };
    found
        .filter(|count| *count <= MOST_DELAY)
        .map(Milliseconds)
        .ok_or_else(|| flaw(text, "a delay", "write it like 50ms or 1s; at most 2s"))
}

/// Reads a share: `1%`, `0.5%`.
///
/// # Errors
/// How it is written.
pub fn loss(text: &str) -> Result<Hundredths, Flaw> {
    let share = text.strip_suffix('%').and_then(|share| {
        let (whole, part) = share.split_once('.').unwrap_or((share, "0"));
        let part = match part.len() {
            1 => number(part)? * 10,
            2 => number(part)?,
            _ => return None,
        };
        number(whole)?.checked_mul(100)?.checked_add(part)
    });
    share.filter(|share| *share <= MOST_LOSS).map(Hundredths).ok_or_else(|| {
        flaw(text, "a share that gets lost", "write it like 1% or 0.5%; at most 30%")
    })
}

/// Reads a rate: `512kbit`, `10mbit`.
///
/// # Errors
/// How it is written.
pub fn rate(text: &str) -> Result<Kilobits, Flaw> {
    let found = match (text.strip_suffix("kbit"), text.strip_suffix("mbit")) {
        (Some(count), _) => number(count),
        (None, Some(count)) => number(count).and_then(|count| count.checked_mul(1000)),
        (None, None) => None,
    };
    found
        .filter(|count| (64..=10_000_000).contains(count))
        .map(Kilobits)
        .ok_or_else(|| flaw(text, "a rate", "write it like 512kbit or 10mbit; at least 64kbit"))
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn flaw(text: &str, what: &str, cure: &str) -> Flaw {
    Flaw::new(format!("'{}' is not {what}", printable(text)), cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_the_kernel_is_told() {
        let link = Link {
            delay: delay("50ms").ok(),
            jitter: delay("1s").ok(),
            loss: loss("0.5%").ok(),
            rate: rate("10mbit").ok(),
            is_down: false,
        };
        assert_eq!(link.emulation(), "delay 50ms 1000ms loss 0.50% rate 10000kbit");
        let alone = Link { loss: loss("12.05%").ok(), ..Link::default() };
        assert_eq!(alone.emulation(), "loss 12.05%");
        assert_eq!(Link::default().emulation(), "");
        for bad in ["", "50", "-1ms", "1.5s", "3s", "ms", "99999999999s"] {
            assert!(delay(bad).is_err(), "{bad}");
        }
        for bad in ["", "1", "31%", "1.234%", "1.%", "-1%", "%"] {
            assert!(loss(bad).is_err(), "{bad}");
        }
        for bad in ["", "1kbit", "1gbit", "fast", "99999999999mbit"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}

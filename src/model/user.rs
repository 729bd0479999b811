//! People who use a cluster, and what they may do there.

use crate::model::certificates;
use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// Hours that a person's certificate lives at most.
pub const MOST_HOURS: u64 = 30 * 24;

/// A person, as the API knows one by a certificate.
#[derive(Clone, Debug)]
pub struct User {
    /// Name.
    pub name: String,
    /// The group that the certificate says.
    pub group: Option<String>,
    /// How long the certificate lives.
    pub hours: u64,
}

/// What a person may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who.
    pub user: String,
    /// A role of the whole cluster: `view`, `edit`, `admin`, or another one.
    pub role: String,
    /// Where; everywhere, where nothing is said.
    pub namespace: Option<String>,
}

/// Judges the name of a person, a group, a role or a namespace. Names with a colon are Kubernetes' and lab's own.
///
/// # Errors
/// How it is written.
pub fn name(text: &str) -> Result<(), Flaw> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = text.chars().all(plain) && text.starts_with(ends) && text.ends_with(ends);
    match fits && text.len() <= 63 {
        true => Ok(()),
        false => {
            let message = format!("'{}' is no name for users, groups and roles", printable(text));
            Err(Flaw::new(message, "write letters, digits, `-` and `.`, like anna.k"))
        }
    }
}

/// Reads how long a person's certificate lives: `12h`, `7d`.
///
/// # Errors
/// How it is written.
pub fn life(text: &str) -> Result<u64, Flaw> {
    certificates::hours(text).filter(|hours| (1..=MOST_HOURS).contains(hours)).ok_or_else(|| {
        let message = format!("'{}' is not how long a user's certificate lives", printable(text));
        Flaw::new(message, "write hours or days, like 12h or 7d; from 1h to 30d")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_system_are_nobodys() {
        for good in ["anna", "anna.k", "team-7", "a"] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in
            ["", "system:masters", "lab:cluster-admins", "Anna", "-a", "a.", "a b", "$(x)", "a/b"]
        {
            assert!(name(bad).is_err(), "{bad}");
        }
        let read = |text| life(text).ok();
        assert_eq!(
            (read("1h"), read("12h"), read("7d"), read("30d")),
            (Some(1), Some(12), Some(168), Some(720))
        );
        for bad in ["", "0h", "31d", "12", "h", "-1h", "1w", "9999999999999999999d"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

//! What a topology says of certificates.

use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// Days a leaf certificate lives where nothing else is said.
const DAYS: u64 = 365;
/// Days an authority lives.
pub const AUTHORITY_DAYS: u64 = 3650;
/// Days before their end in which certificates are renewed; of short-lived ones a third of their life.
const SPARE_DAYS: u64 = 30;

/// What a topology says of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Certificates {
    /// Hours that one lives, where the topology says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u64>,
    /// What their subjects say besides.
    #[serde(skip_serializing_if = "Place::is_empty")]
    pub place: Place,
}

/// Where the lab is, as subjects of certificates say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// State or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Locality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
}

impl Place {
    /// True where nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Certificates {
    /// True where nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Hours that one lives.
    pub fn life_hours(&self) -> u64 {
        self.hours.unwrap_or(DAYS * 24)
    }

    /// Hours before its end in which one is renewed.
    pub fn spare_hours(&self) -> u64 {
        (SPARE_DAYS * 24).min(self.life_hours() / 3)
    }
}

/// Reads `17520h` or `730d`, as hours.
///
/// # Errors
/// What is wrong with it.
pub fn lifetime(text: &str) -> Result<u64, Flaw> {
    let cure = format!("write hours or days, like 17520h or 730d; from 1d to {AUTHORITY_DAYS}d");
    let shown = printable(text);
    match hours(text) {
        Some(hours) if (24..=AUTHORITY_DAYS * 24).contains(&hours) => Ok(hours),
        Some(_) => Err(Flaw::new(format!("certificates cannot live {shown}"), cure)),
        None => Err(Flaw::new(format!("'{shown}' is not a time that certificates live"), cure)),
    }
}

/// Hours, or days as hours: `12h`, `7d`.
pub(crate) fn hours(text: &str) -> Option<u64> {
    let (count, hours) = match (text.strip_suffix('h'), text.strip_suffix('d')) {
        (Some(hours), _) => (hours, 1),
        (None, days) => (days?, 24),
    };
    let is_count = count.chars().all(|c| c.is_ascii_digit());
    count.parse::<u64>().ok().filter(|_| is_count)?.checked_mul(hours)
}

/// Two letters, as ISO 3166 has them.
///
/// # Errors
/// What is wrong with it.
pub fn country(text: &str) -> Result<(), Flaw> {
    match text.len() == 2 && text.chars().all(|c| c.is_ascii_uppercase()) {
        true => Ok(()),
        false => Err(Flaw::new(
            format!("'{}' is not the code of a country", printable(text)),
            "write its two capital letters, like US or DE",
        )),
    }
}

/// A name of up to 64 characters.
///
/// # Errors
/// What is wrong with it.
pub fn place(text: &str) -> Result<(), Flaw> {
    let is_fit = text.trim() == text && (1..=64).contains(&text.chars().count());
    match is_fit && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(Flaw::new(
            format!("'{}' cannot stand in the subject of a certificate", printable(text)),
            "write up to 64 characters",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_hours_or_days() {
        assert_eq!(lifetime("17520h").ok(), Some(17520));
        assert_eq!(lifetime("730d").ok(), Some(17520));
        for bad in
            ["", "h", "12", "1h", "0d", "3651d", "2y", "-1d", "+48h", "99999999999999999999d"]
        {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
        let of = |hours| Certificates { hours, ..Certificates::default() };
        assert_eq!(of(None).spare_hours(), 720);
        assert_eq!(of(Some(24)).spare_hours(), 8);
    }
}

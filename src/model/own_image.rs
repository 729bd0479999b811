//! Images of people's own: a disk that is like a system of the catalogue.

use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// An image that the catalogue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnImage {
    /// What it is called.
    pub name: String,
    /// The system of the catalogue that it is: whose packages and tools count.
    pub like: String,
    /// Where it is, if not on this computer already.
    pub from: Option<From>,
    /// Hex sha256 of the file.
    pub sha256: Option<String>,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// At an address.
    Url(String),
    /// In a file, by its way from the topology.
    File(String),
}

/// The address of an image.
///
/// # Errors
/// How it is written.
pub fn url(text: &str) -> Result<(), Flaw> {
    let help = "write it like https://images.example/debian-12.qcow2";
    let plain = |c: char| c.is_ascii_graphic() && !"\"'<>\\^`{|}".contains(c);
    // Whoever may read a topology would have it.
    if text.split('/').nth(2).is_some_and(|host| host.contains('@')) {
        return Err(Flaw::new("the address has a password in it", "remove it"));
    }
    match text.strip_prefix("https://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((host, path)) if !host.is_empty() && !path.is_empty() && text.chars().all(plain) => {
            Ok(())
        }
        _ => Err(Flaw::new(format!("'{}' is no https address of a file", printable(text)), help)),
    }
}

/// A sha256 in hex.
///
/// # Errors
/// How it is written.
pub fn sha256(text: &str) -> Result<(), Flaw> {
    match text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(()),
        false => Err(Flaw::new("a sha256 has 64 hex digits", "`sha256sum FILE` prints it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_files_by_https() {
        for good in ["https://a.example/x.qcow2", "https://a.example:8443/x/y%20z.img?v=1&w=2"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/x",
            "https://a.example",
            "https:///x",
            "https://u:p@a/x",
            "x",
            "https://a/b c",
            "https://a/\"",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert!(sha256(&"aF".repeat(32)).is_ok());
        assert!(sha256(&"a".repeat(63)).is_err() && sha256(&"g".repeat(64)).is_err());
    }
}

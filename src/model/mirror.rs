//! Mirrors of registries: where images are looked for first.

use std::collections::BTreeMap;

use crate::model::flaw::Flaw;
use crate::model::topology::problem::printable;

/// Stands for every registry that is not named.
pub const ALL: &str = "*";

/// Mirrors by registry, in the order in which they are asked.
pub type Mirrors = BTreeMap<String, Vec<String>>;

/// A registry: a host, and a port where it has one, or `*`.
///
/// # Errors
/// How it is written.
pub fn registry(text: &str) -> Result<(), Flaw> {
    if text == ALL || is_host(text) {
        return Ok(());
    }
    let message = format!("'{}' is not a registry", printable(text));
    Err(Flaw::new(message, "write its host as images have it, like docker.io, or `*` for all"))
}

/// The address of a mirror.
///
/// # Errors
/// How it is written.
pub fn url(text: &str) -> Result<(), Flaw> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let refused = |what: &str, help: &str| {
        Err(Flaw::new(format!("the mirror '{}' {what}", printable(text)), help))
    };
    let Some(rest) = rest else {
        return refused(
            "is no address",
            "write it like https://mirror.example, or http://10.240.0.5:5000",
        );
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    match is_host(host) && path.chars().all(plain) {
        true => Ok(()),
        // Whoever may read a topology would have it.
        false if host.contains('@') => {
            refused("has a password in it", "remove it: mirrors are asked without")
        }
        false => refused(
            "is no address",
            "write a host, a port and a path of letters, digits, dots and hyphens",
        ),
    }
}

/// True for a host, and a port where it has one.
pub(crate) fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let begins = host.starts_with(|c: char| c.is_ascii_alphanumeric());
    begins
        && host.len() < 200
        && host.chars().all(plain)
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// True where a mirror may have an image of that name, registry and all.
pub fn may_have(mirrors: &Mirrors, image: &str) -> bool {
    let host = image.split('/').next().unwrap_or_default();
    mirrors.contains_key(host) || mirrors.contains_key(ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_and_mirrors_are_hosts() {
        for good in ["docker.io", "*", "registry.lab:5000", "10.0.0.5:80"] {
            assert!(registry(good).is_ok(), "{good}");
        }
        for bad in ["", "https://docker.io", "a/b", "-a", "a:0", "a:x", "..\\a", "a b", "Docker.io"]
        {
            assert!(registry(bad).is_err(), "{bad}");
        }
        for good in ["http://10.0.0.5:5000", "https://mirror.example/v2/hub"] {
            assert!(url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "mirror.example",
            "http://",
            "https://a b",
            "ftp://a",
            "http://a/\"]",
            "http://a?b",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        let told = url("https://me:word@mirror.example").err().map(|flaw| flaw.message);
        assert!(told.is_some_and(|told| told.contains("has a password in it")));
    }

    #[test]
    fn a_mirror_of_all_may_have_any_image() {
        let of = |key: &str| Mirrors::from([(key.to_owned(), vec![])]);
        assert!(may_have(&of("docker.io"), "docker.io/library/web:1"));
        assert!(!may_have(&of("docker.io"), "registry.k8s.io/pause:3"));
        assert!(may_have(&of(ALL), "registry.k8s.io/pause:3"));
    }
}

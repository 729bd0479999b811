//! How labels, annotations and taints are written: Kubernetes' own grammar ("Labels and Selectors", "Taints and
//! Tolerations"), and what nobody but a kubelet or lab may say.

use crate::model::flaw::Flaw;
use crate::model::near::nearest;
use crate::model::role::Role;
use crate::model::taint::{EFFECTS, Taint};
use crate::model::topology::problem::printable;

/// Keys of labels that a kubelet sets itself, each time that it starts.
const OF_THE_KUBELET: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];
/// The prefix of keys that lab has for itself.
pub const OWN_PREFIX: &str = "libvirt-lab";
const ROLE_PREFIX: &str = "node-role.kubernetes.io";

/// Checks a key of a label, an annotation or a taint: a name of at most 63 characters, with or without a prefix.
pub(crate) fn key(text: &str) -> Result<(), Flaw> {
    let (prefix, name) =
        text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let flaw = |what: &str| {
        let cure = "write a name, like `disk`, or a domain and a name, like `example.com/disk`";
        Flaw::new(format!("the key '{}' {what}", printable(text)), cure)
    };
    if !is_word(name, 63) || name.is_empty() {
        return Err(flaw("has a name that is not letters, digits, '-', '_' and '.', at most 63"));
    }
    if let Some(prefix) = prefix {
        let is_part = |part: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !part.is_empty()
                && part.chars().all(fits)
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        if prefix.len() > 253 || !prefix.split('.').all(is_part) {
            return Err(flaw("has a prefix that is no domain"));
        }
    }
    let is_a_role = prefix == Some(ROLE_PREFIX) && Role::parse(name).is_some();
    if OF_THE_KUBELET.contains(&text) || prefix == Some(OWN_PREFIX) || is_a_role {
        let cure = "remove it; names and roles come from the topology";
        return Err(Flaw::new(format!("'{text}' is set by lab or by the kubelet itself"), cure));
    }
    Ok(())
}

/// Checks a label's or a taint's value.
pub(crate) fn label_value(text: &str) -> Result<(), Flaw> {
    if is_word(text, 63) {
        return Ok(());
    }
    let message = format!("'{}' is not a value that a label can have", printable(text));
    let cure =
        "write letters, digits, '-', '_' and '.', at most 63, with a letter or digit at both ends";
    Err(Flaw::new(message, cure))
}

/// Checks an annotation's value: text.
pub(crate) fn annotation_value(text: &str) -> Result<(), Flaw> {
    let odd = |c: &char| c.is_control() && *c != '\n' && *c != '\t';
    match text.chars().find(odd) {
        Some(c) => {
            let message =
                format!("an annotation contains a control character (U+{:04X})", c as u32);
            Err(Flaw::new(message, "remove it"))
        }
        None if text.len() > 64 << 10 => {
            Err(Flaw::new("an annotation is longer than 64 KiB", "put it into a ConfigMap"))
        }
        None => Ok(()),
    }
}

/// Reads a taint as kubectl takes it.
pub(crate) fn taint(text: &str) -> Result<Taint, Flaw> {
    let shape = "write it as `key=value:NoSchedule` or `key:NoSchedule`";
    let Some((what, effect)) = text.rsplit_once(':') else {
        return Err(Flaw::new(format!("the taint '{}' has no effect", printable(text)), shape));
    };
    let Some(effect) = EFFECTS.iter().find(|known| **known == effect) else {
        let cure = match nearest(effect, EFFECTS.iter().copied()) {
            Some(near) => format!("write '{what}:{near}'"),
            None => format!("choose from: {}", EFFECTS.join(", ")),
        };
        let message = format!("'{}' is no effect of a taint", printable(effect));
        return Err(Flaw::new(message, cure));
    };
    let (name, value) = what.split_once('=').unwrap_or((what, ""));
    key(name)?;
    label_value(value)?;
    Ok(Taint { key: name.to_owned(), value: value.to_owned(), effect })
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends; or nothing.
fn is_word(text: &str, max: usize) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ends = [text.chars().next(), text.chars().last()];
    let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= max && text.chars().all(inner) && ends.into_iter().all(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_those_of_kubernetes() {
        for good in ["disk", "example.com/disk_type", "A", "a.b-c_d", "topology.kubernetes.io/zone"]
        {
            assert!(key(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64);
        for bad in [
            "",
            "/a",
            "a/",
            "-a",
            "a b",
            "Ex.com/a",
            "a/b/c",
            &long,
            "kubernetes.io/hostname",
            "libvirt-lab/x",
            "node-role.kubernetes.io/worker",
        ] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(label_value("").is_ok() && label_value("a.B-1").is_ok());
        assert!(label_value("a b").is_err() && label_value("-a").is_err());
    }

    #[test]
    fn taints_are_read_as_kubectl_reads_them() {
        for good in ["a=b:NoSchedule", "example.com/a:NoExecute", "a=:PreferNoSchedule"] {
            assert_eq!(taint(good).map(|taint| taint.to_string()), Ok(good.replace("=:", ":")));
        }
        for bad in ["a", "a:", "a:NoShedule", "a b:NoSchedule", "a=b=c:NoSchedule", ":NoSchedule"] {
            assert!(taint(bad).is_err(), "{bad}");
        }
    }
}

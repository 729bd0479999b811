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
/// The prefix of labels that say a node's roles.
pub const ROLE_PREFIX: &str = "node-role.kubernetes.io";

/// Prefixes of taints that Kubernetes' own controllers set and remove.
const OF_CONTROLLERS: &[&str] = &["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];

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
    if prefix == Some(OWN_PREFIX) {
        let cure = "remove it, or choose another prefix";
        return Err(Flaw::new(format!("'{text}' has the prefix of lab itself"), cure));
    }
    Ok(())
}

/// Checks a key of a label: not one that follows from the topology.
pub(crate) fn label_key(text: &str) -> Result<(), Flaw> {
    key(text)?;
    let role = text.strip_prefix(ROLE_PREFIX).and_then(|rest| rest.strip_prefix('/'));
    if OF_THE_KUBELET.contains(&text) || role.is_some_and(|role| Role::parse(role).is_some()) {
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
    if let Some(prefix) = OF_CONTROLLERS.iter().find(|prefix| name.starts_with(**prefix)) {
        let message =
            format!("taints of {} come and go with the node's state", prefix.trim_end_matches('/'));
        return Err(Flaw::new(message, "choose another key, like `dedicated`"));
    }
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
        for bad in ["", "/a", "a/", "-a", "a b", "Ex.com/a", "a/b/c", &long, "libvirt-lab/x"] {
            assert!(key(bad).is_err(), "{bad}");
        }
        for bad in ["kubernetes.io/hostname", "node-role.kubernetes.io/worker", "a b"] {
            assert!(label_key(bad).is_err(), "{bad}");
        }
        assert!(label_key("node-role.kubernetes.io/store").is_ok());
        assert!(label_value("").is_ok() && label_value("a.B-1").is_ok());
        assert!(label_value("a b").is_err() && label_value("-a").is_err());
    }

    #[test]
    fn taints_are_read_as_kubectl_reads_them() {
        for good in [
            "a=b:NoSchedule",
            "example.com/a:NoExecute",
            "a=:PreferNoSchedule",
            "node-role.kubernetes.io/control-plane:NoSchedule",
        ] {
            assert_eq!(taint(good).map(|taint| taint.to_string()), Ok(good.replace("=:", ":")));
        }
        for bad in [
            "a",
            "a:",
            "a:NoShedule",
            "a b:NoSchedule",
            "a=b=c:NoSchedule",
            ":NoSchedule",
            "node.kubernetes.io/not-ready:NoExecute",
        ] {
            assert!(taint(bad).is_err(), "{bad}");
        }
    }
}

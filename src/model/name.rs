//! Names and the identities derived from them: the strict grammars, MACs, UUIDs, bridge names.

use uuid::Uuid;

use crate::model::flaw::Flaw;

/// Namespace of every UUID that `lab` derives; fixed for ever.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x7d0c_51a4_6a0e_4c53_9a7e_1f0b_6c61_6221);

const RESERVED: &[&str] = &["localhost", "kubernetes", "all", "gateway"];

/// Checks an RFC 1123 label: lower-case letters, digits and hyphens, at most `max` characters.
///
/// # Errors
/// What is wrong and how to mend it.
pub fn check_label(what: &str, text: &str, max: usize) -> Result<(), Flaw> {
    check_grammar(what, text, max)?;
    if RESERVED.contains(&text) {
        return Err(Flaw::new(
            format!("'{text}' has a meaning of its own and cannot be {what}"),
            format!("write '{text}1'"),
        ));
    }
    Ok(())
}

/// The same, whatever the label means.
fn check_grammar(what: &str, text: &str, max: usize) -> Result<(), Flaw> {
    let shown = crate::model::topology::problem::printable(text);
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(Flaw::new(
            format!("{what} contains a control character (U+{:04X})", c as u32),
            "use letters, digits and hyphens",
        ));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii()) {
        return Err(Flaw::new(
            format!("{what} '{shown}' contains '{c}' (U+{:04X}), which is not ASCII", c as u32),
            "use the letters a to z",
        ));
    }
    if text.is_empty() {
        return Err(Flaw::new(format!("{what} is empty"), "give it a name such as node1"));
    }
    if text.contains("${") || text.contains("{{") {
        return Err(Flaw::new(
            format!("{what} '{shown}' has a variable, and none is filled in here"),
            "write the name itself",
        ));
    }
    if text.len() > max {
        return Err(Flaw::new(
            format!("{what} '{shown}' has {} characters; at most {max} fit", text.len()),
            "choose a shorter name",
        ));
    }
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(Flaw::new(
            format!("{what} '{shown}' has capital letters; host names have no case"),
            written(as_label(text), "use small letters, digits and hyphens"),
        ));
    }
    if let Some(c) = text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(Flaw::new(
            format!("{what} '{shown}' contains '{c}'"),
            written(as_label(text), "use letters, digits and hyphens"),
        ));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(Flaw::new(
            format!("{what} '{shown}' must start and end with a letter or digit"),
            written(as_label(text), "use letters, digits and hyphens"),
        ));
    }
    Ok(())
}

/// The label that is nearest to a text; `None` where nothing of it is left.
fn as_label(text: &str) -> Option<String> {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = text.chars().map(fit).collect();
    let label = label.trim_matches('-');
    (!label.is_empty()).then(|| label.to_owned())
}

fn written(name: Option<String>, otherwise: &str) -> String {
    name.map_or_else(|| otherwise.to_owned(), |name| format!("write '{name}'"))
}

/// Checks a domain name: labels joined by dots, at most 200 characters.
///
/// # Errors
/// As [`check_label`].
pub fn check_domain(text: &str) -> Result<(), Flaw> {
    if text.len() > 200 {
        return Err(Flaw::new("the domain is longer than 200 characters", "shorten it"));
    }
    let what = "a part of the domain";
    if text.ends_with('.') {
        let cure = format!("write '{}', without the last dot", text.trim_end_matches('.'));
        return Err(Flaw::new(format!("the domain '{text}' ends with a dot"), cure));
    }
    if text.starts_with('.') {
        let cure = format!("write '{}', without the first dot", text.trim_start_matches('.'));
        return Err(Flaw::new(format!("the domain '{text}' begins with a dot"), cure));
    }
    let whole =
        || text.split('.').map(as_label).collect::<Option<Vec<_>>>().map(|all| all.join("."));
    text.split('.').try_for_each(|label| check_grammar(what, label, 63)).map_err(
        |flaw| match flaw.help.starts_with("write '") {
            true => Flaw::new(flaw.message, written(whole(), &flaw.help)),
            false => flaw,
        },
    )?;
    // A word that is a name by itself may well be a part of one.
    match text.contains('.') {
        true => Ok(()),
        false => check_label(what, text, 63),
    }
}

/// Who owns a lab: enough to tell two people's labs of one name apart on one computer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Stable id of the computer, from `/etc/machine-id` or the host name.
    pub machine: String,
    /// Numeric user id.
    pub uid: u32,
}

/// The lab's id: the same for the same owner and name, so that losing local state loses only keys.
pub fn lab_id(owner: &Owner, name: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{}/{}/{name}", owner.machine, owner.uid).as_bytes())
}

/// Id of one thing in a lab, `kind` being `domain`, `network` or `pool`.
pub fn object_id(lab: Uuid, kind: &str, name: &str) -> Uuid {
    Uuid::new_v5(&lab, format!("{kind}/{name}").as_bytes())
}

/// MAC address of a node's first card, in the range QEMU guests use (52:54:00).
pub fn mac(lab: Uuid, node: &str) -> String {
    let id = object_id(lab, "mac", node);
    let [a, b, c, ..] = *id.as_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

/// Bridge name: 13 characters, and so inside the kernel's limit of 15.
pub fn bridge(lab: Uuid) -> String {
    let id = object_id(lab, "bridge", "nat").simple().to_string();
    format!("lab{}", &id[..10])
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Checks a YAML tree against the grammar of [`crate::model::topology::schema`], collecting every problem.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::name::{check_domain, check_label};
use crate::model::size;
use crate::model::topology::cloud_config;
use crate::model::topology::problem::{Problem, printable};
use crate::model::topology::schema::{Field, Kind, Table};
use crate::model::topology::yaml::{Entry, Node, Value};
use crate::model::version::{NEWEST_MINOR, OLDEST_MINOR, Version};

/// Checks `node` against `table`; findings go to `problems`.
pub fn table(table: &Table, node: &Node, context: &str, problems: &mut Vec<Problem>) {
    let Value::Map(entries) = &node.value else {
        problems.push(
            Problem::error(
                "L0110",
                &node.span,
                format!("{context} must be a mapping, not {}", node.value.kind()),
            )
            .help("write `field: value` lines below it, indented"),
        );
        return;
    };
    for entry in entries {
        match table.fields.iter().find(|field| field.name == entry.key) {
            Some(field) => value(&field.kind, &entry.node, &entry.key, problems),
            None => problems.push(unknown(table, entry, context)),
        }
    }
    for field in table.fields.iter().filter(|field| field.required) {
        if node.get(field.name).is_none() {
            let at = node.span.start..node.span.start + 1;
            problems.push(
                Problem::error("L0112", &at, format!("{context} lacks '{}'", field.name))
                    .label("in here")
                    .help(format!("add `{}:`. {}", field.name, field.doc)),
            );
        }
    }
}

fn unknown(table: &Table, entry: &Entry, context: &str) -> Problem {
    let problem = Problem::error(
        "L0111",
        &entry.key_span,
        format!("unknown field '{}' in {context}", printable(&entry.key)),
    );
    match nearest(&entry.key, table.fields.iter().map(|field| field.name)) {
        Some(name) => problem.help(format!("did you mean `{name}`?")),
        None => problem.help(format!("{} has: {}", table.name, names(table.fields))),
    }
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ")
}

/// The candidate that `text` was probably meant to be.
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|name| (strsim::damerau_levenshtein(text, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

fn value(kind: &Kind, node: &Node, field: &str, problems: &mut Vec<Problem>) {
    match (kind, &node.value) {
        (_, Value::Null) => problems.push(
            Problem::error("L0113", &node.span, format!("'{field}' has no value"))
                .help(format!("give it a value, or remove the line `{field}:`")),
        ),
        (Kind::Table(inner), _) => table(inner, node, &format!("'{field}'"), problems),
        (Kind::CloudConfig, _) => cloud_config::check(node, problems),
        (Kind::Named(inner), Value::Map(entries)) => {
            for entry in entries {
                if let Err((message, help)) = check_label("a name", &entry.key, 40) {
                    problems.push(Problem::error("L0201", &entry.key_span, message).help(help));
                }
                named(inner, entry, problems);
            }
            if entries.is_empty() {
                problems.push(
                    Problem::error("L0113", &node.span, format!("'{field}' is empty"))
                        .help("put something into it, or remove the line"),
                );
            }
        }
        (Kind::List(inner), Value::List(items)) => {
            for item in items {
                value(inner, item, field, problems);
            }
            if items.is_empty() {
                problems.push(
                    Problem::error("L0113", &node.span, format!("'{field}' is empty"))
                        .help("put something into it, or remove the line"),
                );
            }
        }
        (Kind::Set(words), Value::List(items)) => {
            for item in items {
                value(&Kind::Choice(words), item, field, problems);
            }
        }
        (Kind::List(_) | Kind::Set(_), _) => problems.push(
            Problem::error(
                "L0110",
                &node.span,
                format!("'{field}' must be a list, not {}", node.value.kind()),
            )
            .help("write it as `[one, two]`"),
        ),
        (Kind::Named(_), _) => problems.push(
            Problem::error(
                "L0110",
                &node.span,
                format!("'{field}' must be a mapping, not {}", node.value.kind()),
            )
            .help("write `name:` lines below it, indented"),
        ),
        (_, Value::Scalar { text, .. }) => {
            if let Err((code, message, help)) = scalar(kind, field, text) {
                problems.push(Problem::error(code, &node.span, message).help(help));
            }
        }
        (_, other) => problems.push(
            Problem::error(
                "L0110",
                &node.span,
                format!("'{field}' must be a single value, not {}", other.kind()),
            )
            .help(format!("write `{field}: value`")),
        ),
    }
}

fn named(kind: &Kind, entry: &Entry, problems: &mut Vec<Problem>) {
    match kind {
        Kind::Table(inner) => {
            let context = format!("{} '{}'", inner.name, printable(&entry.key));
            table(inner, &entry.node, &context, problems);
        }
        other => value(other, &entry.node, &entry.key, problems),
    }
}

type Finding = (&'static str, String, String);

fn scalar(kind: &Kind, field: &str, text: &str) -> Result<(), Finding> {
    let shown = printable(text);
    let with = |code| move |(message, help)| (code, message, help);
    match kind {
        Kind::Label(max) => check_label(&format!("'{field}'"), text, *max).map_err(with("L0201")),
        Kind::Login => login(text).map_err(with("L0502")),
        Kind::Domain => check_domain(text).map_err(with("L0202")),
        Kind::Size => size::parse(text)
            .map(drop)
            .map_err(|(message, help)| ("L0120", format!("{field} {message}"), help)),
        Kind::Integer(min, max) => match text.parse::<u64>() {
            Ok(number) if (*min..=*max).contains(&number) => Ok(()),
            Ok(_) => Err((
                "L0121",
                format!("{field} {shown} is out of range"),
                format!("{field} goes from {min} to {max}"),
            )),
            Err(_) => Err((
                "L0121",
                format!("{field} '{shown}' is not a whole number"),
                format!("{field} goes from {min} to {max}"),
            )),
        },
        Kind::Address => address(text).map(drop).map_err(with("L0301")),
        Kind::Network => network(text).map(drop).map_err(with("L0302")),
        Kind::AddressRange => address_range(text).map(drop).map_err(with("L0303")),
        Kind::Mac => mac(text).map(drop).map_err(with("L0304")),
        Kind::Version => kubernetes_version(text).map_err(with("L0401")),
        Kind::Path if text.is_empty() || text.contains('\0') => {
            Err(("L0122", format!("'{field}' is not a path"), "name a folder".into()))
        }
        Kind::Path => Ok(()),
        Kind::PublicKey => public_key(text).map_err(with("L0501")),
        Kind::Choice(words) if words.contains(&text) => Ok(()),
        Kind::Choice(words) => Err((
            "L0123",
            format!("'{shown}' is not a value of '{field}'"),
            match nearest(text, words.iter().copied()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("choose from: {}", words.join(", ")),
            },
        )),
        Kind::Boolean if !["true", "false"].contains(&text) => Err((
            "L0124",
            format!("'{field}' is '{shown}', neither true nor false"),
            format!("write `{field}: true` or `{field}: false`"),
        )),
        _ => Ok(()),
    }
}

/// Accounts that every system has: cloud-init would change them instead of making one.
const SYSTEM_ACCOUNTS: &[&str] = &[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "nobody",
    "backup",
    "list",
    "irc",
    "sshd",
    "etcd",
    "haproxy",
    "systemd-network",
    "systemd-resolve",
    "messagebus",
];

fn login(text: &str) -> Result<(), (String, String)> {
    check_label("'user'", text, 31)?;
    if SYSTEM_ACCOUNTS.contains(&text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!(
            "'{text}' cannot be the login: the system has that account, or no such can be made"
        );
        return Err((message, "leave `user` away; it is then 'lab'".into()));
    }
    Ok(())
}

fn kubernetes_version(text: &str) -> Result<(), (String, String)> {
    let range = format!("1.{OLDEST_MINOR} to 1.{NEWEST_MINOR} are known");
    match Version::parse(text) {
        None => Err((
            format!("'{}' is not a Kubernetes version", printable(text)),
            format!(
                "write it with three numbers, like {}; {range}",
                crate::model::version::DEFAULT
            ),
        )),
        Some(version) if version.is_too_old() => {
            Err((format!("Kubernetes {version} is not supported"), range))
        }
        Some(_) => Ok(()),
    }
}

fn public_key(text: &str) -> Result<(), (String, String)> {
    let help = "give the line of the .pub file, like `ssh-ed25519 AAAA... you@host`";
    if text.contains("PRIVATE KEY") {
        return Err(("this is a private key".into(), help.into()));
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let known = [
        "ssh-ed25519",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    let body = words.get(1).copied().unwrap_or_default();
    let plausible = words.first().is_some_and(|kind| known.contains(kind))
        && body.len() >= 60
        && body.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
        && !text.chars().any(char::is_control);
    if plausible { Ok(()) } else { Err(("this is not an SSH public key".into(), help.into())) }
}

/// Reads an IPv4 address, refusing forms that tools read in different ways.
///
/// # Errors
/// (message, help).
pub fn address(text: &str) -> Result<Ipv4Addr, (String, String)> {
    text.parse().map_err(|_| {
        let octal = text.split('.').any(|part| part.len() > 1 && part.starts_with('0'));
        let help = if octal {
            "leading zeros mean octal to some tools; write the numbers without them"
        } else {
            "write four numbers from 0 to 255, like 10.240.0.11"
        };
        (format!("'{}' is not an IPv4 address", printable(text)), help.to_owned())
    })
}

/// Reads an IPv4 network without host bits, /8 to /29.
///
/// # Errors
/// (message, help).
pub fn network(text: &str) -> Result<Ipv4Net, (String, String)> {
    let shown = printable(text);
    let Some((host, prefix)) = text.split_once('/') else {
        return Err((format!("'{shown}' has no prefix length"), format!("write '{shown}/24'")));
    };
    let host = address(host)?;
    let net = prefix
        .parse::<u8>()
        .ok()
        .filter(|_| prefix.len() <= 2 && !prefix.starts_with(['+', '0']))
        .and_then(|prefix| Ipv4Net::new(host, prefix).ok())
        .ok_or_else(|| {
            (
                format!("'/{}' is not a prefix length", printable(prefix)),
                "write for example /24".to_owned(),
            )
        })?;
    if !(8..=29).contains(&net.prefix_len()) {
        return Err((
            format!(
                "a /{} network is {}",
                net.prefix_len(),
                if net.prefix_len() < 8 { "too large" } else { "too small" }
            ),
            "use a prefix from /8 to /29".into(),
        ));
    }
    if net.network() != net.addr() {
        return Err((format!("{net} has host bits set"), format!("write {}", net.trunc())));
    }
    Ok(net)
}

/// Reads `first-last`.
///
/// # Errors
/// (message, help).
pub fn address_range(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), (String, String)> {
    let Some((first, last)) = text.split_once('-') else {
        return Err((
            format!("'{}' is not a range", printable(text)),
            "write it as 10.240.0.200-10.240.0.250".into(),
        ));
    };
    let (first, last) = (address(first.trim())?, address(last.trim())?);
    if first > last {
        return Err((
            format!("the range {first}-{last} ends before it starts"),
            format!("write {last}-{first}"),
        ));
    }
    Ok((first, last))
}

/// Reads a MAC address a guest's card can have.
///
/// # Errors
/// (message, help).
pub fn mac(text: &str) -> Result<String, (String, String)> {
    let lower = text.to_ascii_lowercase();
    let bytes: Option<Vec<u8>> = lower
        .split(':')
        .map(|part| if part.len() == 2 { u8::from_str_radix(part, 16).ok() } else { None })
        .collect();
    match bytes.as_deref() {
        Some([first, ..]) if bytes.as_ref().is_some_and(|b| b.len() == 6) => {
            if first & 1 == 1 {
                Err((
                    format!("{lower} is a multicast address (odd first byte)"),
                    "start it with 52:54:00".into(),
                ))
            } else if !lower.starts_with("52:54:00:") {
                Err((
                    format!("{lower} is outside the range of QEMU guests"),
                    "start it with 52:54:00".into(),
                ))
            } else {
                Ok(lower)
            }
        }
        _ => Err((
            format!("'{}' is not a MAC address", printable(text)),
            "write six bytes, like 52:54:00:0a:0b:0c".into(),
        )),
    }
}

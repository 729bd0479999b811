//! How single values are written in a topology: what each kind accepts, and what it says of the rest.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::model::flaw::Flaw;
use crate::model::name::check_label;
use crate::model::topology::problem::printable;
use crate::model::version::{DEFAULT, NEWEST_MINOR, OLDEST_MINOR, Version};

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

/// The name of a file in a folder.
pub(crate) fn file_name(text: &str) -> Result<(), Flaw> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.chars().all(plain) {
        return Ok(());
    }
    let message = format!("'{}' is no name of a file", printable(text));
    Err(Flaw::new(message, "write it with letters, digits, dots, underscores and hyphens"))
}

pub(crate) fn login(text: &str) -> Result<(), Flaw> {
    check_label("'user'", text, 31)?;
    if SYSTEM_ACCOUNTS.contains(&text) || text.starts_with(|c: char| c.is_ascii_digit()) {
        let message = format!(
            "'{text}' cannot be the login: the system has that account, or no such can be made"
        );
        return Err(Flaw::new(message, "leave `user` away; it is then 'lab'"));
    }
    Ok(())
}

pub(crate) fn kubernetes_version(text: &str) -> Result<Version, Flaw> {
    let range = format!("1.{OLDEST_MINOR} to 1.{NEWEST_MINOR} are known");
    match Version::parse(text) {
        Some(version) if text.contains(['-', '+']) => Err(Flaw::new(
            format!("'{}' is more than a release of Kubernetes", printable(text)),
            format!("write {version}: other builds are named by `artifacts` or LAB_ARTIFACTS"),
        )),
        None => Err(Flaw::new(
            format!("'{}' is not a Kubernetes version", printable(text)),
            format!("write it with three numbers, like {DEFAULT}; {range}"),
        )),
        Some(version) if version.is_too_old() => {
            Err(Flaw::new(format!("Kubernetes {version} is not supported"), range))
        }
        Some(version) => Ok(version),
    }
}

/// Kinds of keys that OpenSSH knows.
const KEY_KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

pub(crate) fn public_key(text: &str) -> Result<(), Flaw> {
    let help = "give the line of the .pub file, like `ssh-ed25519 AAAA... you@host`";
    if text.contains("PRIVATE KEY") {
        return Err(Flaw::new("this is a private key", help));
    }
    if text.lines().filter(|line| !line.trim().is_empty()).count() > 1 {
        return Err(Flaw::new(
            "these are several lines",
            "give each key an item of its own: `- ssh-ed25519 AAAA...`",
        ));
    }
    let key = without_options(text);
    let words: Vec<&str> = key.split_ascii_whitespace().collect();
    let body = words.get(1).copied().unwrap_or_default();
    let plausible = words.first().is_some_and(|kind| KEY_KINDS.contains(kind))
        && body.len() >= 60
        && body.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
        && !text.chars().any(char::is_control);
    if plausible { Ok(()) } else { Err(Flaw::new("this is not an SSH public key", help)) }
}

/// The key of a line of `authorized_keys`, which options may stand before: words without blanks but in quotes.
fn without_options(text: &str) -> &str {
    let mut in_quotes = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => in_quotes = !in_quotes,
            ' ' if !in_quotes => {
                let first = text.get(..at).unwrap_or_default();
                let is_kind = KEY_KINDS.contains(&first);
                return if is_kind { text } else { text.get(at + 1..).unwrap_or_default() };
            }
            _ => {}
        }
    }
    text
}

/// Reads an IPv4 address, refusing forms that tools read in different ways.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn address(text: &str) -> Result<Ipv4Addr, Flaw> {
    text.parse().map_err(|_| {
        let octal = text.split('.').any(|part| part.len() > 1 && part.starts_with('0'));
        let help = if octal {
            "leading zeros mean octal to some tools; write the numbers without them"
        } else {
            "write four numbers from 0 to 255, like 10.240.0.11"
        };
        Flaw::new(format!("'{}' is not an IPv4 address", printable(text)), help)
    })
}

/// Reads an IPv4 network without host bits, /8 to /29.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn network(text: &str) -> Result<Ipv4Net, Flaw> {
    let shown = printable(text);
    let Some((host, prefix)) = text.split_once('/') else {
        return Err(Flaw::new(
            format!("'{shown}' has no prefix length"),
            format!("write '{shown}/24'"),
        ));
    };
    let host = address(host)?;
    let net = prefix
        .parse::<u8>()
        .ok()
        .filter(|_| prefix.len() <= 2 && !prefix.starts_with(['+', '0']))
        .and_then(|prefix| Ipv4Net::new(host, prefix).ok())
        .ok_or_else(|| {
            Flaw::new(
                format!("'/{}' is not a prefix length", printable(prefix)),
                "write for example /24",
            )
        })?;
    if !(8..=29).contains(&net.prefix_len()) {
        return Err(Flaw::new(
            format!(
                "a /{} network is {}",
                net.prefix_len(),
                if net.prefix_len() < 8 { "too large" } else { "too small" }
            ),
            "use a prefix from /8 to /29",
        ));
    }
    if net.network() != net.addr() {
        return Err(Flaw::new(
            format!("{net} has host bits set"),
            format!("write {}", net.trunc()),
        ));
    }
    Ok(net)
}

/// Reads `first-last`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn address_range(text: &str) -> Result<(Ipv4Addr, Ipv4Addr), Flaw> {
    let Some((first, last)) = text.split_once('-') else {
        return Err(Flaw::new(
            format!("'{}' is not a range", printable(text)),
            "write it as 10.240.0.200-10.240.0.250",
        ));
    };
    let (first, last) = (address(first.trim())?, address(last.trim())?);
    if first > last {
        return Err(Flaw::new(
            format!("the range {first}-{last} ends before it starts"),
            format!("write {last}-{first}"),
        ));
    }
    Ok((first, last))
}

/// Reads a MAC address a guest's card can have.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn mac(text: &str) -> Result<String, Flaw> {
    let lower = text.to_ascii_lowercase();
    let bytes: Option<Vec<u8>> = lower
        .split(':')
        .map(|part| if part.len() == 2 { u8::from_str_radix(part, 16).ok() } else { None })
        .collect();
    match bytes.as_deref() {
        Some([first, ..]) if bytes.as_ref().is_some_and(|b| b.len() == 6) => {
            if first & 1 == 1 {
                Err(Flaw::new(
                    format!("{lower} is a multicast address (odd first byte)"),
                    "start it with 52:54:00",
                ))
            } else if !lower.starts_with("52:54:00:") {
                Err(Flaw::new(
                    format!("{lower} is outside the range of QEMU guests"),
                    "start it with 52:54:00",
                ))
            } else {
                Ok(lower)
            }
        }
        _ => Err(Flaw::new(
            format!("'{}' is not a MAC address", printable(text)),
            "write six bytes, like 52:54:00:0a:0b:0c",
        )),
    }
}

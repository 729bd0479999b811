//! What the way outside asks of nodes where it is not a plain one: proxies, and authorities that a company has
//! of its own.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::model::flaw::Flaw;
use crate::model::mirror::is_host;
use crate::model::topology::problem::printable;

/// What is between the nodes and the outside.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outside {
    /// Who is asked for what is outside.
    #[serde(skip_serializing_if = "Proxy::is_none")]
    pub proxy: Proxy,
    /// Certificates that nodes trust besides those of their system, PEM, each once.
    #[serde(skip)]
    pub authorities: Vec<String>,
}

impl Outside {
    /// True where nothing is in between.
    pub fn is_plain(&self) -> bool {
        self.proxy.is_none() && self.authorities.is_empty()
    }
}

/// Who is asked for what is outside, by protocol.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Proxy {
    /// URL of that for http.
    pub http: Option<String>,
    /// URL of that for https.
    pub https: Option<String>,
    /// Hosts, domains and networks that are reached without one, besides the lab's own.
    pub no_proxy: Vec<String>,
}

impl Proxy {
    /// True where nobody is asked.
    pub fn is_none(&self) -> bool {
        self.http.is_none() && self.https.is_none()
    }
}

/// The address of a proxy.
///
/// # Errors
/// How it is written.
pub fn proxy(text: &str) -> Result<(), Flaw> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match host {
        Some(host) if is_host(host) => Ok(()),
        // Whoever may read a topology, or a node's environment, would have it; so nobody is shown it.
        _ if text.contains('@') => Err(Flaw::new(
            "the proxy has a login in it",
            "remove it: proxies are asked without a login",
        )),
        _ => Err(Flaw::new(
            format!("the proxy '{}' is no address", printable(text)),
            "write it like http://proxy.example:3128",
        )),
    }
}

/// What is reached without a proxy: a host, a domain with a dot before it, an address or a network.
///
/// # Errors
/// How it is written.
pub fn without_proxy(text: &str) -> Result<(), Flaw> {
    let host = text.strip_prefix('.').unwrap_or(text);
    match is_host(host) || text.parse::<Ipv4Net>().is_ok() {
        true => Ok(()),
        false => Err(Flaw::new(
            format!("'{}' is neither a host nor a network", printable(text)),
            "write a host, a domain like .example.com, or a network like 10.0.0.0/8",
        )),
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates in a text, each alone, as PEM with lines of 64 characters. What stands between them, as openssl
/// writes it, is left out.
///
/// # Errors
/// Where a text has none, or one that is not whole.
pub fn authorities(text: &str) -> Result<Vec<String>, Flaw> {
    let refused = |message: &str| {
        let help = "name a file with certificates in PEM, or write them here as a block after `|`";
        Err(Flaw::new(message, help))
    };
    if text.contains("PRIVATE KEY-----") {
        return Err(Flaw::new(
            "a private key stands beside the certificate",
            "give the certificate alone: keys of authorities stay where they are",
        ));
    }
    let mut all = Vec::new();
    for piece in text.split(BEGIN).skip(1) {
        let Some((body, _)) = piece.split_once(END) else {
            return refused("a certificate has no end");
        };
        let body: String = body.split_whitespace().collect();
        match BASE64_STANDARD.decode(&body) {
            Ok(der) if is_whole(&der) => all.push(pem(&body)),
            _ => return refused("a certificate is damaged"),
        }
    }
    if all.is_empty() {
        return refused("this is no certificate");
    }
    Ok(all)
}

/// Judges such a text.
///
/// # Errors
/// As [`authorities`].
pub fn trusted(text: &str) -> Result<(), Flaw> {
    authorities(text).map(drop)
}

/// True for a sequence of DER that is as long as it says (X.690, 8.1.3).
fn is_whole(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else { return false };
    let digits = usize::from(first & 0x7f);
    match first & 0x80 {
        0 => rest.len() == digits,
        _ if digits == 0 || digits > 4 || rest.len() < digits => false,
        _ => {
            let (length, content) = rest.split_at(digits);
            let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            content.len() == length
        }
    }
}

fn pem(body: &str) -> String {
    let mut text = format!("{BEGIN}\n");
    let mut rest = body;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + END + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_addresses_without_logins() {
        for good in ["http://proxy.example:3128", "https://10.0.0.1/", "http://proxy"] {
            assert!(proxy(good).is_ok(), "{good}");
        }
        for bad in
            ["proxy:3128", "socks5://a", "http://", "http://a b", "http://a/b", "http://a\"\n"]
        {
            assert!(proxy(bad).is_err(), "{bad}");
        }
        let told = proxy("http://me:word@proxy.example:3128").err().map(|flaw| flaw.message);
        assert!(told.is_some_and(|told| told == "the proxy has a login in it"));
        for good in ["registry.example", ".example.com", "10.0.0.0/8", "10.1.2.3", "localhost:5000"]
        {
            assert!(without_proxy(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a b", "10.0.0.0/40", "a,b", "\"", "a;b"] {
            assert!(without_proxy(bad).is_err(), "{bad}");
        }
    }

    /// Five bytes of DER stand for a certificate.
    const ONE: &str =
        concat!("-----BEGIN CERTIFICATE-----\n", "MAMCAQE=\n", "-----END CERTIFICATE-----\n");

    #[test]
    fn certificates_are_read_each_alone() {
        let text = format!("subject=CN = Corp\n{ONE}\nand\n{}", ONE.replace('\n', "\r\n"));
        assert_eq!(authorities(&text).unwrap_or_default(), [ONE, ONE]);
        let told = |text: &str| authorities(text).err().map(|flaw| flaw.message);
        let is = |text: &str, what: &str| assert_eq!(told(text).as_deref(), Some(what), "{text}");
        is("", "this is no certificate");
        is(&ONE[..ONE.len() - 6], "a certificate has no end");
        is(&ONE.replace("MAMCAQE=", "MAMCAQ=="), "a certificate is damaged");
        is(&ONE.replace("MAMCAQE=", "MAMC$(x)"), "a certificate is damaged");
        let key = format!("{ONE}-----BEGIN PRIVATE KEY-----\n");
        is(&key, "a private key stands beside the certificate");
    }
}

//! What is between the nodes and the outside.

use crate::model::code;
use crate::model::outside::{Outside, Proxy, authorities};
use crate::model::topology::given::{Given, Value, text};
use crate::model::topology::problem::Problem;

/// Proxies, and the authorities that nodes trust, each once.
pub(super) fn of(root: &Given, problems: &mut Vec<Problem>) -> Outside {
    let proxy = root.get("proxy");
    let url = |key: &str| {
        let url = text(proxy).or_else(|| text(proxy?.get(key)))?;
        Some(url.trim_end_matches('/').to_owned())
    };
    let names_none = |given: &&Given| {
        let names_one = given.entries().iter().any(|entry| entry.key.starts_with("http"));
        !names_one && given.text().is_none() && !matches!(given.value, Value::Refused)
    };
    if let Some(given) = proxy.filter(names_none) {
        let problem = Problem::error(&code::NO_VALUE, &given.span, "no proxy is named");
        problems.push(problem.help("write `http` and `https`, or remove `proxy`"));
    }
    let no_proxy = proxy.and_then(|proxy| proxy.get("no_proxy")).map(Given::items);
    let texts = root.get("trusted_authorities").map(Given::items).unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for one in
        texts.iter().filter_map(Given::text).filter_map(|pem| authorities(pem).ok()).flatten()
    {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    Outside {
        proxy: Proxy {
            http: url("http"),
            https: url("https"),
            no_proxy: no_proxy
                .unwrap_or_default()
                .iter()
                .filter_map(|one| one.text().map(str::to_owned))
                .collect(),
        },
        authorities: all,
    }
}

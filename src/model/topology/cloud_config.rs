//! The cloud-config a user may add to a node: checked here, merged when the seed is rendered.

use serde_json::{Map, Value as Json};

use crate::model::code;
use crate::model::topology::given::Value;
use crate::model::topology::problem::{Problem, printable};
use crate::model::topology::yaml::{Node, Value as Yaml};

/// Keys that `lab` itself writes: letting a topology replace them would undo pinned host keys,
/// the login or the addresses.
const OWNED: &[&str] = &[
    "users",
    "ssh_keys",
    "ssh_deletekeys",
    "ssh_genkeytypes",
    "ssh_pwauth",
    "disable_root",
    "hostname",
    "fqdn",
    "prefer_fqdn_over_hostname",
    "manage_etc_hosts",
    "preserve_hostname",
    "chpasswd",
    "password",
    "datasource_list",
    "datasource",
    "network",
    "merge_how",
    "merge_type",
];

/// Reads a mapping which leaves alone what `lab` owns.
pub(crate) fn check(node: &Node, problems: &mut Vec<Problem>) -> Value {
    let Yaml::Map(entries) = &node.value else {
        problems.push(
            Problem::error(
                &code::WRONG_SHAPE,
                &node.span,
                format!("'user_data' must be a mapping, not {}", node.value.kind()),
            )
            .help("write cloud-config keys below it, like `packages: [tree]`"),
        );
        return Value::Refused;
    };
    for entry in entries {
        let plain = entry.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if OWNED.contains(&entry.key.as_str()) {
            problems.push(
                Problem::error(
                    &code::OWNED_CLOUD_CONFIG,
                    &entry.key_span,
                    format!("'{}' is written by lab itself", entry.key),
                )
                .help("remove it; names, logins, keys and addresses come from the topology"),
            );
        } else if entry.key.is_empty() || !plain {
            problems.push(
                Problem::error(
                    &code::BAD_CLOUD_CONFIG_KEY,
                    &entry.key_span,
                    format!("'{}' is not a cloud-config key", printable(&entry.key)),
                )
                .help("use keys such as packages, write_files, runcmd, timezone"),
            );
        }
    }
    Value::Document(node.to_json())
}

/// Adds `extra` to `base`: lists are appended, mappings merged, anything else replaced.
pub fn merge(base: &mut Map<String, Json>, extra: &Map<String, Json>) {
    for (key, value) in extra {
        match (base.get_mut(key), value) {
            (Some(Json::Array(old)), Json::Array(new)) => old.extend(new.iter().cloned()),
            (Some(Json::Object(old)), Json::Object(new)) => merge(old, new),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

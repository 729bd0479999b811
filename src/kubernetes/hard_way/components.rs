//! What a topology says of components, put into the units and files that lab has for them: what is there already is
//! replaced or, where it is a list, added to.

use std::collections::BTreeMap;

use crate::model::components::Components;
use crate::model::user_data::Document;

/// Flags that are lists: what a topology says comes after lab's own.
const LISTS: &[&str] =
    &["enable-admission-plugins", "disable-admission-plugins", "authorization-mode"];
const GATES: &str = "feature-gates";

/// A unit with the flags that the topology has for `component`. A unit's flags stand on lines of their own.
pub(crate) fn with_flags(unit: String, components: &Components, component: &str) -> String {
    let mut flags: Vec<(&str, String)> = Vec::new();
    // etcd has gates of its own, and kubelets have them in their configuration.
    if !["etcd", "kubelet"].contains(&component) {
        let gates = components.feature_gates.iter();
        let gates: Vec<String> = gates.map(|(name, is_on)| format!("{name}={is_on}")).collect();
        flags.extend((!gates.is_empty()).then(|| (GATES, gates.join(","))));
    }
    let own = components.arguments.get(component);
    flags.extend(own.into_iter().flatten().map(|(name, value)| (name.as_str(), value.clone())));
    if flags.is_empty() {
        return unit;
    }
    let mut lines: Vec<String> = unit.lines().map(str::to_owned).collect();
    for (name, value) in flags {
        put_flag(&mut lines, name, &value);
    }
    lines.join("\n") + "\n"
}

fn put_flag(lines: &mut Vec<String>, name: &str, value: &str) {
    let begin = format!("  --{name}=");
    if let Some(line) = lines.iter_mut().find(|line| line.starts_with(&begin)) {
        let more = if line.ends_with(" \\") { " \\" } else { "" };
        let old = line.get(begin.len()..line.len() - more.len()).unwrap_or_default();
        *line = match name == GATES || LISTS.contains(&name) {
            true => format!("{begin}{}{more}", joined(old, value)),
            false => format!("{begin}{value}{more}"),
        };
        return;
    }
    let Some(start) = lines.iter().position(|line| line.starts_with("ExecStart=")) else { return };
    let of_command = lines.iter().skip(start).position(|line| !line.ends_with('\\'));
    let Some(last) = of_command.and_then(|length| lines.get_mut(start + length)) else { return };
    last.push_str(" \\");
    lines.insert(start + of_command.unwrap_or_default() + 1, format!("{begin}{value}"));
}

/// A list with what it lacks of another. Of a gate that is in both, the later word counts.
fn joined(old: &str, more: &str) -> String {
    let name = |item: &str| item.split('=').next().unwrap_or(item).to_owned();
    let new: Vec<&str> = more.split(',').filter(|item| !item.is_empty()).collect();
    let kept = old.split(',').filter(|item| !new.iter().any(|other| name(other) == name(item)));
    kept.chain(new.iter().copied()).collect::<Vec<_>>().join(",")
}

/// A configuration file with the fields of the topology, and its feature gates.
pub(crate) fn with_fields(
    file: &str,
    fields: &BTreeMap<String, Document>,
    gates: &BTreeMap<String, bool>,
) -> String {
    let gates: Vec<_> = gates
        .iter()
        .map(|(name, is_on)| (name.as_str().into(), Document::Plain(is_on.to_string())))
        .collect();
    let gates = (!gates.is_empty()).then_some(("featureGates", Document::Map(gates)));
    let own = fields.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let all: Vec<(&str, Document)> = own.chain(gates).collect();
    let mut is_replaced = false;
    let mut kept: Vec<&str> = Vec::new();
    for line in file.lines() {
        // What is indented belongs to the field above it.
        if !line.starts_with([' ', '-']) {
            let name = line.split(':').next().unwrap_or_default();
            is_replaced = all.iter().any(|(own, _)| *own == name);
        }
        if !is_replaced {
            kept.push(line);
        }
    }
    let kept: String = kept.iter().map(|line| format!("{line}\n")).collect();
    let own: String =
        all.iter().map(|(name, value)| format!("{name}: {}\n", value.line())).collect();
    kept + &own
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/kube-apiserver \\\n  --a=1 \\\n  --enable-admission-plugins=One,Two \\\n  --feature-gates=X=false\nRestart=always\n";

    fn components(flags: &[(&str, &str)], gates: &[(&str, bool)]) -> Components {
        let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Components {
            arguments: BTreeMap::from([("kube-apiserver".to_owned(), flags.collect())]),
            feature_gates: gates.iter().map(|(name, is_on)| ((*name).to_owned(), *is_on)).collect(),
            ..Components::default()
        }
    }

    #[test]
    fn flags_are_replaced_added_to_and_added() {
        let told = components(
            &[("a", "2"), ("enable-admission-plugins", "Two,Three"), ("v", "4")],
            &[("X", true), ("Y", false)],
        );
        let unit = with_flags(UNIT.to_owned(), &told, "kube-apiserver");
        assert_eq!(
            unit,
            "[Service]\nExecStart=/usr/local/bin/kube-apiserver \\\n  --a=2 \\\n  --enable-admission-plugins=One,Two,Three \\\n  --feature-gates=X=true,Y=false \\\n  --v=4\nRestart=always\n"
        );
        assert_eq!(with_flags(UNIT.to_owned(), &Components::default(), "kube-apiserver"), UNIT);
        let other = with_flags("[Service]\nExecStart=/bin/x\n".into(), &told, "kube-scheduler");
        assert_eq!(other, "[Service]\nExecStart=/bin/x \\\n  --feature-gates=X=true,Y=false\n");
    }

    #[test]
    fn fields_are_replaced_with_all_that_is_below_them() {
        let file = "apiVersion: v1\neviction:\n  a: 1\n  b: 2\nmaxPods: 110\n";
        let eviction = Document::Map(vec![("a".into(), Document::Text("5%".into()))]);
        let fields = BTreeMap::from([
            ("eviction".to_owned(), eviction),
            ("podPidsLimit".to_owned(), Document::Plain("9".into())),
        ]);
        let gates = BTreeMap::from([("G".to_owned(), true)]);
        assert_eq!(
            with_fields(file, &fields, &gates),
            "apiVersion: v1\nmaxPods: 110\neviction: {\"a\":\"5%\"}\npodPidsLimit: 9\nfeatureGates: {\"G\":true}\n"
        );
        assert_eq!(with_fields(file, &BTreeMap::new(), &BTreeMap::new()), file);
    }
}

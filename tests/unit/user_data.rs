//! What people give cloud-init reaches it with the meaning that its own reader gives to what they wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use lab::model::topology;
use serde_json::{Value as Json, json};

use crate::rig;
use crate::rig::random::Random;

/// Reads pairs of a user_data as it was written and the seed's, and says which are not one: seeds may be messages of
/// several parts, as cloud-init reads them, too.
const READER: &str = r##"
import email, json, sys, yaml
def parts(text):
    if not text.startswith("Content-Type:"):
        return [("text/cloud-config", text)]
    message = email.message_from_string(text)
    return [(part.get_content_type(), part.get_payload(decode=True).decode()) for part in message.get_payload()]
def shown(value):
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{key!r}: {shown(one)}" for key, one in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    return repr(value)
wrong = []
for written, seed in json.load(sys.stdin):
    mine = {}
    for kind, text in parts(seed):
        if kind == "text/cloud-config":
            assert text.startswith("#cloud-config\n"), text
            mine.update(yaml.safe_load(text))
    wanted = yaml.safe_load(written)
    found = {key: mine.get(key) for key in wanted}
    if shown(found) != shown(wanted):
        wrong.append(f"{written}\nwas read as {found!r}")
print(json.dumps([wrong, [[list(part) for part in parts(seed)] for _, seed in json.load(open(sys.argv[1]))]]))
"##;

fn topology(user_data: &str) -> String {
    format!(
        "name: t\nnetwork: {{cidr: 10.240.0.0/24}}\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\n    memory: 2GiB\n{user_data}"
    )
}

/// The seed's user-data for the topology; `None` where it is refused.
fn seed(text: &str, home: &std::path::Path) -> Option<String> {
    topology::load(text, &rig::owner()).ok()?;
    let session = rig::session(text, home);
    let node = &session.lab.nodes[0];
    let rendered =
        lab::render::seed(&session.templates, &session.lab, node, "key\n", "public", "login", None);
    Some(rendered.unwrap().user_data)
}

/// What differs of `pairs`, and the parts of their seeds.
fn read(pairs: &[(String, String)]) -> (Vec<String>, Vec<Vec<(String, String)>>) {
    let text = json!(pairs).to_string();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut reader = Command::new("python3")
        .args(["-c", READER, file.path().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert!(output.status.success(), "python3-yaml is needed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

const SCALARS: &[&str] = &[
    "12e5",
    "inf",
    "nan",
    "infinity",
    ".inf",
    "-.INF",
    ".nan",
    "12345678901234567890123",
    "1.10",
    "1.20.3",
    "0xff",
    "22:30",
    "12:30:45",
    "190:20:30.15",
    "2026-01-01",
    "2026-01-01T10:00:00Z",
    "2001-12-14 21:59:43.10 -5",
    "~",
    "null",
    "Null",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "true",
    "+49123",
    "00123",
    "0644",
    "0o644",
    "08",
    "1_000",
    "0b101",
    "1.5e+30",
    "1.5e30",
    "-0",
    "+.5",
    "1.",
    "-",
    "plain text",
    "a#b",
    "http://x/y?z=1",
    "'it''s'",
    "\"tab\\there\\u2028\"",
    "!!str 12",
    "!!binary aGVsbG8=",
    "!!int \"12\"",
    "!!float 1",
    "'2026-01-01'",
    "\"\"",
    "ü",
    "🦀",
    "%",
    "=a",
    "[1, yes, {a: 0x1F}]",
    "{yes: 1, 2: no, ~: 3, 2026-01-01: d, 'on': 4}",
    "|\n  two\n  lines\n",
    ">-\n  folded\n  text\n",
];

#[test]
fn what_was_written_is_what_cloud_init_reads() {
    let home = tempfile::tempdir().unwrap();
    let mut random = Random::new(26);
    let mut written: Vec<String> = SCALARS
        .iter()
        .map(|scalar| {
            format!("write_files:\n- path: /a\n  content: {}\n", scalar.replace("\n  ", "\n    "))
        })
        .collect();
    written.push("write_files:\n- &f\n  path: /a\n  permissions: '0644'\n  content: a\n- <<: *f\n  path: /b\n".into());
    written.push("write_files:\n- <<: [{path: /a, content: x}, {content: y, owner: me}]\n".into());
    written.push(
        "packages: [tree, [jq, '1.6']]\npackage_update: yes\ntimezone: Europe/Berlin\n".into(),
    );
    // Words that are numbers, or almost.
    for _ in 0..400 {
        let word: String = (0..1 + random.below(7))
            .map(|_| char::from(b"0123456789+-.:_eExob"[random.below(20)]))
            .collect();
        written.push(format!("write_files:\n- path: /a\n  content: {word}\n"));
    }
    let mut pairs = Vec::new();
    for text in written {
        let text_seed =
            seed(&topology(&format!("    user_data:\n{}", indented(&text, 6))), home.path());
        pairs.extend(text_seed.map(|seed| (text, seed)));
    }
    assert!(pairs.len() > 300, "only {} were accepted", pairs.len());
    let (wrong, _) = read(&pairs);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn texts_and_lists_are_added_and_scripts_stay_byte_for_byte() {
    let home = tempfile::tempdir().unwrap();
    let text = topology(
        "    user_data:\n      - |\n        #cloud-config\n        packages: [tree]\n      - \"#!/bin/sh\\r\\necho 'ü' \\\\\\n\"\n      - runcmd: [echo one]\n    overrides:\n      node:\n        user_data: |\n          #!/bin/sh -eu\n          exit 0\ndefaults:\n  user_data: {packages: [jq], timezone: UTC}\n",
    );
    let seed = seed(&text, home.path()).unwrap();
    let whole = "packages: [jq, tree]\ntimezone: UTC\nruncmd: [echo one]\n".to_owned();
    let (wrong, parts) = read(&[(whole, seed)]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let scripts: Vec<&str> = parts[0]
        .iter()
        .filter(|(kind, _)| kind == "text/x-shellscript")
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(scripts, ["#!/bin/sh\r\necho 'ü' \\\n", "#!/bin/sh -eu\nexit 0\n"]);
}

#[test]
fn what_a_node_was_given_at_its_first_boot_is_no_error_later() {
    let text = topology("    user_data: {manage_resolv_conf: true, packages: tree}\n");
    let refused = topology::load(&text, &rig::owner()).unwrap_err();
    assert_eq!(
        refused.iter().map(|problem| problem.code.id).collect::<Vec<_>>(),
        ["L0513", "L0512"]
    );
    let there = topology::load_again(&text, &rig::owner()).unwrap();
    assert!(there.warnings.len() == 2 && there.lab.nodes[0].user_data.config.len() == 2);
}

#[test]
fn what_is_repeated_is_bounded_and_shared() {
    // Half a megabyte, 400 times.
    let large = "x".repeat(500 << 10);
    let aliases = "        - {path: /a, content: *large}\n".repeat(400);
    let text = topology(&format!(
        "    user_data:\n      write_files:\n        - {{path: /b, content: &large {large}}}\n{aliases}"
    ));
    let refused = topology::load(&text, &rig::owner()).unwrap_err();
    assert_eq!(refused[0].code.id, "L0106");
    // Five hundred nodes have one text.
    let text = topology(&format!(
        "  more: {{count: 500, roles: [worker], user_data: {{write_files: [{{path: /a, content: {large}}}]}}}}\n"
    ));
    let text = text
        .replace("10.240.0.0/24", "10.240.0.0/16")
        .replace("name: t\n", "name: t\nkubernetes: {pod_cidr: 10.128.0.0/12}\n");
    let lab =
        topology::load(&text, &rig::owner()).map_err(|all| format!("{:?}", all[0])).unwrap().lab;
    assert!(std::sync::Arc::ptr_eq(&lab.nodes[1].user_data, &lab.nodes[500].user_data));
}

#[test]
fn a_lab_from_before_is_the_same_lab() {
    let text = topology(
        "    user_data: {packages: [tree], ntp: {enabled: true, servers: []}, mounts: [[a, 1, 1.5]]}\n",
    );
    let lab = topology::load(&text, &rig::owner()).unwrap().lab;
    let compared = serde_json::to_value(&*lab.nodes[0].user_data).unwrap();
    assert_eq!(
        compared,
        json!({"packages": ["tree"], "ntp": {"enabled": true, "servers": []}, "mounts": [["a", 1, 1.5]]})
    );
    let none = topology::load(&topology(""), &rig::owner()).unwrap().lab;
    assert_eq!(
        serde_json::to_value(&*none.nodes[0].user_data).unwrap(),
        Json::Object(serde_json::Map::new())
    );
}

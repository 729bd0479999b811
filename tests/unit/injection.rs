//! Strings that mean something to XML, YAML, shells, templates or units: refused by a grammar where
//! names are wanted, and unchanged after rendering and reading back where text is free.

use lab::model::topology::{self, yaml};
use serde_json::Value as Json;

use crate::rig;

const NASTY: &[&str] = &[
    "'",
    "\"",
    "`",
    "\\",
    "$",
    "$(id)",
    "`id`",
    "${IFS}",
    ";",
    "; rm -rf /",
    "&& id",
    "| id",
    "> /tmp/x",
    "<x>",
    "</name>",
    "'/><x a='",
    "]]>",
    "<!--",
    "&amp;",
    "&x;",
    "<![CDATA[",
    "{{ x }}",
    "{% for %}",
    "{# c #}",
    "#{x}",
    "%n",
    "%%",
    "%i",
    "%h",
    "- path: /etc/passwd",
    "key: value",
    "a: [",
    "*alias",
    "&anchor",
    "!tag",
    "? key",
    "| block",
    "> fold",
    "@at",
    "#comment",
    "~",
    "null",
    "true",
    "no",
    "0x10",
    "1e3",
    "010",
    "-",
    "--flag",
    "-x",
    "..",
    "../../etc",
    "/etc/shadow",
    "a\nb",
    "a\r\nb",
    "\t",
    " ",
    "a\u{202e}b",
    "\u{0435}",
    "\u{feff}x",
    "é",
    "🦀",
    "a,b",
    "a=b",
    "Host *",
    "\u{7f}",
    "0",
    "[x]",
    "{x}",
];

fn corpus() -> Vec<String> {
    let mut all = Vec::new();
    for text in NASTY {
        all.push((*text).to_owned());
        all.push(format!("name{text}"));
        all.push(format!("a{text}z"));
    }
    assert!(all.len() >= 200, "{}", all.len());
    all
}

fn topology(name: &str, extra: &str) -> String {
    format!(
        "name: {name}\nnetwork:\n  cidr: 10.240.0.0/24\nnodes:\n  node:\n    roles: [etcd, control-plane, worker]\n{extra}"
    )
}

#[test]
fn names_are_refused_by_their_grammar() {
    for text in corpus() {
        let quoted = serde_json::to_string(&text).unwrap();
        let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        for file in [
            topology(&quoted, ""),
            topology("t", &format!("    names: [{quoted}]\n")),
            topology("t", &format!("domain: {quoted}\n")),
            topology("t", &format!("ssh:\n  user: {quoted}\n")),
            topology(
                "t",
                &format!("vips:\n  {quoted}: {{address: 10.240.0.9, role: control-plane}}\n"),
            ),
        ] {
            let refused = topology::load(&file, &rig::owner()).is_err();
            assert!(refused || plain, "{text:?} was accepted in:\n{file}");
        }
    }
}

#[test]
fn free_text_comes_through_seeds_unchanged() {
    let home = tempfile::tempdir().unwrap();
    for text in corpus().into_iter().filter(|text| !text.contains('\0')) {
        let quoted = serde_json::to_string(&text).unwrap();
        let extra = format!(
            "    user_data:\n      write_files:\n        - content: {quoted}\n          path: /x\n      runcmd:\n        - [echo, {quoted}]\n"
        );
        let session = rig::session(&topology("t", &extra), home.path());
        let node = &session.lab.nodes[0];
        let seed = lab::render::seed(
            &session.templates,
            &session.lab,
            node,
            "key\n",
            "public",
            "login",
            None,
        )
        .unwrap();
        assert!(seed.user_data.starts_with("#cloud-config\n"));
        let parsed = yaml::parse(&seed.user_data)
            .unwrap_or_else(|problems| panic!("{text:?}: {problems:?}"))
            .document();
        let parsed = serde_json::to_value(&parsed).unwrap();
        assert_eq!(
            parsed["write_files"][0]["content"],
            Json::String(text.clone()),
            "{}",
            seed.user_data
        );
        assert_eq!(parsed["runcmd"][0][1], Json::String(text.clone()));
        assert_eq!(parsed["users"].as_array().unwrap().len(), 1, "{text:?} made a user");
    }
}

#[test]
fn paths_come_through_xml_unchanged_or_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let session = rig::session(&topology("t", ""), home.path());
    for text in corpus() {
        let id = uuid::Uuid::from_u128(1);
        let Ok(pool) = lab::render::pool(&session.templates, "p", id, &text) else {
            assert!(text.chars().any(char::is_control), "{text:?} was refused");
            continue;
        };
        let mut reader = quick_xml::Reader::from_str(&pool.xml);
        let (mut depth, mut elements) = (0i32, 0);
        loop {
            match reader
                .read_event()
                .unwrap_or_else(|error| panic!("{text:?}: {error}\n{}", pool.xml))
            {
                quick_xml::events::Event::Start(_) => (depth, elements) = (depth + 1, elements + 1),
                quick_xml::events::Event::End(_) => depth -= 1,
                quick_xml::events::Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!((depth, elements), (0, 7), "{text:?} changed the document:\n{}", pool.xml);
    }
}

#[test]
fn parsers_of_what_guests_and_libvirt_say_never_panic() {
    for text in corpus() {
        let _ = lab::kubernetes::marker::parse(&text);
        let _ = lab::drivers::provider::libvirt::parse_document(&text);
        let _ =
            lab::drivers::provider::libvirt::parse_document(&format!("<a b='{text}'>{text}</a>"));
        let _ = lab::drivers::assets::download::find_checksum(&text, &text, "sha256");
        let _ = topology::load(&text, &rig::owner());
    }
}

//! What stages leave behind that is still to be so later: files, directories, links, blocks and units.
//! One script asks a node for the facts, and what was changed by hand since is found by comparing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::{About, Lasting, Step};
use crate::render::{RenderError, Templates};

/// What a node is asked for.
#[derive(Default, Serialize)]
struct Asked<'a> {
    paths: Vec<&'a str>,
    /// Those paths whose content is asked for.
    files: Vec<&'a str>,
    blocks: Vec<&'a str>,
    units: Vec<&'a str>,
    answers: Vec<Question<'a>>,
}

/// A command whose output is asked for.
#[derive(Serialize)]
struct Question<'a> {
    id: String,
    command: &'a str,
}

/// What is to be so on a node.
#[derive(Clone, Debug, Default)]
pub struct Upkeep(BTreeMap<About, Arc<dyn Lasting>>);

impl Upkeep {
    /// What a stage's steps leave behind.
    pub fn of(steps: &[Step]) -> Self {
        let left = steps.iter().filter_map(Step::lasting);
        Self(left.map(|left| (left.about(), left)).collect())
    }

    /// Everything that is to be so by several stages.
    pub fn all<'u>(several: impl Iterator<Item = &'u Upkeep>) -> Self {
        let each = several.flat_map(|one| &one.0);
        Self(each.map(|(about, left)| (about.clone(), Arc::clone(left))).collect())
    }

    /// True when it is the cluster that keeps something of it, and not the node alone.
    pub fn is_of_the_cluster(&self) -> bool {
        self.0.keys().any(|about| matches!(about, About::Answer(_)))
    }

    /// The script that asks a node, a handful of processes however much there is to ask.
    ///
    /// # Errors
    /// When the template cannot be rendered.
    pub fn script(&self, templates: &Templates) -> Result<String, RenderError> {
        let mut asked = Asked::default();
        for (about, left) in &self.0 {
            match about {
                About::Path(path) => {
                    asked.paths.push(path);
                    asked.files.extend(left.has_content().then_some(path.as_str()));
                }
                About::Block(path) => asked.blocks.push(path),
                About::Unit(name) => asked.units.push(name),
                About::Answer(command) => {
                    asked.answers.push(Question { id: About::id(command), command });
                }
            }
        }
        templates.render("stages/drift.sh.j2", &asked)
    }

    /// What is no longer so, in words.
    pub fn changed(&self, facts: &Facts) -> Vec<String> {
        self.0.values().filter_map(|left| left.changed(facts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::step::{Binary, Block};

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn kept() -> Upkeep {
        Upkeep::of(&[
            Step::private("/etc/a.yaml", "abc"),
            Step::directory("/etc/d", 0o755),
            Step::directory("/run/d", 0o755),
            Step::Binary(Binary {
                name: "kubelet".into(),
                path: "/usr/local/bin/kubelet".into(),
                version: None,
            }),
            Step::Block(Block { path: "/etc/hosts".into(), content: "10.0.0.1 a\n".into() }),
            Step::unit("kubelet.service"),
        ])
    }

    fn good() -> String {
        format!(
            "entry 600 root:root /etc/a.yaml \nentry 755 root:root /etc/d \n\
             entry 777 root:root /usr/local/bin/kubelet /opt/lab/bin/kubelet\nsum {SUM}  /etc/a.yaml\n\
             block /etc/hosts\n| # BEGIN lab\n| 10.0.0.1 a\n| # END lab\n\
             unit Id=x\nunit ActiveState=y\nunit \nunit ActiveState=active\nunit Id=kubelet.service\n\
             unit UnitFileState=enabled\nend\n"
        )
    }

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(good().contains(from), "{from}");
        kept().changed(&Facts::parse(&good().replace(from, to)).unwrap_or_default())
    }

    #[test]
    fn what_is_as_it_was_left_is_not_told() {
        assert_eq!(changed("active\n", "active\n"), Vec::<String>::new());
        assert_eq!(
            changed("=active", "=activating"),
            Vec::<String>::new(),
            "it takes care of itself"
        );
    }

    #[test]
    fn whatever_was_changed_by_hand_is_told() {
        for (from, to, told) in [
            ("sum ba", "sum bb", "/etc/a.yaml was changed"),
            ("entry 600", "entry 644", "/etc/a.yaml is 644 root:root instead of 600 root:root"),
            ("755 root:root", "755 lab:lab", "/etc/d is 755 lab:lab instead of 755 root:root"),
            ("entry 755 root:root /etc/d \n", "", "/etc/d is gone"),
            (
                "/opt/lab/bin/kubelet",
                "/tmp/kubelet",
                "/usr/local/bin/kubelet no longer leads to /opt/lab/bin/kubelet",
            ),
            ("10.0.0.1 a\n", "10.0.0.2 a\n", "lab's lines in /etc/hosts were changed"),
            ("=active", "=inactive", "kubelet.service is inactive"),
            ("=enabled", "=disabled", "kubelet.service is disabled"),
        ] {
            assert_eq!(changed(from, to), [told]);
        }
    }

    #[test]
    fn an_answer_that_was_cut_says_nothing() {
        assert_eq!(Facts::parse(good().trim_end().trim_end_matches("end")), None);
        assert_eq!(Facts::parse(""), None);
    }

    /// As `sha256sum` and `find` really write it.
    #[test]
    fn units_with_escapes_are_as_they_were_left() {
        let path = "/etc/systemd/system/srv-my\\x2ddata.mount";
        let kept = Upkeep::of(&[Step::private(path, "abc")]);
        let twice = path.replace('\\', "\\\\");
        let found = format!("entry 600 root:root {path} \nsum \\{SUM}  {twice}\nend\n");
        assert_eq!(
            kept.changed(&Facts::parse(&found).unwrap_or_default()),
            Vec::<String>::new(),
            "{found}"
        );
    }

    #[test]
    fn paths_are_quoted() {
        let odd = Upkeep::of(&[Step::file("/etc/a b'c", "x")]);
        let templates = crate::kubernetes::templates(&BTreeMap::new());
        let script = templates.and_then(|templates| odd.script(&templates)).unwrap_or_default();
        assert!(script.contains(r"sha256sum -- '/etc/a b'\''c'"), "{script}");
    }
}

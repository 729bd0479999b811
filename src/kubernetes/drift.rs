//! What a stage leaves behind that is still to be so later: files, directories, links, blocks and units.
//! One script asks a node for the facts, and what was changed by hand since is found by comparing.

use std::collections::{BTreeMap, BTreeSet};

use crate::kubernetes::step::Step;
use crate::render::{quote, sha256};

/// First line of every script that asks for facts.
pub const ASK: &str = "# lab: is it still so?";

/// Permissions, owner, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Octal, as `find` prints it.
    mode: String,
    /// `user:group`.
    owner: String,
    /// Hex sha256 of a file.
    sum: Option<String>,
    /// Target of a link.
    target: Option<String>,
}

/// What is to be so on a node.
#[derive(Clone, Debug, Default)]
pub struct Upkeep {
    entries: BTreeMap<String, Entry>,
    blocks: BTreeMap<String, String>,
    units: BTreeSet<String>,
}

/// What a node answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    entries: BTreeMap<String, Entry>,
    blocks: BTreeMap<String, String>,
    /// By unit: what it does, and whether it starts at boot, in systemd's words.
    units: BTreeMap<String, (String, String)>,
}

impl Upkeep {
    /// What a stage's steps leave behind.
    pub fn of(steps: &[Step]) -> Self {
        let mut kept = Self::default();
        for step in steps {
            match step {
                Step::File(file) if !file.transient => {
                    let sum = Some(sha256(&file.content));
                    let (mode, owner) = (format!("{:o}", file.mode), file.owner.clone());
                    kept.entries
                        .insert(file.path.clone(), Entry { mode, owner, sum, target: None });
                }
                // Nothing under /run outlives a reboot, nor is to.
                Step::Directory { path, .. } if path.starts_with("/run/") => {}
                Step::Directory { path, mode, owner } => {
                    let (mode, owner) = (format!("{mode:o}"), owner.clone());
                    kept.entries.insert(path.clone(), Entry { mode, owner, ..Entry::default() });
                }
                Step::Binary { name, path, .. } => {
                    let target = Some(format!("/opt/lab/bin/{name}"));
                    kept.entries.insert(path.clone(), Entry { target, ..Entry::default() });
                }
                Step::Block { path, content } => {
                    kept.blocks.insert(path.clone(), content.clone());
                }
                Step::Unit { name, .. } => {
                    kept.units.insert(name.clone());
                }
                _ => {}
            }
        }
        kept
    }

    /// Everything that is to be so by several stages.
    pub fn all<'u>(several: impl Iterator<Item = &'u Upkeep>) -> Self {
        let mut all = Self::default();
        for one in several {
            all.entries.extend(one.entries.clone());
            all.blocks.extend(one.blocks.clone());
            all.units.extend(one.units.clone());
        }
        all
    }

    /// The script that asks a node, a handful of processes however much there is to ask.
    pub fn script(&self) -> String {
        let list = |paths: Vec<&String>| {
            paths.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" ")
        };
        let mut text = format!("{ASK}\nexport LC_ALL=C\n");
        if !self.entries.is_empty() {
            let all = list(self.entries.keys().collect());
            text.push_str(&format!(
                "find {all} -maxdepth 0 -printf 'entry %m %u:%g %p %l\\n' 2>/dev/null || true\n"
            ));
        }
        let files: Vec<&String> =
            self.entries.iter().filter(|(_, entry)| entry.sum.is_some()).map(|(p, _)| p).collect();
        if !files.is_empty() {
            text.push_str(&format!(
                "sha256sum -- {} 2>/dev/null | sed 's/^/sum /' || true\n",
                list(files)
            ));
        }
        for path in self.blocks.keys() {
            let path = quote(path);
            text.push_str(&format!(
                "echo block {path}\nsed -n '/^# BEGIN lab$/,/^# END lab$/s/^/| /p' {path} 2>/dev/null || true\n"
            ));
        }
        if !self.units.is_empty() {
            let units = list(self.units.iter().collect());
            text.push_str(&format!(
                "systemctl show -p Id,ActiveState,UnitFileState {units} | sed 's/^/unit /'\n"
            ));
        }
        text + "echo end\n"
    }

    /// What is no longer so, in words.
    pub fn changed(&self, facts: &Facts) -> Vec<String> {
        let entries = self
            .entries
            .iter()
            .filter_map(|(path, entry)| entry.changed(path, facts.entries.get(path)));
        let blocks =
            self.blocks.iter().filter(|(path, content)| facts.blocks.get(*path) != Some(content));
        let blocks = blocks.map(|(path, _)| format!("lab's lines in {path} were changed"));
        let units = self.units.iter().filter_map(|unit| changed_unit(unit, facts.units.get(unit)));
        entries.chain(blocks).chain(units).collect()
    }
}

impl Entry {
    fn changed(&self, path: &str, found: Option<&Entry>) -> Option<String> {
        let Some(found) = found else { return Some(format!("{path} is gone")) };
        match self {
            Entry { target: Some(target), .. } if found.target.as_ref() != Some(target) => {
                Some(format!("{path} no longer leads to {target}"))
            }
            Entry { target: Some(_), .. } => None,
            _ if found.mode != self.mode || found.owner != self.owner => Some(format!(
                "{path} is {} {} instead of {} {}",
                found.mode, found.owner, self.mode, self.owner
            )),
            Entry { sum: Some(sum), .. } if found.sum.as_ref() != Some(sum) => {
                Some(format!("{path} was changed"))
            }
            _ => None,
        }
    }
}

/// A unit that is just starting, or starting again, takes care of itself.
fn changed_unit(unit: &str, found: Option<&(String, String)>) -> Option<String> {
    match found {
        Some((active, _)) if active == "inactive" || active == "failed" => {
            Some(format!("{unit} is {active}"))
        }
        Some((_, boot)) if boot == "disabled" || boot == "masked" => {
            Some(format!("{unit} is {boot}"))
        }
        _ => None,
    }
}

impl Facts {
    /// Reads what [`Upkeep::script`] printed; nothing, when it was cut or is not that.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.trim_end().strip_suffix("end")?;
        let mut facts = Self::default();
        let (mut block, mut unit) = (String::new(), BTreeMap::new());
        for line in body.lines() {
            match line.split_once(' ') {
                Some(("entry", rest)) => facts.entry(rest),
                Some(("sum", rest)) => facts.sum(rest),
                Some(("block", path)) => path.clone_into(&mut block),
                Some(("|", rest)) => facts.line(&block, rest),
                Some(("unit", "")) => facts.unit(&std::mem::take(&mut unit)),
                Some(("unit", rest)) => unit.extend(rest.split_once('=')),
                _ => {}
            }
        }
        facts.unit(&unit);
        Some(facts)
    }

    fn entry(&mut self, rest: &str) {
        let mut words = rest.splitn(4, ' ');
        let (Some(mode), Some(owner), Some(path)) = (words.next(), words.next(), words.next())
        else {
            return;
        };
        let target = words.next().filter(|target| !target.is_empty()).map(str::to_owned);
        let entry = Entry { mode: mode.into(), owner: owner.into(), sum: None, target };
        self.entries.insert(path.into(), entry);
    }

    fn sum(&mut self, rest: &str) {
        if let Some((sum, path)) = rest.split_once("  ")
            && let Some(entry) = self.entries.get_mut(path)
        {
            entry.sum = Some(sum.into());
        }
    }

    /// Properties of one unit, in whatever order systemd told them.
    fn unit(&mut self, properties: &BTreeMap<&str, &str>) {
        let get = |name: &str| properties.get(name).copied().unwrap_or_default().to_owned();
        if properties.contains_key("Id") {
            self.units.insert(get("Id"), (get("ActiveState"), get("UnitFileState")));
        }
    }

    /// A line between the fences of a block, or a fence.
    fn line(&mut self, path: &str, line: &str) {
        let block = self.blocks.entry(path.to_owned()).or_default();
        if line != "# BEGIN lab" && line != "# END lab" {
            block.push_str(line);
            block.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn kept() -> Upkeep {
        Upkeep::of(&[
            Step::private("/etc/a.yaml", "abc"),
            Step::directory("/etc/d", 0o755),
            Step::directory("/run/d", 0o755),
            Step::Binary {
                name: "kubelet".into(),
                path: "/usr/local/bin/kubelet".into(),
                version: None,
            },
            Step::Block { path: "/etc/hosts".into(), content: "10.0.0.1 a\n".into() },
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

    #[test]
    fn paths_are_quoted() {
        let odd = Upkeep::of(&[Step::file("/etc/a b'c", "x")]);
        assert!(odd.script().contains(r"sha256sum -- '/etc/a b'\''c'"), "{}", odd.script());
    }
}

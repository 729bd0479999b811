//! What a node answers when it is asked whether what its stages left behind is still so.

use std::collections::{BTreeMap, BTreeSet};

/// What a node answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Files, directories and links, by path.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Lines of fenced blocks, fences included, by path.
    pub(crate) blocks: BTreeMap<String, Vec<String>>,
    /// What units do.
    pub(crate) units: BTreeMap<String, Unit>,
    /// Lines that commands printed, by the id of the command. Those that failed have none.
    pub(crate) answers: BTreeMap<String, BTreeSet<String>>,
}

/// What is at a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Octal, as `find` prints it.
    pub mode: String,
    /// `user:group`.
    pub owner: String,
    /// Hex sha256 of a file.
    pub sum: Option<String>,
    /// Target of a link.
    pub target: Option<String>,
}

/// A unit, in systemd's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// What it does.
    pub active: String,
    /// Whether it starts at boot.
    pub boot: String,
}

impl Facts {
    /// Reads what [`Upkeep::script`](crate::kubernetes::drift::Upkeep::script) printed; nothing, when it was
    /// cut or is not that.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.trim_end().strip_suffix("end")?;
        let mut facts = Self::default();
        let (mut block, mut unit) = (String::new(), BTreeMap::new());
        let mut answer = String::new();
        for line in body.lines() {
            match line.split_once(' ') {
                Some(("entry", rest)) => facts.entry(rest),
                Some(("sum", rest)) => facts.sum(rest),
                Some(("block", path)) => path.clone_into(&mut block),
                Some(("|", rest)) => {
                    facts.blocks.entry(block.clone()).or_default().push(rest.into());
                }
                Some(("answer", id)) => {
                    id.clone_into(&mut answer);
                    facts.answers.insert(id.into(), BTreeSet::new());
                }
                Some((">", rest)) => {
                    facts.answers.entry(answer.clone()).or_default().insert(rest.into());
                }
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
        // Of a path with a backslash sha256sum writes two, and one before the line.
        let (rest, doubled) = match rest.strip_prefix('\\') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let Some((sum, path)) = rest.split_once("  ") else { return };
        let path = if doubled { path.replace("\\\\", "\\") } else { path.to_owned() };
        if let Some(entry) = self.entries.get_mut(&path) {
            entry.sum = Some(sum.into());
        }
    }

    /// Properties of one unit, in whatever order systemd told them.
    fn unit(&mut self, properties: &BTreeMap<&str, &str>) {
        let get = |name: &str| properties.get(name).copied().unwrap_or_default().to_owned();
        if properties.contains_key("Id") {
            let unit = Unit { active: get("ActiveState"), boot: get("UnitFileState") };
            self.units.insert(get("Id"), unit);
        }
    }
}

//! A check: a script on one or more nodes, and the rule by which what it says is judged.

use std::borrow::Cow;

/// How the results of a check's script are judged.
#[derive(Clone, Copy, Debug)]
pub enum Judge {
    /// It must end with status 0 on every node. Status 69 says that what is checked is not there, 70 that there is
    /// something to know.
    Succeeds,
    /// It must end with status 0 on exactly one node.
    OnOneNode,
    /// It prints verdicts, one per line: number, `PASS` or `FAIL`, what was seen, separated by tabs.
    Verdicts {
        /// What the rule of that number says; lines of other numbers are left out.
        title: fn(&str) -> Option<&'static str>,
    },
}

/// Exit status of a check's script when what it checks was never installed.
pub const MISSING: u32 = 69;

/// Exit status of a check's script when all is as it was made, and something is to be known of it.
pub const WARNING: u32 = 70;

/// kubectl on a controller, as checks call it.
pub const KUBECTL: &str = concat!(kubectl!(), " --request-timeout=30s");

/// When a check is waited for, besides being made by `lab verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Once a lab was restored, as far as its stages had been gone through.
    Restore,
    /// Before `lab verify --failover` stops a node, and once that one is back.
    Failover,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Stable name.
    pub name: Cow<'static, str>,
    /// The stage whose work it judges; `verify` for what all of them make together.
    pub stage: &'static str,
    /// Nodes it is made on.
    pub nodes: Vec<String>,
    /// What it proves.
    pub proves: String,
    /// POSIX shell, run as root; leaves nothing behind. Finds the seconds of the host's clock in
    /// `LAB_NOW`, what counts as news in `LAB_SINCE`, a word of this run's own in `LAB_RUN`,
    /// and in `LAB_TRIES` how often to ask, where somebody says it.
    pub script: String,
    /// What to look at when it fails.
    pub hint: String,
    /// How it is judged.
    pub judge: Judge,
    /// When it is waited for.
    pub health: &'static [Health],
    /// Told in a table only where it does not hold: it is one of very many.
    pub quiet: bool,
}

impl Check {
    /// The same check, waited for at these times.
    pub(crate) fn health(self, health: &'static [Health]) -> Self {
        Self { health, ..self }
    }
}

/// What is done once checks are made, however they came out.
#[derive(Clone, Debug)]
pub struct Afterwards {
    /// The node that does it.
    pub node: String,
    /// The script.
    pub script: String,
}

/// Checks to be made.
#[derive(Debug, Default)]
pub struct Plan {
    /// Checks of single nodes: nodes side by side, on each one after the other.
    pub nodes: Vec<Check>,
    /// Checks of the whole cluster, one after the other.
    pub cluster: Vec<Check>,
    /// Checks of a restored lab alone, where `lab verify` asks in another way.
    pub restored: Vec<Check>,
    /// A node, and a script that clears away what the checks made.
    pub afterwards: Option<Afterwards>,
}

impl Plan {
    /// Takes over what another stage asks.
    pub fn extend(&mut self, other: Plan) {
        self.nodes.extend(other.nodes);
        self.cluster.extend(other.cluster);
        self.restored.extend(other.restored);
        self.afterwards = other.afterwards.or(self.afterwards.take());
    }

    /// The checks that are waited for at a time, those of nodes first.
    pub fn health(self, when: Health) -> Vec<Check> {
        let all = self.nodes.into_iter().chain(self.cluster);
        let mut found: Vec<Check> = all.filter(|check| check.health.contains(&when)).collect();
        if when == Health::Restore {
            found.extend(self.restored);
        }
        found
    }
}

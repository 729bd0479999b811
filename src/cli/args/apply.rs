//! What `plan` and `up` understand.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  lab plan -o json --detailed-exitcode || echo 'changes pending'"
)]
pub(in crate::cli) struct Plan {
    /// Topology, as `-f` has it
    #[arg(value_name = "TOPOLOGY")]
    pub topology: Option<PathBuf>,
    /// Exit 3 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Only up to this stage and what it needs
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Only what changes these nodes, by name or role, and what all nodes share; firewalls of the others let in
    /// those that are new
    #[arg(long, value_name = "NODE|ROLE", value_delimiter = ',')]
    pub limit: Vec<String>,
    /// Save the plan for `lab up --plan`
    #[arg(long, value_name = "FILE", conflicts_with = "limit")]
    pub save: Option<PathBuf>,
}

#[derive(Debug, Default, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab up\n  lab up book --until etcd\n  lab up --checkpoint\n  LAB_ARTIFACTS=./bin lab up --provider private"
)]
pub(in crate::cli) struct Up {
    /// Topology, as `-f` has it
    #[arg(value_name = "TOPOLOGY")]
    pub topology: Option<PathBuf>,
    /// Only up to this stage and what it needs; `ssh` stops when nodes answer
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Run this stage and all after it again, whether or not they were done
    #[arg(long, value_name = "STAGE")]
    pub from: Option<String>,
    /// Change only these nodes, by name or role, and what all nodes share; firewalls of the others let in
    /// those that are new
    #[arg(long, value_name = "NODE|ROLE", value_delimiter = ',', conflicts_with = "checkpoint")]
    pub limit: Vec<String>,
    /// Stop after that time, like `90s`, `30m` or `2h`; `lab up` goes on from there
    #[arg(long, env = "LAB_TIMEOUT", value_name = "TIME", value_parser = timeout)]
    pub timeout: Option<Duration>,
    /// Make a snapshot after each stage: after-os, after-etcd, ...
    #[arg(long)]
    pub checkpoint: bool,
    /// Make the changes of a saved plan, or none when something else would be changed by now
    #[arg(long, value_name = "FILE", conflicts_with_all = ["until", "from", "limit", "checkpoint"])]
    pub plan: Option<PathBuf>,
    /// Agree to removals
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
    /// Remove or upgrade nodes without moving their pods away first
    #[arg(long)]
    pub force: bool,
    /// Start nodes though this computer has no room for them
    #[arg(long, env = "LAB_OVERCOMMIT")]
    pub overcommit: bool,
    /// Nodes that boot at the same time: 8, or one more than the computer has processors where guests
    /// are emulated
    #[arg(long, env = "LAB_CONCURRENCY", value_name = "N")]
    pub concurrency: Option<usize>,
}

impl Up {
    /// The whole way, as `lab up` without options goes it.
    pub fn whole() -> Self {
        Self {
            topology: None,
            until: None,
            from: None,
            limit: Vec::new(),
            timeout: None,
            checkpoint: false,
            plan: None,
            yes: false,
            force: false,
            overcommit: false,
            concurrency: None,
        }
    }
}

/// A time with its unit.
pub(super) fn timeout(text: &str) -> Result<Duration, Box<dyn std::error::Error + Send + Sync>> {
    let units = [('s', 1), ('m', 60), ('h', 3600)];
    let of = |(unit, seconds): &(char, u64)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| (1..=604_800).contains(seconds))
    };
    let found = units.iter().find_map(of);
    found
        .map(Duration::from_secs)
        .ok_or_else(|| "write a number and `s`, `m` or `h`, like `30m`; a week at most".into())
}

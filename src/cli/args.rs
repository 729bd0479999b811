//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::env::Shells;

use super::complete::{labs, logged, nodes, shipped, snapshots, stages, until};

/// Kubernetes labs on libvirt/KVM, the hard way, from one topology file.
#[derive(Debug, Parser)]
#[command(name = "lab", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Examples:
  lab init --from three > lab.yaml   write a topology to start from
  lab up                             build it, to Ready nodes
  lab kubectl get nodes              use it
  lab down                           leave nothing behind

Exit codes: 0 ok, 1 failed, 2 usage or invalid topology or failed preflight,
3 changes pending (plan --detailed-exitcode), 75 another run holds the lab, 130 interrupted.")]
pub(super) struct Args {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command understands, as typed.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct Options {
    /// Topology: a file, `-` for standard input, or the name of a shipped one [default: lab.yaml]
    #[arg(short, long, global = true, env = "LAB_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A lab that exists, by its name; its topology is the one it was made from
    #[arg(short, long, global = true, env = "LAB_NAME", value_name = "NAME", add = labs())]
    pub lab: Option<String>,
    /// Where guests run
    #[arg(long, global = true, env = "LAB_ENGINE", value_enum, default_value_t = Engine::Auto)]
    pub engine: Engine,
    /// Form of the data on standard output
    #[arg(short, long, global = true, env = "LAB_OUTPUT", value_enum, default_value_t = Form::Table)]
    pub output: Form,
    /// Say each step
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

impl Options {
    /// What commands look at. Forms that only pictures have are for people where there is no picture.
    pub fn global(&self) -> Global {
        Global {
            file: self.file.clone(),
            lab: self.lab.clone(),
            engine: self.engine,
            output: if self.output == Form::Json { Format::Json } else { Format::Table },
            verbose: self.verbose,
            quiet: self.quiet,
        }
    }
}

/// Options that every command understands.
#[derive(Clone, Debug)]
pub(super) struct Global {
    /// Topology.
    pub file: Option<PathBuf>,
    /// A lab that exists.
    pub lab: Option<String>,
    /// Where guests run.
    pub engine: Engine,
    /// Form of the data on standard output.
    pub output: Format,
    /// Say each step.
    pub verbose: bool,
    /// Say only what went wrong.
    pub quiet: bool,
}

/// What `-o` understands.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// `lab graph`: a flow chart for Markdown pages
    Mermaid,
    /// `lab graph`: for Graphviz
    Dot,
    /// `lab graph`: an image
    Svg,
    /// `lab graph`: a page that needs nothing but itself
    Html,
}

#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum Engine {
    /// The computer's libvirt when it answers, else a private one
    Auto,
    /// The computer's libvirt: LIBVIRT_DEFAULT_URI, or qemu:///system
    System,
    /// A libvirt of the lab's own, in namespaces of its own
    Private,
}

/// Form of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a topology to start from
    Init(Init),
    /// Check the topology, offline
    Validate,
    /// Print the JSON Schema of topology files, for editors
    Schema,
    /// Show what `up` would do
    Plan(Plan),
    /// Make the lab what its topology says
    Up(Up),
    /// Show nodes, what they use, and stages
    Status(Status),
    /// Prove that the lab works
    Verify(Verify),
    /// List your labs: where each runs, how far it is up, what it takes
    #[command(visible_alias = "ls")]
    List,
    /// Log in to a node, or run a command on it
    Ssh(Ssh),
    /// Run a command on many nodes at once
    Exec(Exec),
    /// Show what nodes, or units on them, wrote to their journals
    Logs(Logs),
    /// Watch a node's serial console, from its first line on; type to it on a terminal
    Console(Console),
    /// Shut nodes down
    Stop(Power),
    /// Start nodes that were stopped, and wait until they answer
    Start(Power),
    /// Shut nodes down, start them again, and wait until they answer
    Restart(Power),
    /// Freeze the whole lab, and bring it back to that moment
    #[command(visible_alias = "snapshots")]
    Snapshot(Snapshot),
    /// Look at the stages of the bootstrap
    Stage(Stage),
    /// Print the administrator's kubeconfig
    Kubeconfig,
    /// Print an OpenSSH configuration for the nodes, host keys pinned
    SshConfig,
    /// Print an Ansible inventory: roles are groups
    Inventory,
    /// Print the nodes' names for /etc/hosts, or keep them there
    Hosts(Hosts),
    /// Run kubectl against the lab; no kubectl is needed here
    Kubectl(Kubectl),
    /// Manage the guests' base images
    Images(Images),
    /// Draw the lab: networks, nodes by role, addresses, ways of traffic
    #[command(
        after_help = "Examples:\n  lab graph                      a flow chart in Mermaid's words\n  lab graph -o svg > lab.svg\n  lab graph -o html --status > lab.html"
    )]
    Graph {
        /// Ask the nodes, and show how each is and who has the floating addresses
        #[arg(long)]
        status: bool,
    },
    /// Look at what earlier runs did
    Runs(Runs),
    /// Look for what keeps labs from running on this computer, and say what mends it
    Doctor(Doctor),
    /// Remove everything the lab made, and nothing else
    Down(Down),
    /// Print a completion script for a shell: commands, nodes, stages, snapshots
    Completion {
        /// Shell
        #[arg(value_parser = shells())]
        shell: String,
    },
    /// Write manual pages
    Man {
        /// Folder to write them to
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Connect standard input and output with a port of a private lab: ssh's ProxyCommand
    #[command(hide = true)]
    Connect {
        /// Socket of the private engine
        socket: PathBuf,
        /// Address of a node
        host: std::net::Ipv4Addr,
        /// Port
        port: u16,
    },
}

fn shells() -> clap::builder::PossibleValuesParser {
    Shells::builtins().names().collect::<Vec<_>>().into()
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  lab init --from single --name demo > lab.yaml")]
pub(super) struct Init {
    /// Shipped topology to start from
    #[arg(long, default_value = "three", add = shipped())]
    pub from: String,
    /// Name of the new lab [default: that of the shipped topology]
    #[arg(long)]
    pub name: Option<String>,
    /// File to write, which must not exist [default: lab.yaml on a terminal, else standard output]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// List the shipped topologies
    #[arg(long)]
    pub list: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  lab plan -o json --detailed-exitcode || echo 'changes pending'"
)]
pub(super) struct Plan {
    /// Exit 3 when there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Only up to this stage and what it needs
    #[arg(long, value_name = "STAGE", add = until())]
    pub until: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab up\n  lab up -f book --until etcd\n  lab up --checkpoint\n  LAB_ARTIFACTS=./bin lab up --engine private"
)]
pub(super) struct Up {
    /// Only up to this stage and what it needs; `ssh` stops when nodes answer
    #[arg(long, value_name = "STAGE", add = until())]
    pub until: Option<String>,
    /// Run this stage and all after it again, whether or not they were done
    #[arg(long, value_name = "STAGE", add = stages())]
    pub from: Option<String>,
    /// Make a snapshot after each stage: after-os, after-etcd, ...
    #[arg(long)]
    pub checkpoint: bool,
    /// Agree to removals
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
    /// Remove nodes without moving their pods away first
    #[arg(long)]
    pub force: bool,
    /// Nodes that boot at the same time
    #[arg(long, env = "LAB_CONCURRENCY", default_value_t = 8, value_name = "N")]
    pub concurrency: usize,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab status\n  lab status --watch\n  lab status -o json | jq .vips"
)]
pub(super) struct Status {
    /// Show it again and again, every so many seconds
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab verify\n  lab verify -o json | jq '.checks[] | select(.verdict != \"passed\")'\n  lab verify --failover"
)]
pub(super) struct Verify {
    /// Then stop every node in turn, and show that the API and a service come back
    #[arg(long)]
    pub failover: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  lab ssh worker1\n  lab ssh worker1 -- journalctl -u kubelet")]
pub(super) struct Ssh {
    /// Node
    #[arg(add = nodes())]
    pub node: String,
    /// Command; without one, a shell
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab exec -- uptime\n  lab exec --role worker -- sudo ctr -n k8s.io containers list"
)]
pub(super) struct Exec {
    /// Only nodes with this role
    #[arg(long)]
    pub role: Option<String>,
    /// Only this node; may be given several times
    #[arg(long, add = nodes())]
    pub node: Vec<String>,
    /// Command
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab logs worker1\n  lab logs kubelet            on every node that has it\n  lab logs -f controller1 kube-apiserver"
)]
pub(super) struct Logs {
    /// Nodes and units; a unit alone means every node that has it
    #[arg(value_name = "NODE|UNIT", add = logged())]
    pub what: Vec<String>,
    /// Go on showing what is written
    #[arg(short, long)]
    pub follow: bool,
    /// Topology, as `lab --file` has it; `-f` follows here, as in other tools
    #[arg(id = "file", long = "file", env = "LAB_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Lines from each node at first
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    pub lines: u32,
    /// Only since then, as journalctl understands it: `10 min ago`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  lab console worker1\n  lab console worker1 --log | less -R")]
pub(super) struct Console {
    /// Node
    #[arg(add = nodes())]
    pub node: String,
    /// Print what it said since the node was made, and end
    #[arg(long)]
    pub log: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab stop worker1\n  lab start worker1\n  lab stop --all && lab up"
)]
pub(super) struct Power {
    /// Nodes
    #[arg(required_unless_present = "all", add = nodes())]
    pub nodes: Vec<String>,
    /// All nodes of the lab
    #[arg(long, conflicts_with = "nodes")]
    pub all: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab hosts\n  sudo lab hosts --install\n  sudo lab hosts --remove"
)]
pub(super) struct Hosts {
    /// Write them to a block of their own in the file; the rest of it stays as it is
    #[arg(long, conflicts_with = "remove")]
    pub install: bool,
    /// Remove the block
    #[arg(long)]
    pub remove: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab doctor\n  lab doctor -f book --engine system\n  lab doctor --fix"
)]
pub(super) struct Doctor {
    /// Run the cures that harm nothing, after asking
    #[arg(long)]
    pub fix: bool,
    /// Agree to them
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Runs {
    #[command(subcommand)]
    pub command: RunsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// List the runs: when, what, how it ended, how long it took
    #[command(visible_alias = "ls")]
    List,
    /// Show what a run did
    Show {
        /// Run, by its name in the list, or `last`
        #[arg(default_value = "last")]
        run: String,
    },
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  lab snapshot clean\n  lab snapshot list\n  lab snapshot restore clean\n  lab snapshot delete clean"
)]
pub(super) struct Snapshot {
    #[command(subcommand)]
    pub command: Option<SnapshotCommand>,
    #[command(flatten)]
    pub create: SnapshotCreate,
}

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Make a snapshot of all nodes at one moment: memory and disks
    #[command(visible_alias = "save")]
    Create(SnapshotCreate),
    /// List the snapshots: age, size, stage reached, and whether each can be restored
    #[command(visible_alias = "ls")]
    List,
    /// Bring all nodes back to one moment, and wait until the cluster works
    #[command(visible_aliases = ["revert", "apply"])]
    Restore(SnapshotRestore),
    /// Delete snapshots and give their space back
    #[command(visible_alias = "rm")]
    Delete {
        /// Snapshots
        #[arg(required = true, add = snapshots())]
        names: Vec<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct SnapshotCreate {
    /// Name [default: date and time]
    pub name: Option<String>,
    /// Save the disks alone: smaller, and restored nodes boot
    #[arg(long)]
    pub disk_only: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SnapshotRestore {
    /// Snapshot
    #[arg(add = snapshots())]
    pub name: String,
    /// Only this node; refused for members of etcd
    #[arg(long, add = nodes())]
    pub node: Option<String>,
    /// Agree to the removal of nodes that came later, and to certificates that ended
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Stage {
    #[command(subcommand)]
    pub command: StageCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum StageCommand {
    /// List the stages: what each does, why, and after what
    List,
    /// Show what a stage does on a node: every file and command
    Show {
        /// Node
        #[arg(add = nodes())]
        node: String,
        /// Stage
        #[arg(add = stages())]
        stage: String,
    },
}

#[derive(Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub(super) struct Kubectl {
    /// What kubectl is to do; local files named by -f are sent along
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Images {
    #[command(subcommand)]
    pub command: ImagesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ImagesCommand {
    /// List the catalogue and what is on this computer
    List,
    /// Download an image and verify it
    Pull {
        /// Name in the catalogue
        name: String,
    },
    /// Make an image from Debian packages, with the nodes' packages inside
    Build {
        /// Name in the catalogue
        name: String,
        /// Make it anew even if it is there
        #[arg(long)]
        force: bool,
    },
    /// Remove the local copy of an image
    Rm {
        /// Name in the catalogue
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct Down {
    /// List what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Remove the guests and their network, but keep disks and keys for `lab snapshot restore`
    #[arg(long)]
    pub keep_snapshots: bool,
    /// Then compare this computer with what it was before `up`
    #[arg(long, conflicts_with_all = ["dry_run", "keep_snapshots"])]
    pub prove: bool,
    /// Accepted for scripts: `down` asks nothing
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
}

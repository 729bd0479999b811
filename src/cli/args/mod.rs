//! What can be typed.

mod addons;
mod apply;
mod assets;
mod certs;
mod etcd;
mod kubeconfig;
mod lesson;
mod link;
mod own;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::env::Shells;

use crate::cli::global::{Format, Global, Provider};

pub(super) use addons::AddonsCommand;
pub(super) use apply::{Plan, Up};
pub(super) use assets::AssetsCommand;
pub(super) use certs::CertsCommand;
pub(super) use etcd::{EtcdCommand, RepairCommand};
pub(super) use kubeconfig::Kubeconfig;
pub(super) use lesson::LessonCommand;
pub(super) use link::Link;
pub(super) use own::*;

/// Kubernetes labs on libvirt/KVM, the hard way, from one topology file.
#[derive(Debug, Parser)]
#[command(name = "lab", version, propagate_version = true, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
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
    /// Topology: a file, `-` for standard input, or the name of a shipped one [default: lab.yaml]; given twice, the
    /// later file changes what it names
    #[arg(
        id = "file",
        short = 'f',
        long = "file",
        global = true,
        env = "LAB_FILE",
        value_name = "FILE"
    )]
    pub files: Vec<PathBuf>,
    /// A lab that exists, by its name; its topology is the one it was made from
    #[arg(short, long, global = true, env = "LAB_NAME", value_name = "NAME")]
    pub lab: Option<String>,
    /// What nodes stand on [default: auto]
    #[arg(long, alias = "engine", global = true, env = "LAB_PROVIDER", value_enum)]
    pub provider: Option<Provider>,
    /// What the variable was called before
    #[arg(long, hide = true, global = true, env = "LAB_ENGINE", hide_env = true, value_enum)]
    pub provider_of_old: Option<Provider>,
    /// What the topology says instead: names of fields joined by dots, as in nodes.worker.count=3
    #[arg(long, global = true, value_name = "FIELD=VALUE")]
    pub set: Vec<String>,
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
    /// True for a topology that nobody typed.
    pub fn is_file_of_environment(&self) -> bool {
        let named = std::env::var_os("LAB_FILE").map(PathBuf::from);
        self.files.len() == 1 && named.as_ref() == self.files.first()
    }

    /// What commands look at. Forms that only pictures have are for people where there is no picture.
    pub fn global(&self) -> Global {
        Global {
            file: self.files.first().cloned(),
            patches: self.files.iter().skip(1).cloned().collect(),
            lab: self.lab.clone(),
            provider: self.provider.or(self.provider_of_old).unwrap_or(Provider::Auto),
            output: if self.output.is_data() { Format::Json } else { Format::Table },
            verbose: self.verbose,
            quiet: self.quiet,
            set: self.set.clone(),
        }
    }
}

/// What `-o` understands.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
    /// `lab graph`: a flow chart for Markdown pages
    Mermaid,
    /// `lab graph`: for Graphviz
    Dot,
    /// `lab graph`: an image
    Svg,
    /// `lab graph`: a page that needs nothing but itself
    Html,
}

impl Form {
    /// True for what programs read.
    pub fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::Yaml)
    }
}

/// What `lab schema` knows.
#[derive(Clone, Copy, Debug, ValueEnum, PartialEq, Eq)]
pub(super) enum SchemaOf {
    /// Topology files
    Topology,
    /// Descriptions of lessons
    Lesson,
    /// What `lab up -o json` prints, one event per line
    Events,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a topology to start from
    Init(Init),
    /// Check the topology, offline
    Validate {
        /// Topology, as `-f` has it
        #[arg(value_name = "TOPOLOGY")]
        topology: Option<PathBuf>,
    },
    /// Print the JSON Schema of topology files or lessons, for editors, or of the events of `-o json`
    Schema {
        /// Of what
        #[arg(value_enum, default_value_t = SchemaOf::Topology)]
        of: SchemaOf,
    },
    /// Show what `up` would do
    Plan(Plan),
    /// Make the lab what its topology says
    Up(Up),
    /// Show nodes, what they use, and stages
    Status(Status),
    /// Prove that the lab works
    Verify(Verify),
    /// Ask nodes whether they are fit for their roles: system, memory, disk, ports, time, nearness
    Inspect {
        /// Nodes [default: all]
        #[arg(value_name = "NODE")]
        nodes: Vec<String>,
    },
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
    /// Make a node's link late, lossy or slow, or cut it; until it starts anew, or `--clear`
    Link(Link),
    /// Freeze the whole lab, and bring it back to that moment
    #[command(visible_alias = "snapshots")]
    Snapshot(Snapshot),
    /// Look at the stages of the bootstrap
    Stage(Stage),
    /// Look at the certificates, and renew them
    Certs {
        /// What to do
        #[command(subcommand)]
        command: Option<CertsCommand>,
    },
    /// Look at add-ons, and say which of them the lab wants
    Addons {
        /// What to do
        #[command(subcommand)]
        command: Option<AddonsCommand>,
    },
    /// Learn: lessons that break something, judge, hint, and put it back
    #[command(visible_alias = "lessons")]
    Lesson {
        /// What to do
        #[command(subcommand)]
        command: Option<LessonCommand>,
    },
    /// Look at what the lab is made with, and at lab.lock, which holds it
    Assets {
        /// What to do
        #[command(subcommand)]
        command: Option<AssetsCommand>,
    },
    /// Mend what `up` cannot: what is lost for good
    Repair {
        /// What to mend
        #[command(subcommand)]
        command: RepairCommand,
    },
    /// Print the administrator's kubeconfig, or one for a user of the cluster
    Kubeconfig(Kubeconfig),
    /// Lead ports of 127.0.0.1 to the API and to nodes, until Ctrl-C
    Forward(Forward),
    /// Open a shell in the lab's network with kubectl configured, or run one command there
    Shell(Shell),
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
    /// Explain a command, a code of a message (L0801), or a topic (`lab help topics`)
    Help {
        /// A command's words, a code, or a topic
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
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
        /// Socket of the private provider
        socket: PathBuf,
        /// Address of a node
        host: std::net::Ipv4Addr,
        /// Port
        port: u16,
    },
}

impl Command {
    /// The topology that stands behind the command, without `-f`.
    pub fn topology(&self) -> Option<&PathBuf> {
        match self {
            Command::Validate { topology } => topology.as_ref(),
            Command::Plan(plan) => plan.topology.as_ref(),
            Command::Up(up) => up.topology.as_ref(),
            _ => None,
        }
    }
}

fn shells() -> clap::builder::PossibleValuesParser {
    Shells::builtins().names().collect::<Vec<_>>().into()
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// What runs on nodes is taken as it stands, with two dashes before it or without.
    #[test]
    fn commands_for_nodes_are_taken_whole() {
        let parse = |line: &str| {
            let args = Args::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{e}"));
            match args.command {
                Command::Ssh(ssh) => (args.options.lab, ssh.command),
                Command::Exec(exec) => (args.options.lab, exec.command),
                other => panic!("{other:?}"),
            }
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for line in [
            "lab ssh --lab x worker1 -- df -h --lab y -- z",
            "lab ssh worker1 --lab x df -h --lab y -- z",
            "lab exec --lab x --role worker -- df -h --lab y -- z",
            "lab exec --lab x df -h --lab y -- z",
        ] {
            assert_eq!(parse(line), (Some("x".into()), words("df -h --lab y -- z")), "{line}");
        }
        assert!(parse("lab ssh worker1").1.is_empty());
        assert!(Args::try_parse_from(["lab", "exec"]).is_err());
    }

    /// An argument of a command's own with the id of an option that every command has would be taken for it.
    #[test]
    fn no_argument_has_the_id_of_a_global_option() {
        fn walk(command: &clap::Command, path: &str, globals: &[String], found: &mut Vec<String>) {
            for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
                if globals.contains(&argument.get_id().to_string()) {
                    found.push(format!("{path} {}", argument.get_id()));
                }
            }
            for below in command.get_subcommands() {
                walk(below, &format!("{path} {}", below.get_name()), globals, found);
            }
        }
        let command = Args::command();
        let globals = command.get_arguments().filter(|argument| argument.is_global_set());
        let globals: Vec<String> = globals.map(|argument| argument.get_id().to_string()).collect();
        assert!(globals.contains(&"file".to_owned()), "{globals:?}");
        let mut found = Vec::new();
        walk(&command, "lab", &globals, &mut found);
        // `lab logs -f` follows: it has its own way to a file, and asks for both.
        assert_eq!(found, ["lab logs file"]);
    }
}

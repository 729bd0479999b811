//! What each command alone understands.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use crate::cli::args::EtcdCommand;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  lab init --from single --name demo > lab.yaml\n  lab init --from three --name second --cidr free --to second.yaml"
)]
pub(in crate::cli) struct Init {
    /// Shipped topology to start from [default: three; on a terminal you are asked]
    #[arg(long)]
    pub from: Option<String>,
    /// Name of the new lab [default: that of the shipped topology]
    #[arg(long)]
    pub name: Option<String>,
    /// Network of the nodes, to which all their addresses move: `free` takes one that nothing on this
    /// computer uses [default: that of the shipped topology]
    #[arg(long, value_name = "NETWORK|free")]
    pub cidr: Option<String>,
    /// File to write, which must not exist [default: lab.yaml on a terminal, else standard output]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// List the shipped topologies
    #[arg(long)]
    pub list: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab status\n  lab status --watch\n  lab status -o json | jq .vips"
)]
pub(in crate::cli) struct Status {
    /// Show it again and again, every so many seconds
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub watch: Option<u64>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab verify\n  lab verify etcd\n  lab verify -o json | jq '.checks[] | select(.verdict != \"passed\")'\n  lab verify --failover\n  lab verify etcd --failover  without all the other checks first"
)]
pub(in crate::cli) struct Verify {
    /// Only what judges the work of this stage
    pub stage: Option<String>,
    /// Then stop every node in turn, and show that the API and a service come back
    #[arg(long)]
    pub failover: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  lab ssh worker1\n  lab ssh worker1 journalctl -u kubelet")]
pub(in crate::cli) struct Ssh {
    /// Node
    pub node: String,
    /// Command; without one, a shell
    #[arg(trailing_var_arg = true)]
    pub command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab exec uptime\n  lab exec --role worker sudo ctr -n k8s.io containers list"
)]
pub(in crate::cli) struct Exec {
    /// Only nodes with this role
    #[arg(long)]
    pub role: Option<String>,
    /// Only this node; may be given several times
    #[arg(long)]
    pub node: Vec<String>,
    /// Command
    #[arg(trailing_var_arg = true, required = true)]
    pub command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab logs worker1\n  lab logs kubelet            on every node that has it\n  lab logs -f controller1 kube-apiserver"
)]
pub(in crate::cli) struct Logs {
    /// Nodes and units; a unit alone means every node that has it
    #[arg(value_name = "NODE|UNIT")]
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
pub(in crate::cli) struct Console {
    /// Node
    pub node: String,
    /// Print what it said since the node was made, and end
    #[arg(long)]
    pub log: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab stop worker1\n  lab start worker1\n  lab stop --all && lab up"
)]
pub(in crate::cli) struct Power {
    /// Nodes
    #[arg(required_unless_present = "all")]
    pub nodes: Vec<String>,
    /// All nodes of the lab
    #[arg(long, conflicts_with = "nodes")]
    pub all: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab hosts\n  sudo lab hosts --install\n  sudo lab hosts --remove"
)]
pub(in crate::cli) struct Hosts {
    /// Write them to a block of their own in the file; the rest of it stays as it is
    #[arg(long, conflicts_with = "remove")]
    pub install: bool,
    /// Remove the block
    #[arg(long)]
    pub remove: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab doctor\n  lab doctor -f book --provider system\n  lab doctor --fix"
)]
pub(in crate::cli) struct Doctor {
    /// Run the cures that harm nothing, after asking
    #[arg(long)]
    pub fix: bool,
    /// Agree to them
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab forward                        the API, at 127.0.0.1:6443\n  lab forward 0:api 8080:worker1:30080\n  lab kubeconfig --local > kubeconfig"
)]
pub(in crate::cli) struct Forward {
    /// api, LOCAL:api, TARGET:PORT or LOCAL:TARGET:PORT; 0 takes any free local port [default: api]
    #[arg(value_name = "WAY")]
    pub ways: Vec<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  lab shell\n  lab shell -- kubectl get nodes")]
pub(in crate::cli) struct Shell {
    /// Command; without one, your own shell
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Runs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RunsCommand {
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
pub(in crate::cli) struct Snapshot {
    #[command(subcommand)]
    pub command: Option<SnapshotCommand>,
    #[command(flatten)]
    pub create: SnapshotCreate,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SnapshotCommand {
    /// Make a snapshot of all nodes at one moment: memory and disks
    #[command(visible_alias = "save")]
    Create(SnapshotCreate),
    /// List the snapshots: age, size, stage reached, and whether each can be restored
    #[command(visible_alias = "ls")]
    List,
    /// Bring all nodes back to one moment, and wait until the cluster works
    #[command(visible_aliases = ["revert", "apply"])]
    Restore(SnapshotRestore),
    /// What etcd knows alone, whatever becomes of the guests
    Etcd {
        /// What to do
        #[command(subcommand)]
        command: EtcdCommand,
    },
    /// Delete snapshots and give their space back
    #[command(visible_alias = "rm")]
    Delete {
        /// Snapshots
        #[arg(required = true)]
        names: Vec<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SnapshotCreate {
    /// Name [default: date and time]
    pub name: Option<String>,
    /// Save the disks alone: smaller, and restored nodes boot
    #[arg(long)]
    pub disk_only: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SnapshotRestore {
    /// Snapshot
    pub name: String,
    /// Only this node; refused for members of etcd
    #[arg(long)]
    pub node: Option<String>,
    /// Agree to the removal of nodes that came later, and to certificates that ended
    #[arg(short, long, env = "LAB_YES")]
    pub yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Stage {
    #[command(subcommand)]
    pub command: Option<StageCommand>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StageCommand {
    /// List the stages: what each does, why, and after what
    List,
    /// Run one stage on one node, whether or not it was done
    Run {
        /// Node
        node: String,
        /// Stage
        stage: String,
    },
    /// Show what a stage does on a node: every file and command
    Show {
        /// Node
        node: String,
        /// Stage
        stage: String,
    },
}

#[derive(Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct Kubectl {
    /// What kubectl is to do; local files named by -f are sent along
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Images {
    #[command(subcommand)]
    pub command: Option<ImagesCommand>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImagesCommand {
    /// List the catalogue and what is on this computer
    List,
    /// Download an image and verify it
    Pull {
        /// Name in the catalogue
        name: String,
    },
    /// Bring an image of your own: a qcow2 file, one at an https address, or the disk of a libvirt domain
    #[command(
        after_help = "Examples:\n  lab images add golden ./golden.qcow2 --like debian-12\n  lab images add legacy --clone-from old-server --family debian\n\nA topology then has it by its name: `image: golden`."
    )]
    Add(AddImage),
    /// Make an image from Debian packages, with the nodes' packages inside
    Build {
        /// Name in the catalogue
        name: String,
        /// Make it anew even if it is there
        #[arg(long)]
        force: bool,
    },
    /// Pack programs into the archive of a container image, for LAB_IMAGES
    #[command(
        after_help = "Example:\n  lab images oci registry.k8s.io/kube-apiserver:v1.20.2 bin/kube-apiserver --out images/kube-apiserver.tar"
    )]
    Oci {
        /// Name of the image, with its tag
        name: String,
        /// Programs for /usr/local/bin, or where else each file goes
        #[arg(required = true, value_name = "[PATH=]FILE")]
        files: Vec<String>,
        /// The archive
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// A word of what is run where a pod says nothing
        #[arg(long, value_name = "WORD")]
        command: Vec<String>,
    },
    /// Remove the local copy of an image
    Rm {
        /// Name in the catalogue
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct Down {
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

#[derive(Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("system").required(true).args(["like", "family"]))]
#[command(group = clap::ArgGroup::new("origin").required(true).args(["from", "clone_from"]))]
pub(in crate::cli) struct AddImage {
    /// How it is going to be called
    pub name: String,
    /// The file, or its address
    #[arg(value_name = "FILE|URL")]
    pub from: Option<String>,
    /// Copy the disk of a domain that is shut off, or a volume; neither is changed
    #[arg(long, value_name = "DOMAIN|POOL/VOLUME")]
    pub clone_from: Option<String>,
    /// The system of the catalogue that it is: whose packages and tools count
    #[arg(long, value_name = "SYSTEM")]
    pub like: Option<String>,
    /// The same by its family: the first system of it
    #[arg(long, value_name = "debian|redhat")]
    pub family: Option<String>,
    /// What the file must hash to, in hex; of an address it must be said
    #[arg(long, value_name = "HEX", conflicts_with = "clone_from")]
    pub sha256: Option<String>,
    /// The kernel that boots it, where it has no boot loader
    #[arg(long, value_name = "FILE", requires = "initrd")]
    pub kernel: Option<PathBuf>,
    /// That kernel's first file system
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
}

//! What `lab repair` and `lab snapshot etcd` take.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RepairCommand {
    /// When most members are lost for good: say what is left, make a cluster of the member that knows most, and let
    /// the others join it
    Etcd {
        /// Agree to it: what only the lost members knew is gone
        #[arg(short, long, env = "LAB_YES")]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EtcdCommand {
    /// Write all that etcd knows to a file, which nobody else may read
    Save {
        /// The file
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
    /// Bring back what was saved: one member begins with it, the others join
    Restore {
        /// The file
        #[arg(value_name = "FILE")]
        archive: PathBuf,
        /// Agree to it: what came after is gone
        #[arg(short, long, env = "LAB_YES")]
        yes: bool,
    },
}

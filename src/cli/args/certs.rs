//! What `lab certs` takes.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CertsCommand {
    /// List the certificates and the days that each has left
    #[command(visible_alias = "ls")]
    List,
    /// Make certificates anew, and bring them to the nodes by `up`: one node at a time, so that the API stays
    Renew {
        /// Certificates, by their names in the list; all when none is named
        names: Vec<String>,
    },
    /// Write all keys and certificates of the lab to one archive, which nobody else may read
    Backup {
        /// The archive, a tar file
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
    /// Bring back what `lab certs backup` wrote
    Restore {
        /// The archive
        #[arg(value_name = "FILE")]
        archive: PathBuf,
    },
}

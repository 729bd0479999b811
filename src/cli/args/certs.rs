//! What `lab certs` takes.

use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::pki::Root;

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
    /// Replace what every node trusts, or Secrets are encrypted with: trust both, sign with the new one, drop the old one
    ///
    /// Each phase reaches all nodes before the next begins, one node at a time, so that the API stays. A rotation that
    /// was cut goes on by the same command. It closes what certificates of removed nodes, lost keys and old tokens open.
    Rotate {
        /// What is to be replaced, side by side where it is more than one
        #[arg(
            required = true,
            value_parser = PossibleValuesParser::new(Root::ALL.map(Root::name)).try_map(|name| Root::named(&name)),
            value_name = "ROOT"
        )]
        what: Vec<Root>,
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

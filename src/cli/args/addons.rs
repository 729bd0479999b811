//! What `lab addons` takes.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AddonsCommand {
    /// List the add-ons that there are, and which of them the lab wants
    #[command(visible_alias = "ls")]
    List,
    /// Show one: images, parameters, checks
    Show {
        /// Its name
        name: String,
    },
    /// Add one to the topology's file
    Enable {
        /// Its name
        name: String,
    },
    /// Take one from the topology's file
    Disable {
        /// Its name
        name: String,
    },
}

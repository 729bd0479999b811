//! What `lab assets` takes.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AssetsCommand {
    /// List images, binaries and add-ons: what is locked, and whether that is what is here
    #[command(visible_alias = "ls")]
    List,
    /// Bring images and binaries to this computer, so that `lab up` needs nothing from outside for them
    Fetch,
    /// Lock what is here from now on, and show the difference; what else the file knows stays
    Update,
}

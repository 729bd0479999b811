//! What `lab link` understands.

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab link                                what links were made to be like\n  lab link worker1 --delay 50ms --loss 1%\n  lab link etcd2 --down                   cut off from all others, but for SSH\n  lab link etcd2 --clear"
)]
pub(in crate::cli) struct Link {
    /// The node; without one all are listed
    #[arg(required_if_eq_any = [("down", "true"), ("clear", "true")])]
    pub node: Option<String>,
    /// How late everything is that it sends: 50ms, 1s
    #[arg(long, value_name = "TIME", requires = "node")]
    pub delay: Option<String>,
    /// By how much more or less
    #[arg(long, value_name = "TIME", requires = "node")]
    pub jitter: Option<String>,
    /// How much of what it sends gets lost: 1%, 0.5%
    #[arg(long, value_name = "SHARE", requires = "node")]
    pub loss: Option<String>,
    /// How much it sends at most: 512kbit, 10mbit
    #[arg(long, value_name = "RATE", requires = "node")]
    pub rate: Option<String>,
    /// Nothing but SSH comes or goes
    #[arg(long, conflicts_with_all = ["delay", "jitter", "loss", "rate", "clear"])]
    pub down: bool,
    /// As it always is
    #[arg(long, conflicts_with_all = ["delay", "jitter", "loss", "rate"])]
    pub clear: bool,
}

//! What `lab kubeconfig` understands.

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  lab kubeconfig > kubeconfig\n  lab kubeconfig --user anna --may edit --namespace team-a --life 7d > anna.kubeconfig\n  lab kubeconfig --revoke anna"
)]
pub(in crate::cli) struct Kubeconfig {
    /// For a port of this computer that `lab forward` leads to the API
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "6443")]
    pub local: Option<u16>,
    /// Put it into your own kubeconfig (KUBECONFIG, or ~/.kube/config) as the context lab-NAME, and
    /// make that the current one; `lab down` takes it out again
    #[arg(long, conflicts_with_all = ["user", "revoke"])]
    pub merge: bool,
    /// For a person, by a certificate of its own, which is not kept here
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The group that the certificate says
    #[arg(long, value_name = "NAME", requires = "user")]
    pub group: Option<String>,
    /// How long the certificate lives, in hours or days
    #[arg(long, value_name = "TIME", requires = "user", default_value = "24h")]
    pub life: String,
    /// Bind a role of the cluster to the person: view, edit, admin, or another one
    #[arg(long, value_name = "ROLE", requires = "user")]
    pub may: Option<String>,
    /// Where the role counts, and the kubeconfig begins [default: everywhere]
    #[arg(long, value_name = "NAME", requires = "user")]
    pub namespace: Option<String>,
    /// Take away all roles that a person was bound to by `--may`
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub revoke: Option<String>,
}

//! kubeconfig files: one per identity, certificates inside.

use crate::pki::certificate::Pair;

/// Renders a kubeconfig. `server` is an address of ours, `user` a name of our own tables or by the grammar of [`model::user`](crate::model::user) and the
/// rest base64, so that nothing in here needs quoting.
pub fn kubeconfig(cluster: &str, server: &str, ca: &str, user: &str, pair: &Pair) -> String {
    in_namespace(cluster, server, ca, user, pair, None)
}

/// The same that begins in a namespace, a name by the grammar of [`model::user`](crate::model::user).
pub fn in_namespace(
    cluster: &str,
    server: &str,
    ca: &str,
    user: &str,
    pair: &Pair,
    namespace: Option<&str>,
) -> String {
    let namespace = namespace.map(|name| format!("\n    namespace: {name:?}")).unwrap_or_default();
    let encode = |text: &str| base64(text.as_bytes());
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority-data: {}
users:
- name: {user:?}
  user:
    client-certificate-data: {}
    client-key-data: {}
contexts:
- name: {cluster}
  context:
    cluster: {cluster}
    user: {user:?}{namespace}
current-context: {cluster}
",
        encode(ca),
        encode(&pair.certificate),
        encode(&pair.key),
    )
}

/// Standard base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

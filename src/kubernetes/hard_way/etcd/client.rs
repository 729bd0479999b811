//! How etcd is asked on one of its members.

macro_rules! tls {
    () => {
        "--cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/healthcheck-client.crt \
         --key /etc/etcd/pki/healthcheck-client.key"
    };
}

macro_rules! client {
    () => {
        concat!("--endpoints=https://127.0.0.1:2379 ", tls!())
    };
}

/// Who etcdctl and curl are on a member: a health client.
pub const TLS: &str = tls!();

/// Options of etcdctl on a member, towards that member.
pub const CLIENT: &str = client!();

macro_rules! health {
    () => {
        concat!("ETCDCTL_API=3 etcdctl ", client!(), " endpoint health")
    };
}

/// Succeeds where the member answers and the cluster has a leader.
pub(crate) const HEALTH: &str = health!();

/// The same without a word.
pub(crate) const SERVES: &str = concat!(health!(), " >/dev/null 2>&1");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::port;

    /// What is put together when the program is built cannot take it from there.
    #[test]
    fn the_port_is_that_of_the_list() {
        assert!(
            CLIENT.starts_with(&format!("--endpoints=https://127.0.0.1:{} ", port::ETCD_CLIENT))
        );
    }
}

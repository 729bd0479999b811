//! Who a server must be.

use russh::client;
use russh::keys::PublicKey;

/// Accepts these host keys and no other.
#[derive(Debug)]
pub struct Pinned {
    pub(super) expected: Vec<PublicKey>,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let russh::keys::PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        Ok(self.expected.iter().any(|expected| key.key_data() == expected.key_data()))
    }
}

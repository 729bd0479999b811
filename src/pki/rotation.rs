//! A bundle whose roots are rotated.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use time::{Duration, OffsetDateTime};

use crate::model::Lab;
use crate::pki::bundle::{Bundle, EncryptionKey};
use crate::pki::certificate::{AUTHORITY_LIFE, Authority, Pair, PkiError};
use crate::pki::roots::{Phase, Root, Standing};

impl Bundle {
    /// Which generation of a root signs.
    pub fn standing(&self, root: Root) -> Standing {
        self.roots.get(&root).copied().unwrap_or_default()
    }

    /// Makes the next phase of a root's rotation the one that nodes are to be brought: begins a rotation
    /// where none is under way. Returns the names of entries that were made.
    ///
    /// # Errors
    /// When a key cannot be made.
    pub fn advance(&mut self, root: Root, now: OffsetDateTime) -> Result<Vec<String>, PkiError> {
        let next = self.standing(root).next();
        self.roots.insert(root, next);
        let mut made = Vec::new();
        match next.phase {
            Some(Phase::Trusted) => made.extend(self.make(root, next.generation + 1, now)?),
            Some(Phase::Ending) => {
                let old = next.generation.saturating_sub(1);
                self.entries.remove(&root.entry(old));
                if root == Root::EncryptionKey {
                    self.encryption_keys.remove(&old);
                }
            }
            Some(Phase::Signing) | None => {}
        }
        Ok(made)
    }

    /// Makes one generation of a root where it is missing; its entry, if it was made and has one.
    pub(super) fn make(
        &mut self,
        root: Root,
        generation: u32,
        now: OffsetDateTime,
    ) -> Result<Option<String>, PkiError> {
        let entry = root.entry(generation);
        if root == Root::EncryptionKey {
            let is_missing = !self.encryption_keys.contains_key(&generation);
            if is_missing {
                let key: [u8; 32] = rand::random();
                let key = EncryptionKey(crate::pki::kubeconfig::base64(&key));
                self.encryption_keys.insert(generation, key);
            }
            return Ok(is_missing.then_some(entry));
        }
        if self.entries.contains_key(&entry) {
            return Ok(None);
        }
        match root.issuer() {
            Some(issuer) => {
                let authority = Authority::generate(issuer.common_name(), now)?;
                let ends = now + AUTHORITY_LIFE;
                self.insert(&entry, authority.pair, "authority", ends);
            }
            None => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                let pair = Pair { certificate: key.public_key_pem(), key: key.serialize_pem() };
                self.insert(&entry, pair, "key", now + Duration::days(36500));
            }
        }
        Ok(Some(entry))
    }

    /// What certificates that `lab` no longer has would still open to whoever kept them, for people.
    pub fn still_open(&self, lab: &Lab, now: OffsetDateTime) -> Option<String> {
        let mut without = self.clone();
        let gone = without.prune(lab);
        let ends = |name: &String| {
            let ends = self.entries.get(name)?.made.not_after;
            (ends > now.unix_timestamp()).then(|| OffsetDateTime::from_unix_timestamp(ends).ok())?
        };
        let last = gone.iter().filter_map(ends).max()?;
        let authority = match gone.iter().any(|name| name.starts_with("etcd-")) {
            true => "ca etcd-ca",
            false => "ca",
        };
        Some(format!(
            "whoever kept {} may use it until {}: `lab certs rotate {authority}` ends that",
            gone.join(", "),
            last.date()
        ))
    }

    /// Names of the entries that are made once, for a lab that has none: every node trusts them.
    pub fn lasting(&self) -> Vec<String> {
        let pairs = Root::ALL.into_iter().filter(|root| *root != Root::EncryptionKey);
        let trusted = |root: Root| {
            self.standing(root).trusted().into_iter().map(move |generation| root.entry(generation))
        };
        pairs.flat_map(trusted).collect()
    }

    /// The keys of encryption at rest by generation, after which Kubernetes has them named; what is written is
    /// encrypted with the first.
    ///
    /// # Errors
    /// When the bundle lacks one.
    pub fn encryption(&self) -> Result<Vec<(u32, &str)>, PkiError> {
        let standing = self.standing(Root::EncryptionKey);
        let mut trusted = standing.trusted();
        trusted.sort_by_key(|generation| *generation != standing.generation);
        let named = |generation: u32| {
            let key = self.encryption_keys.get(&generation);
            let lacks =
                || PkiError(format!("find the key '{}'", Root::EncryptionKey.entry(generation)));
            Ok((generation, key.ok_or_else(lacks)?.0.as_str()))
        };
        trusted.into_iter().map(named).collect()
    }

    /// How tokens name the key of service accounts that signed them: `kid` of their header, of the
    /// generation that a rotation leaves behind.
    ///
    /// # Errors
    /// When the bundle lacks it.
    pub fn former_token_key(&self) -> Result<Option<String>, PkiError> {
        let standing = self.standing(Root::ServiceAccount);
        if standing.phase != Some(Phase::Signing) {
            return Ok(None);
        }
        let old = Root::ServiceAccount.entry(standing.generation.saturating_sub(1));
        let pair = self.pair_named(&old)?;
        key_id(&pair.key).map(Some)
    }
}

/// Base64url of the SHA-256 of a public key, as Kubernetes names those that sign tokens.
fn key_id(private: &str) -> Result<String, PkiError> {
    use base64::Engine;
    use sha2::Digest;
    let key = KeyPair::from_pem(private)?;
    let hash = sha2::Sha256::digest(key.subject_public_key_info());
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
}

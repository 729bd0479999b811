//! All secrets of one lab, and keeping them: what still fits is kept, what does not is reissued.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::model::Lab;
use crate::pki::certificate::{Authority, Pair, PkiError};
use crate::pki::roots::{Root, Standing};
use crate::pki::specs::{Identity, Issuer, LeafSpec, leaf_specs, super_admin_spec};

/// One certificate of the bundle and what it was made from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Certificate and key.
    pub pair: Pair,
    /// What the entry was made from.
    pub made: Made,
}

/// Kept beside each certificate, so that nobody has to parse X.509 to know whether it still fits.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Made {
    /// Hex sha256 of the specification.
    pub spec: String,
    /// Unix seconds at which it stops being valid.
    pub not_after: i64,
}

/// Every secret of a lab's cluster.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Authorities, leaves and the service-account pair, by entry name.
    pub entries: BTreeMap<String, Entry>,
    /// Keys for encryption at rest, by generation.
    pub encryption_keys: BTreeMap<u32, EncryptionKey>,
    /// Which generation of each root signs; the first one, where nothing is said.
    pub roots: BTreeMap<Root, Standing>,
    /// Which leaves it holds.
    pub leaves: Leaves,
}

/// Which leaves a lab needs: a flavour's own list.
#[derive(Clone, Copy, Debug)]
pub struct Leaves(pub fn(&Lab) -> Vec<LeafSpec>);

impl Default for Leaves {
    fn default() -> Self {
        Self(leaf_specs)
    }
}

/// A leaf that is to be made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its entry.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Base64 of a 32-byte key. Does not show itself.
#[derive(Clone, Default)]
pub struct EncryptionKey(pub String);

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncryptionKey(<redacted>)")
    }
}

/// What a leaf that shall be renewed says it was made from.
const TO_BE_RENEWED: &str = "to be renewed";

impl Bundle {
    /// Completes the bundle for `lab`: keeps entries that still fit, makes the others.
    /// Returns the names of the entries that were made, sorted.
    ///
    /// # Errors
    /// When a key or certificate cannot be made.
    pub fn ensure(&mut self, lab: &Lab, now: OffsetDateTime) -> Result<Vec<String>, PkiError> {
        let mut made = Vec::new();
        for root in Root::ALL {
            made.extend(self.make(root, self.standing(root).generation, now)?);
        }
        let specs = (self.leaves.0)(lab);
        for spec in &specs {
            if self.fits(spec, now) {
                continue;
            }
            let ends = self.end_of(spec, now)?;
            let pair = self.authority(spec.issuer)?.issue(spec, now, ends)?;
            let made_from = self.fingerprint(spec);
            self.insert(&spec.entry, pair, &made_from, ends);
            made.push(spec.entry.clone());
        }
        made.sort();
        Ok(made)
    }

    /// Leaves that are there and that the next [`Self::ensure`] makes anew, and why.
    pub fn due(&self, lab: &Lab, now: OffsetDateTime) -> Vec<Due> {
        let specs = (self.leaves.0)(lab);
        let due = specs.iter().filter(|spec| !self.fits(spec, now));
        let why = |spec: &LeafSpec| {
            let made = &self.entries.get(&spec.entry)?.made;
            let ends = OffsetDateTime::from_unix_timestamp(made.not_after);
            let why = match ends {
                _ if made.spec == TO_BE_RENEWED => "as asked".into(),
                Ok(ends) if made.spec == self.fingerprint(spec) => {
                    format!("it ends on {}", ends.date())
                }
                _ => "what it says has changed".into(),
            };
            Some(Due { name: spec.entry.clone(), why })
        };
        due.filter_map(why).collect()
    }

    /// Has leaves made anew by the next [`Self::ensure`]: those named, or all. Authorities and keys
    /// that are none of a certificate stay.
    ///
    /// # Errors
    /// When one of `names` is no leaf.
    pub fn renew(&mut self, lab: &Lab, names: &[String]) -> Result<Vec<String>, PkiError> {
        let leaves: Vec<String> = (self.leaves.0)(lab).into_iter().map(|spec| spec.entry).collect();
        if let Some(name) = names.iter().find(|name| !leaves.contains(name)) {
            return Err(PkiError(format!("renew '{name}': the lab has no such certificate")));
        }
        let meant = |name: &&String| names.is_empty() || names.contains(name);
        let meant: Vec<String> = leaves.iter().filter(meant).cloned().collect();
        for name in &meant {
            if let Some(entry) = self.entries.get_mut(name) {
                // Fits nothing, so it does not fit.
                entry.made.spec = TO_BE_RENEWED.into();
            }
        }
        Ok(meant)
    }

    /// Takes out the leaves that `lab` no longer has; their names.
    pub fn prune(&mut self, lab: &Lab) -> Vec<String> {
        let wanted: Vec<String> = (self.leaves.0)(lab).into_iter().map(|spec| spec.entry).collect();
        let lasting = self.lasting();
        let kept = |name: &String| wanted.contains(name) || lasting.contains(name);
        let gone: Vec<String> = self.entries.keys().filter(|name| !kept(name)).cloned().collect();
        self.entries.retain(|name, _| !gone.contains(name));
        gone
    }

    pub(super) fn insert(&mut self, name: &str, pair: Pair, spec: &str, not_after: OffsetDateTime) {
        let made = Made { spec: spec.into(), not_after: not_after.unix_timestamp() };
        self.entries.insert(name.into(), Entry { pair, made });
    }

    /// When the authority that signs a leaf ends, in seconds since 1970.
    fn end_of_authority(&self, spec: &LeafSpec) -> i64 {
        let root: Root = spec.issuer.into();
        let authority = self.entries.get(&root.entry(self.standing(root).generation));
        authority.map_or(i64::MAX, |authority| authority.made.not_after)
    }

    /// When a leaf that is made now ends: with its authority at the latest.
    pub(super) fn end_of(
        &self,
        spec: &LeafSpec,
        now: OffsetDateTime,
    ) -> Result<OffsetDateTime, PkiError> {
        let ends = now + Duration::hours(spec.certificates.life_hours() as i64);
        let last = self.end_of_authority(spec);
        match ends.unix_timestamp() > last {
            true => OffsetDateTime::from_unix_timestamp(last)
                .map_err(|error| PkiError(format!("read when an authority ends: {error}"))),
            false => Ok(ends),
        }
    }

    /// A leaf is kept while it says what the lab needs and has some time left.
    fn fits(&self, spec: &LeafSpec, now: OffsetDateTime) -> bool {
        let spare = Duration::hours(spec.certificates.spare_hours() as i64);
        let soon = (now + spare).unix_timestamp();
        // One that ends with its authority would be no better if it were made anew.
        let last = self.end_of_authority(spec);
        self.entries.get(&spec.entry).is_some_and(|entry| {
            entry.made.spec == self.fingerprint(spec) && entry.made.not_after > soon.min(last - 1)
        })
    }

    /// What a leaf is made from: its specification, and the authority that signs it.
    fn fingerprint(&self, spec: &LeafSpec) -> String {
        let mut hash = Sha256::new();
        hash.update(serde_json::to_string(spec).unwrap_or_default());
        let authority = self.signer(spec.issuer.into());
        hash.update(authority.map(|pair| pair.certificate.as_str()).unwrap_or_default());
        crate::model::name::hex(&hash.finalize())
    }

    /// The authority that can sign.
    ///
    /// # Errors
    /// When the bundle lacks it.
    pub fn authority(&self, issuer: Issuer) -> Result<Authority, PkiError> {
        Ok(Authority { pair: self.signer(issuer.into())?.clone() })
    }

    /// Certificates of an authority that are trusted, PEM: two while it is rotated.
    ///
    /// # Errors
    /// When the bundle lacks one.
    pub fn ca(&self, issuer: Issuer) -> Result<String, PkiError> {
        self.trusted(issuer.into())
    }

    fn signer(&self, root: Root) -> Result<&Pair, PkiError> {
        self.pair_named(&root.entry(self.standing(root).generation))
    }

    fn trusted(&self, root: Root) -> Result<String, PkiError> {
        let one = |generation| {
            let pair = self.pair_named(&root.entry(generation))?;
            Ok(pair.certificate.clone())
        };
        self.standing(root).trusted().into_iter().map(one).collect()
    }

    /// The pair of an identity.
    ///
    /// # Errors
    /// When the bundle lacks it.
    pub fn pair(&self, identity: Identity<'_>) -> Result<&Pair, PkiError> {
        self.pair_named(&identity.entry())
    }

    /// The key that signs tokens of service accounts, and the public keys that check them.
    ///
    /// # Errors
    /// When the bundle lacks it.
    pub fn service_account(&self) -> Result<Pair, PkiError> {
        let root = Root::ServiceAccount;
        Ok(Pair { certificate: self.trusted(root)?, key: self.signer(root)?.key.clone() })
    }

    pub(super) fn pair_named(&self, name: &str) -> Result<&Pair, PkiError> {
        let entry = self.entries.get(name);
        entry.map(|entry| &entry.pair).ok_or_else(|| PkiError(format!("find the key '{name}'")))
    }

    /// A bundle of the right shape whose every secret is a marker: for `plan`, `stage show` and
    /// golden files, before anything was made.
    pub fn placeholder(lab: &Lab) -> Self {
        Self::default().placeholders(lab)
    }

    /// The same for the leaves that this bundle holds.
    pub fn placeholders(&self, lab: &Lab) -> Self {
        let mut bundle = Self { leaves: self.leaves, roots: self.roots.clone(), ..Self::default() };
        for generation in self.standing(Root::EncryptionKey).trusted() {
            let key = EncryptionKey(marker(&Root::EncryptionKey.entry(generation)));
            bundle.encryption_keys.insert(generation, key);
        }
        let leaves = (self.leaves.0)(lab).into_iter().map(|spec| spec.entry);
        let others = self.lasting().into_iter().chain(["super-admin".to_owned()]);
        for name in leaves.chain(others) {
            let pair = Pair {
                certificate: format!("<certificate {name}>\n"),
                key: format!("{}\n", marker(&name)),
            };
            bundle.insert(&name, pair, "placeholder", OffsetDateTime::UNIX_EPOCH);
        }
        bundle
    }
}

fn marker(name: &str) -> String {
    format!("<redacted {name}>")
}

/// A pair for `system:masters` that lives one day; never kept.
///
/// # Errors
/// When the bundle lacks the authority.
pub fn super_admin(bundle: &Bundle, now: OffsetDateTime) -> Result<Pair, PkiError> {
    if bundle.entries.contains_key("super-admin") {
        return bundle.pair_named("super-admin").cloned();
    }
    let spec = super_admin_spec();
    bundle.authority(spec.issuer)?.issue(&spec, now, bundle.end_of(&spec, now)?)
}

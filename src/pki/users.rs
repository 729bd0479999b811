//! Certificates of people who use a cluster. They are given away and not kept; none can be taken back before its end.

use time::{Duration, OffsetDateTime};

use crate::model::Lab;
use crate::model::certificates::Certificates;
use crate::model::user::User;
use crate::pki::bundle::Bundle;
use crate::pki::certificate::{Pair, PkiError};
use crate::pki::specs::{Issuer, LeafSpec, Usage, leaf_specs};

/// What is given away.
#[derive(Debug)]
pub struct Issued {
    /// Certificate and key.
    pub pair: Pair,
    /// When it ends.
    pub ends: OffsetDateTime,
}

/// A new certificate of a person's, which ends with its authority at the latest.
///
/// # Errors
/// When the name is one that a program of the cluster has, or the authority is missing.
pub fn user(
    bundle: &Bundle,
    lab: &Lab,
    user: &User,
    now: OffsetDateTime,
) -> Result<Issued, PkiError> {
    if leaf_specs(lab).iter().any(|spec| spec.common_name == user.name) {
        return Err(PkiError(format!(
            "'{}' is a name that a program of the cluster has",
            user.name
        )));
    }
    let spec = LeafSpec {
        entry: String::new(),
        issuer: Issuer::Kubernetes,
        common_name: user.name.clone(),
        organization: user.group.clone(),
        usages: vec![Usage::Client],
        names: Vec::new(),
        addresses: Vec::new(),
        certificates: Certificates::default(),
    };
    let ends = now + Duration::hours(i64::try_from(user.hours).unwrap_or_default());
    let ends = ends.min(bundle.end_of(&spec, now)?);
    let pair = bundle.authority(spec.issuer)?.issue(&spec, now, ends)?;
    Ok(Issued { pair, ends })
}

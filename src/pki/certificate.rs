//! Authorities and leaf certificates: ECDSA P-256, random 128-bit serials, valid from a day ago
//! so that a guest whose clock lags still accepts them.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
    string::{Ia5String, PrintableString},
};
use time::{Duration, OffsetDateTime};

use crate::model::certificates::{AUTHORITY_DAYS, Place};
use crate::pki::specs::{LeafSpec, Usage};

/// How long an authority lives.
pub(super) const AUTHORITY_LIFE: Duration = Duration::days(AUTHORITY_DAYS as i64);

/// A certificate could not be made or read.
#[derive(Debug)]
pub struct PkiError(pub String);

impl std::fmt::Display for PkiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PkiError {}

impl From<rcgen::Error> for PkiError {
    fn from(error: rcgen::Error) -> Self {
        Self(format!("make a certificate: {error}"))
    }
}

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct Pair {
    /// Certificate, or public key for the service-account pair.
    pub certificate: String,
    /// PKCS#8 private key.
    pub key: String,
}

// A private key must not reach a log by way of `{:?}`.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(<redacted>)")
    }
}

/// A certificate authority that can sign.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its own certificate and key.
    pub pair: Pair,
}

impl Authority {
    /// Makes a self-signed authority that may sign leaves only (path length 0).
    ///
    /// # Errors
    /// When the key or certificate cannot be made.
    pub fn generate(common_name: &str, now: OffsetDateTime) -> Result<Self, PkiError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let subject = subject(&Place::default(), None, common_name)?;
        let mut params = params(subject, now, now + AUTHORITY_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { pair: Pair { certificate, key: key.serialize_pem() } })
    }

    /// Signs a new leaf with a new key, good from `now` until `ends`.
    ///
    /// # Errors
    /// When a name in `spec` is no valid DNS name, or the key cannot be made.
    pub fn issue(
        &self,
        spec: &LeafSpec,
        now: OffsetDateTime,
        ends: OffsetDateTime,
    ) -> Result<Pair, PkiError> {
        let issuer_key = KeyPair::from_pem(&self.pair.key)?;
        let issuer = rcgen::Issuer::from_ca_cert_pem(&self.pair.certificate, issuer_key)?;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let place = &spec.certificates.place;
        let subject = subject(place, spec.organization.as_deref(), &spec.common_name)?;
        let mut params = params(subject, now, ends)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = spec.usages.iter().map(|usage| purpose(*usage)).collect();
        for name in &spec.names {
            let name = Ia5String::try_from(name.as_str())?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        for address in &spec.addresses {
            params.subject_alt_names.push(SanType::IpAddress((*address).into()));
        }
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }
}

/// From the country to the common name.
fn subject(
    place: &Place,
    organization: Option<&str>,
    common_name: &str,
) -> Result<DistinguishedName, PkiError> {
    let mut name = DistinguishedName::new();
    if let Some(country) = &place.country {
        // RFC 5280 wants this one in a type of its own.
        let country = PrintableString::try_from(country.as_str())?;
        name.push(DnType::CountryName, DnValue::PrintableString(country));
    }
    let parts = [
        (DnType::StateOrProvinceName, place.state.as_deref()),
        (DnType::LocalityName, place.city.as_deref()),
        (DnType::OrganizationName, organization),
        (DnType::CommonName, Some(common_name)),
    ];
    for (kind, text) in parts {
        if let Some(text) = text {
            name.push(kind, text);
        }
    }
    Ok(name)
}

/// A certificate of this subject that is good from a day ago until `ends`.
fn params(
    subject: DistinguishedName,
    now: OffsetDateTime,
    ends: OffsetDateTime,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = subject;
    params.not_before = now - Duration::days(1);
    params.not_after = ends;
    params.serial_number = Some(random_serial());
    Ok(params)
}

/// 128 random bits; the top bit stays clear so that the DER integer is positive and short.
fn random_serial() -> SerialNumber {
    let mut bytes: [u8; 16] = rand::random();
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

//! A server that nobody vouches for: which key it shows, and nothing more. No login is tried.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client;
use russh::keys::{Algorithm, EcdsaCurve, PublicKey, PublicKeyOrCertificate};

use crate::drivers::guest::GuestError;
use crate::drivers::guest::route::Route;

/// How long it may take to say hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hears the key, and accepts none.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Option<PublicKey>>>);

impl client::Handler for Ear {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = key {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(false)
    }
}

/// The host key that a server shows.
///
/// # Errors
/// When it does not answer.
pub async fn shown_key(route: &Route, address: SocketAddr) -> Result<PublicKey, GuestError> {
    let failed = |why: String| GuestError::new(format!("ask {address} for its host key: {why}"));
    let stream = route.dial(address).await.map_err(|error| failed(error.to_string()))?;
    let algorithms = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    ];
    let config = client::Config {
        preferred: russh::Preferred {
            key: std::borrow::Cow::Owned(algorithms),
            ..russh::Preferred::DEFAULT
        },
        ..client::Config::default()
    };
    let ear = Ear::default();
    let hello = client::connect_stream(Arc::new(config), stream, ear.clone());
    let ended = tokio::time::timeout(PATIENCE, hello).await;
    let heard = ear.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    heard.ok_or_else(|| match ended {
        Ok(Err(error)) => failed(error.to_string()),
        _ => failed("it does not say hello".into()),
    })
}

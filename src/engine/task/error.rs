//! What the engine says when it cannot go on.

use crate::drivers::assets::error::AssetError;
use crate::drivers::guest::GuestError;
use crate::drivers::provider::ProviderError;
use crate::drivers::state::StoreError;
use crate::kubernetes::stage::StageError;
use crate::model::code::{self, Code};
use crate::pki::PkiError;
use crate::render::RenderError;

/// Something the engine could not do: a fragment after "failed to …", and what to do about it.
#[derive(Debug)]
pub struct EngineError {
    /// Which kind of error it is.
    pub code: &'static Code,
    /// What failed and why.
    pub message: String,
    /// The cure, when it is known.
    pub hint: Option<String>,
    /// True when nothing was changed because the surroundings do not allow the lab.
    pub preflight: bool,
    /// True when only consent is lacking.
    pub asks: bool,
}

impl EngineError {
    /// An error of a kind, without a hint.
    pub fn of(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, preflight: false, asks: false }
    }

    /// What should never happen: a task of ours that died.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::of(&code::INTERNAL, message)
    }

    /// The same error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, marked as a question.
    pub fn asks(mut self) -> Self {
        self.asks = true;
        self
    }

    /// The same error, marked as found before anything was touched.
    pub fn preflight(mut self) -> Self {
        self.preflight = true;
        self
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}

macro_rules! from_display {
    ($($error:ty: $code:ident),*) => {$(
        impl From<$error> for EngineError {
            fn from(error: $error) -> Self {
                Self::of(&code::$code, error.to_string())
            }
        }
    )*};
}
from_display!(PkiError: CERTIFICATES, RenderError: TEMPLATE, StageError: TEMPLATE);

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self { hint: error.hint.clone(), ..Self::of(error.code, error.to_string()) }
    }
}

impl From<AssetError> for EngineError {
    fn from(error: AssetError) -> Self {
        Self::of(error.code(), error.to_string())
    }
}

impl From<ProviderError> for EngineError {
    fn from(error: ProviderError) -> Self {
        Self {
            hint: error.hint.clone(),
            preflight: error.is_lack(),
            ..Self::of(error.code, error.to_string())
        }
    }
}

impl From<GuestError> for EngineError {
    fn from(error: GuestError) -> Self {
        Self { hint: error.hint.clone(), ..Self::of(error.code, error.to_string()) }
    }
}

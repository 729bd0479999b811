//! Work that blocks, on a thread of its own.

use crate::engine::task::error::EngineError;

/// Has a thread of its own do the work, and waits for it.
///
/// # Errors
/// When the work panics, which is a bug.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.map_err(|error| EngineError::internal(error.to_string()))
}

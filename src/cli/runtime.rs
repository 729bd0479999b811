//! The runtime of one command.

use crate::cli::failure::Failure;

/// A runtime for one command. Its end waits for nobody: what is still asked then, a read of our own
/// input or of an emulator that does not answer, is asked on a thread that cannot be stopped.
pub(crate) struct Runtime {
    handle: tokio::runtime::Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map(|runtime| Runtime { handle: runtime.handle().clone(), runtime: Some(runtime) })
        .map_err(|error| Failure::failed(format!("start the runtime: {error}")))
}

//! A guest that keeps everything in memory, with a failure at any call.
#![allow(dead_code, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Mutex;

use lab::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use lab::drivers::state::failpoint::Failpoints;

/// A guest whose file system is a map, and for which every script succeeds.
#[derive(Debug, Default)]
pub struct MemoryGuest(Mutex<GuestState>);

#[derive(Debug, Default)]
struct GuestState {
    files: BTreeMap<String, String>,
    calls: Vec<String>,
    /// Number of the call, and whether it may be made again.
    fail_at: Option<(usize, bool)>,
    gate: Failpoints,
}

impl MemoryGuest {
    fn state(&self) -> std::sync::MutexGuard<'_, GuestState> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Has every change pass `gate`.
    pub fn stand_behind(&self, gate: Failpoints) {
        self.state().gate = gate;
    }

    /// Makes `files` everything that is there.
    pub fn replace_files(&self, files: BTreeMap<String, String>) {
        self.state().files = files;
    }

    /// The files that were put.
    pub fn files(&self) -> BTreeMap<String, String> {
        self.state().files.clone()
    }

    /// Every call so far that may have changed something.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    /// Forgets the calls, keeps the files.
    pub fn clear_calls(&self) {
        self.state().calls.clear();
    }

    /// Makes the n-th changing call from now fail, once.
    pub fn fail_at(&self, call: usize) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some((call, false));
    }

    /// Has the n-th changing call from now lose the node, once.
    pub fn lose_at(&self, call: usize) {
        let mut state = self.state();
        state.calls.clear();
        state.fail_at = Some((call, true));
    }

    fn call(&self, name: String) -> std::result::Result<(), GuestError> {
        let mut state = self.state();
        let out = |error: std::io::Error| GuestError {
            retry: false,
            ..GuestError::new(error.to_string())
        };
        state.gate.hit(&name).map_err(out)?;
        let number = state.calls.len() + 1;
        if let Some((_, retry)) = state.fail_at.take_if(|(at, _)| *at == number) {
            return Err(GuestError { retry, ..GuestError::new("planted failure") });
        }
        state.calls.push(name);
        Ok(())
    }
}

impl Guest for MemoryGuest {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            if let Some((prefix, _)) = script.strip_prefix("cat ").and_then(|s| s.split_once('*')) {
                let state = self.state();
                let markers = state.files.iter().filter(|(path, _)| path.starts_with(prefix));
                let text: String = markers.map(|(_, text)| text.as_str()).collect();
                return Ok(Output { stdout: text.into_bytes(), ..Output::default() });
            }
            // Nothing but files is here: what else there is to ask has no answer.
            if script.starts_with("# lab: ") {
                return Ok(Output::default());
            }
            self.call(script.lines().next().unwrap_or_default().to_owned())?;
            if script.trim_end().ends_with("rm -rf \"$home\"") {
                // It is given back as it was, and that was with nothing on it.
                self.state().files.clear();
            }
            Ok(Output::default())
        })
    }

    /// Nobody is there to ask anything.
    fn talk<'a>(&'a self, script: &'a str, _reply: &'a Reply<'a>) -> Answer<'a, Output> {
        self.run(script)
    }

    fn put<'a>(&'a self, items: &'a [Put]) -> Answer<'a, ()> {
        Box::pin(async move {
            self.call(format!("put {} items", items.len()))?;
            for item in items {
                if let Put::File(file) = item {
                    self.state().files.insert(file.path.clone(), file.content.clone());
                }
            }
            Ok(())
        })
    }
}

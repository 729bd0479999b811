//! The seam to a node's inside: run a script, put files. SSH in earnest, memory in tests.

mod heard;
mod login;
mod pinned;
mod receive;
mod route;
pub mod ssh;
mod stranger;

use std::future::Future;
use std::pin::Pin;

use crate::model::code::{self, Code};

pub use crate::model::Put;
pub use login::Login;
pub use stranger::shown_key;

/// What a script left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 0 is success.
    pub status: u32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Both streams as text, standard error last.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&self.stderr));
        text
    }
}

/// A node could not be reached, or hung up.
#[derive(Clone, Debug)]
pub struct GuestError {
    /// Which kind of error it is.
    pub code: &'static Code,
    /// What went wrong, with what was being done.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// False when trying again cannot help: a wrong host key, a refused login.
    pub retry: bool,
}

impl GuestError {
    /// An error that may pass.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: &code::UNREACHABLE, message: message.into(), hint: None, retry: true }
    }
}

impl std::fmt::Display for GuestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for GuestError {}

/// A future that a trait object can return.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, GuestError>> + Send + 'a>>;

/// What is said to a script's line, at the moment it arrives.
pub type Reply<'a> = dyn Fn(&str) -> String + Send + Sync + 'a;

/// One node, from the inside. All commands run as root.
pub trait Guest: Send + Sync {
    /// Runs a POSIX shell script with `set -eu`. The script travels on standard input, never in
    /// an argument list.
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output>;

    /// Runs a script of ours that asks: each line that it prints is handed to `reply`, whose line it
    /// then reads. Nothing of a topology's may be in it, for it travels as an argument.
    fn talk<'a>(&'a self, script: &'a str, reply: &'a Reply<'a>) -> Answer<'a, Output>;

    /// Puts files and directories, each file complete or not at all.
    fn put<'a>(&'a self, items: &'a [Put]) -> Answer<'a, ()>;

    /// Forgets what connects us to the node: it was switched off, which nobody tells a connection.
    fn hang_up(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

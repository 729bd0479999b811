//! What goes wrong with assets: each kind of fault has a code of its own.

use std::io;

use crate::drivers::host::tool::ToolError;
use crate::drivers::state::StoreError;
use crate::model::code::{self, Code};

/// Kinds of faults, as far as their cures differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not on this computer.
    Missing,
    /// A server does not give it.
    Unreachable,
    /// An address is not https.
    Insecure,
    /// It is not what its publisher says.
    WrongChecksum,
    /// The disk is full.
    NoRoom,
    /// It is there, and cannot be used.
    Unfit,
    /// It is another one than disks stand on.
    OtherBase,
    /// A program or file of this computer failed.
    Computer,
}

/// An asset could not be had, or not be used.
#[derive(Debug)]
pub struct AssetError {
    /// Kind of fault.
    pub fault: Fault,
    /// What was being done.
    pub doing: String,
    /// What went wrong, or how to get it.
    pub reason: String,
}

impl AssetError {
    /// A fault.
    pub fn new(fault: Fault, doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { fault, doing: doing.into(), reason: reason.into() }
    }

    /// Something that is there and cannot be used.
    pub fn unfit(doing: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Fault::Unfit, doing, reason)
    }

    /// What the file system said; a full disk is an error of its own.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |error| {
            let fault = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::NoRoom,
                _ => Fault::Computer,
            };
            Self::new(fault, doing, error.to_string())
        }
    }

    /// The code of this fault.
    pub fn code(&self) -> &'static Code {
        match self.fault {
            Fault::Missing => &code::NO_IMAGE,
            Fault::Unreachable => &code::OFFLINE,
            Fault::Insecure => &code::INSECURE,
            Fault::WrongChecksum => &code::CHECKSUM,
            Fault::NoRoom => &code::DISK_FULL,
            Fault::Unfit => &code::UNFIT,
            Fault::OtherBase => &code::CHANGED_BASE,
            Fault::Computer => &code::COMPUTER,
        }
    }
}

impl std::fmt::Display for AssetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.reason)
    }
}

impl std::error::Error for AssetError {}

impl From<ToolError> for AssetError {
    fn from(error: ToolError) -> Self {
        let told = error.to_string();
        let (doing, reason) = told.split_once(": ").unwrap_or((&told, "it failed"));
        Self::new(Fault::Computer, doing, reason)
    }
}

impl From<StoreError> for AssetError {
    fn from(error: StoreError) -> Self {
        let is_full = error.code == &code::DISK_FULL;
        let fault = if is_full { Fault::NoRoom } else { Fault::Computer };
        Self::new(fault, error.doing, error.reason)
    }
}

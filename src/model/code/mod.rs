//! What can go wrong, the one table of it: each kind of error has a stable code, what it means, where to
//! look and what to do. Messages carry the code and `lab help CODE` prints the entry. Codes of topologies
//! (L01xx to L05xx) make docs/errors.md, all others docs/troubleshooting.md.

mod addresses;
mod cluster;
mod command;
mod entry;
mod machine;
mod topology;

pub use addresses::*;
pub use cluster::*;
pub use command::*;
pub use entry::Code;
pub use machine::*;
pub use topology::*;

/// Families of codes, by their first two digits.
static FAMILIES: &[&[&Code]] =
    &[topology::FAMILY, addresses::FAMILY, cluster::FAMILY, command::FAMILY, machine::FAMILY];

/// Every code, in order.
pub fn all() -> impl Iterator<Item = &'static Code> {
    FAMILIES.iter().flat_map(|family| family.iter().copied())
}

/// The entry of a code, in capital or small letters.
pub fn find(id: &str) -> Option<&'static Code> {
    all().find(|code| code.id.eq_ignore_ascii_case(id))
}

impl Code {
    /// True for codes of topologies: where in the file it is, the message itself says.
    pub fn is_of_topologies(&self) -> bool {
        self.id < command::USAGE.id
    }
}

//! A YAML document as a tree in which every value knows its place in the text.
//!
//! The parser is `saphyr-parser`; this module only builds the tree, and bounds it: size, depth
//! and the number of values after aliases are expanded, so that no file can exhaust memory.

mod builder;
mod merge;
mod told;
mod tree;

use crate::model::code;
use crate::model::topology::problem::Problem;
use crate::model::topology::yaml::builder::Builder;
pub use crate::model::topology::yaml::tree::{Entry, Node, Value};

/// Largest topology file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Parses `text`.
///
/// # Errors
/// The problems that keep the text from being one YAML mapping, with their places.
pub fn parse(text: &str) -> Result<Node, Vec<Problem>> {
    if text.len() > MAX_BYTES {
        return Err(vec![
            Problem::error(&code::FILE_TOO_LARGE, &(0..0), "the topology is larger than 1 MiB")
                .help("a lab file is a few kilobytes; is this the right file?"),
        ]);
    }
    if let Some(at) = text.find('\0') {
        return Err(vec![
            Problem::error(&code::NUL_BYTE, &(at..at + 1), "the file contains a NUL byte")
                .help("is this a text file?"),
        ]);
    }
    let mut builder = Builder::new(text);
    let root = builder.document()?;
    let problems = builder.into_problems();
    if problems.is_empty() { Ok(root) } else { Err(problems) }
}

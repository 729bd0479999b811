//! Plans in files: looked at by one person, carried out by another, refused when they no longer hold.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::cli::failure::Failure;
use crate::drivers::state::files::write_atomic;
use crate::model::{Lab, code};

/// Format of the file; another one is refused.
const SCHEMA_VERSION: u32 = 1;

/// A plan in a file.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    schema_version: u32,
    /// The lab's id.
    lab: Uuid,
    /// As `--until` had it.
    pub until: Option<String>,
    /// See [`crate::engine::as_agreed`].
    pub changes: Value,
}

impl SavedPlan {
    /// A plan of `lab`.
    pub fn new(lab: &Lab, until: Option<&String>, changes: Value) -> Self {
        Self { schema_version: SCHEMA_VERSION, lab: lab.id, until: until.cloned(), changes }
    }

    /// Writes it, in place of an older one.
    pub fn save(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        write_atomic(path, text.as_bytes(), 0o600).map_err(|error| {
            Failure::failed(format!("write the plan to {}: {error}", path.display()))
        })
    }

    /// Reads a plan of `lab`.
    pub fn load(path: &Path, lab: &Lab) -> Result<Self, Failure> {
        let wrong = |why: String| {
            Failure::usage(format!("cannot use the plan {}: {why}", path.display()))
                .code(&code::STALE_PLAN)
                .hint("`lab plan --save FILE` makes one")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let plan: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if plan.schema_version != SCHEMA_VERSION {
            return Err(wrong(format!("it is of format {}", plan.schema_version)));
        }
        if plan.lab != lab.id {
            return Err(wrong(format!("it is not one of the lab '{}'", lab.name)));
        }
        Ok(plan)
    }
}

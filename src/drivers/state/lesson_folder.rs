//! The folder of a person's own lesson.

use std::collections::BTreeMap;
use std::path::Path;

use crate::drivers::state::text_folder::TextFolder;
use crate::model::Flaw;
use crate::model::lesson::Lesson;

/// Reads a lesson.
///
/// # Errors
/// Why it cannot be read, or is none.
pub fn read(path: &Path) -> Result<Lesson, Flaw> {
    let failed = |why: std::io::Error| {
        let message = format!("cannot read the lesson in {}: {why}", path.display());
        Flaw::new(message, "name the folder of a lesson; `lab lesson new FOLDER` makes one")
    };
    let mut folder = TextFolder::new(path);
    let name = folder.name().map_err(failed)?;
    let mut files = BTreeMap::new();
    for file in Lesson::own_files(&folder.names().map_err(failed)?) {
        let text = folder.text(&file).map_err(failed)?;
        files.insert(file, text);
    }
    Lesson::of(&name, files)
}

//! What every kind of step says of itself.

use std::fmt::Debug;
use std::sync::Arc;

use crate::kubernetes::facts::Facts;
use crate::render::sha256;

/// A kind of step. Its file has all there is to know of it, the script included.
pub(crate) trait Kind {
    /// One line for people.
    fn title(&self) -> String;

    /// What it leaves behind that is to be so later.
    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        None
    }

    /// True when it is left out of the fingerprint.
    fn is_transient(&self) -> bool {
        false
    }

    /// How people see it, below its title. `script` is what brings it about, together with those of its
    /// neighbours that travel with it; `hint` is run when that fails.
    fn show(&self, script: &str, hint: &str) -> String {
        let otherwise = match hint {
            "" => String::new(),
            hint => format!("if not, look at: {hint}\n"),
        };
        indented(script) + &otherwise
    }
}

/// Something on a node that is to stay as a step left it.
pub(crate) trait Lasting: Debug + Send + Sync {
    /// What to ask the node for.
    fn about(&self) -> About;

    /// True when the content of the file is asked for, too.
    fn has_content(&self) -> bool {
        false
    }

    /// What is no longer so, in words.
    fn changed(&self, facts: &Facts) -> Option<String>;
}

/// What a node is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    /// What is at a path.
    Path(String),
    /// The block between our fences in a file.
    Block(String),
    /// What a unit does.
    Unit(String),
    /// What a command prints.
    Answer(String),
}

impl About {
    /// By what an answer is told from others.
    pub(crate) fn id(question: &str) -> String {
        sha256(question).chars().take(12).collect()
    }
}

/// Lines as they stand below a title.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Permissions and owner, where they are not what they should be.
pub(crate) fn wrong_owner(
    path: &str,
    (mode, owner): (u32, &str),
    (found_mode, found_owner): (&str, &str),
) -> Option<String> {
    let mode = format!("{mode:o}");
    let is_right = found_mode == mode && found_owner == owner;
    let told = || format!("{path} is {found_mode} {found_owner} instead of {mode} {owner}");
    (!is_right).then(told)
}

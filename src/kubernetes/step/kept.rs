//! Something that the cluster knows and that a script brings about; a question shows whether it is still so.

use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting};

/// Something that the cluster knows, and how it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// What it is, for people: "labels of the nodes".
    pub what: String,
    /// POSIX shell that brings it about, run as root with `set -eu`.
    pub script: String,
    /// Shell command that prints what there is, a line each; it fails where nobody can say.
    pub question: String,
    /// Lines of the answer that must be there.
    pub wanted: Vec<String>,
}

impl Kind for Kept {
    fn title(&self) -> String {
        format!("keep {}", self.what)
    }

    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        // Where nothing is wanted nothing needs to be asked.
        (!self.wanted.is_empty()).then(|| Arc::new(self.clone()) as Arc<dyn Lasting>)
    }
}

impl Lasting for Kept {
    fn about(&self) -> About {
        About::Answer(self.question.clone())
    }

    fn changed(&self, facts: &Facts) -> Option<String> {
        // An API that is away says nothing of what it keeps.
        let answer = facts.answers.get(&About::id(&self.question))?;
        let lacks = self.wanted.iter().any(|line| !answer.contains(line));
        lacks.then(|| format!("{} were changed", self.what))
    }
}

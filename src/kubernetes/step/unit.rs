//! A systemd unit that must be enabled and run with its current files.

use std::sync::Arc;

use serde::Serialize;

use crate::kubernetes::facts::Facts;
use crate::kubernetes::step::kind::{About, Kind, Lasting};
use crate::render::{RenderError, Templates};

/// A systemd unit that must be enabled and run with its current files.
#[derive(Clone, Debug, Serialize)]
pub struct Unit {
    /// Unit name with suffix.
    pub name: String,
    /// Reads its files anew without being stopped, where it runs already.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reload: bool,
}

impl Unit {
    fn verb(&self) -> &'static str {
        match self.reload {
            // Restarting a mount would stop everything that runs from it.
            _ if self.name.ends_with(".mount") => "start",
            true => "reload-or-restart",
            false => "restart",
        }
    }
}

/// Has all of them run. Those of one verb change in one transaction: systemd orders them and starts the
/// rest side by side.
pub(crate) fn script(templates: &Templates, units: &[&Unit]) -> Result<String, RenderError> {
    #[derive(Serialize)]
    struct Data<'a> {
        units: &'a [&'a Unit],
        /// What systemctl is told, and of which units.
        verbs: Vec<(&'static str, Vec<&'a str>)>,
    }
    let of = |verb: &'static str| {
        let units = units.iter().filter(|unit| unit.verb() == verb);
        (verb, units.map(|unit| unit.name.as_str()).collect::<Vec<_>>())
    };
    let verbs = ["start", "restart", "reload-or-restart"].map(of).into_iter();
    let verbs = verbs.filter(|(_, units)| !units.is_empty()).collect();
    templates.render("stages/step/unit.sh.j2", &Data { units, verbs })
}

/// What the units themselves say.
pub(crate) fn hint(units: &[&Unit]) -> String {
    let names: Vec<String> = units.iter().map(|unit| format!("-u {}", unit.name)).collect();
    format!("journalctl {} -n 20 --no-pager", names.join(" "))
}

impl Kind for Unit {
    fn title(&self) -> String {
        let verb = if self.reload { "reload" } else { "restart" };
        format!("enable and {verb} {}", self.name)
    }

    fn lasting(&self) -> Option<Arc<dyn Lasting>> {
        Some(Arc::new(self.clone()))
    }
}

impl Lasting for Unit {
    fn about(&self) -> About {
        About::Unit(self.name.clone())
    }

    /// A unit that is just starting, or starting again, takes care of itself.
    fn changed(&self, facts: &Facts) -> Option<String> {
        let found = facts.units.get(&self.name)?;
        let bad = match (found.active.as_str(), found.boot.as_str()) {
            (active @ ("inactive" | "failed"), _) => active,
            (_, boot @ ("disabled" | "masked")) => boot,
            _ => return None,
        };
        Some(format!("{} is {bad}", self.name))
    }
}

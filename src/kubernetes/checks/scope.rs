//! What a stage's checks are made from, and how they are written down in short.

use std::borrow::Cow;

use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::kubernetes::checks::check::{Check, Judge, KUBECTL, MISSING, WARNING};
use crate::model::{Lab, Node};
use crate::render::{RenderError, Templates};

/// What the checks of one stage are made from.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The lab.
    pub lab: &'a Lab,
    /// Templates, scripts among them.
    pub templates: &'a Templates,
    /// The stage's name.
    pub stage: &'static str,
    /// Nodes that started anew: what Kubernetes knew of them before counts for nothing.
    pub restarted: &'a [&'a str],
}

impl Scope<'_> {
    /// Renders `<name>.sh.j2` of the stage's folder. Besides `data`, scripts know `kubectl`, and `missing`,
    /// the status by which they say that something was never installed, and `warning`, that there is something to
    /// know.
    ///
    /// # Errors
    /// When the template cannot be rendered.
    pub fn script(&self, name: &str, data: Value) -> Result<String, RenderError> {
        script(self.templates, &self.stage.replace('-', "_"), name, data)
    }

    /// A check on one node.
    pub fn one(
        &self,
        name: impl Into<Cow<'static, str>>,
        node: &Node,
        proves: impl Into<String>,
        script: impl Into<String>,
        hint: &str,
    ) -> Check {
        Check {
            name: name.into(),
            stage: self.stage,
            nodes: vec![node.name.clone()],
            proves: proves.into(),
            script: script.into(),
            hint: format!("on {}: {hint}", node.name),
            judge: Judge::Succeeds,
            health: &[],
            quiet: false,
        }
    }

    /// A unit runs.
    pub fn active(&self, node: &Node, unit: &str) -> Check {
        let script = format!("systemctl is-active {unit}.service");
        let hint = format!("journalctl -u {unit}");
        self.one("unit-active", node, format!("{unit} runs"), script, &hint)
    }

    /// A unit that is active may hang all the same: it also answers at a port of the node itself.
    pub fn answers(&self, node: &Node, unit: &str, port: u16) -> Check {
        let active = self.active(node, unit);
        let ask = "curl -fsSk -o /dev/null --max-time 20 --retry 3";
        let script = format!("{}\n{ask} https://127.0.0.1:{port}/healthz\n", active.script);
        Check { proves: format!("{unit} runs and answers"), script, ..active }
    }
}

/// Plain data as scripts see it.
pub(crate) fn value(data: &impl Serialize) -> Value {
    Value::from(Serde(data))
}

/// What all scripts of checks know, besides `data`.
pub(crate) fn with_known(data: Value) -> Value {
    context! { kubectl => KUBECTL, missing => MISSING, warning => WARNING, ..data }
}

/// Renders `<name>.sh.j2` of a folder, with what all scripts of checks know.
pub(crate) fn script(
    templates: &Templates,
    folder: &str,
    name: &str,
    data: Value,
) -> Result<String, RenderError> {
    let data = with_known(data);
    templates.render(&format!("stages/{folder}/{name}.sh.j2"), &data)
}

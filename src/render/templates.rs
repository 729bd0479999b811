//! The template environment: embedded files, a person's own versions of them, escaping by name.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

use crate::model::addon::ADDONS;
pub use crate::model::os::CLOUD_INIT;
use crate::model::port;
use crate::render::shell::quote;

/// Libvirt documents.
pub static XML_TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/xml-templates");
/// Shipped topologies.
pub static TOPOLOGIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/topologies");

/// Folders of templates beside those of stages, by the first part of their templates' names.
pub static FOLDERS: [(&str, &Dir<'_>); 3] =
    [("xml-templates", &XML_TEMPLATES), ("cloud-init", &CLOUD_INIT), ("addons", &ADDONS)];

/// A template could not be rendered: a bug in a shipped template, or a mistake in one's own.
#[derive(Debug)]
pub struct RenderError(String);

impl RenderError {
    /// What could not be done, and why.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for RenderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenderError {}

/// Renders templates by name, `xml-templates/domain.xml.j2` and so on.
#[derive(Clone)]
pub struct Templates {
    environment: Environment<'static>,
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Templates")
    }
}

impl Templates {
    /// The shipped templates and those of `stages`, name and text, each replaced by the entry of
    /// `overrides` with the same name.
    ///
    /// # Errors
    /// When a template does not parse; the message names it and the line.
    pub fn new(
        stages: &[(&str, &str)],
        overrides: &BTreeMap<String, String>,
    ) -> Result<Self, RenderError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(escape_of);
        environment.set_formatter(format_value);
        environment.add_filter("quote", |text: &str| Value::from_safe_string(quote(text)));
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        let mut all: BTreeMap<String, String> = stages.iter().map(own).collect();
        for (prefix, dir) in FOLDERS {
            all.extend(
                files(dir).into_iter().map(|(path, text)| (format!("{prefix}/{path}"), text)),
            );
        }
        for (name, text) in all {
            let text = overrides.get(&name).cloned().unwrap_or(text);
            environment.add_template_owned(name, text).map_err(|error| explain(&error))?;
        }
        Ok(Self { environment }.with_api_at(port::API))
    }

    /// The same for a cluster whose API is at that port.
    pub fn with_api_at(mut self, api: u16) -> Self {
        let mut ports: BTreeMap<&str, u16> = port::NAMED.iter().copied().collect();
        ports.insert("api", api);
        self.environment.add_global("ports", Value::from(Serde(&ports)));
        self
    }

    /// Renders a template that is not among them. Its name says how values in it are written.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub fn render_text(
        &self,
        name: &str,
        text: &str,
        data: &impl Serialize,
    ) -> Result<String, RenderError> {
        let rendered = self.environment.render_named_str(name, text, Value::from(Serde(data)));
        rendered.map(|text| ended(name, text)).map_err(|error| explain(&error))
    }

    /// Renders one template with `data`, a small struct per template.
    ///
    /// # Errors
    /// When the template uses what `data` lacks, or a value may not stand in such a file.
    pub fn render(&self, name: &str, data: &impl Serialize) -> Result<String, RenderError> {
        let template = self.environment.get_template(name);
        let rendered = template.and_then(|template| template.render(Value::from(Serde(data))));
        rendered.map(|text| ended(name, text)).map_err(|error| explain(&error))
    }
}

/// HAProxy takes a last line without its end for a file that was cut.
fn ended(name: &str, text: String) -> String {
    if text.ends_with('\n') || name.ends_with(".xml.j2") { text } else { text + "\n" }
}

fn explain(error: &minijinja::Error) -> RenderError {
    let place = match (error.name(), error.line()) {
        (Some(name), Some(line)) => format!("{name}:{line}: "),
        (Some(name), None) => format!("{name}: "),
        _ => String::new(),
    };
    RenderError(format!("render {place}{error}"))
}

/// Templates of a folder: text by path.
fn files(dir: &Dir<'static>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for file in dir.files().filter(|file| file.path().extension().is_some_and(|e| e == "j2")) {
        if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
            found.insert(path.to_owned(), text.to_owned());
        }
    }
    for inner in dir.dirs() {
        found.extend(files(inner));
    }
    found
}

fn escape_of(name: &str) -> AutoEscape {
    match name.trim_end_matches(".j2").rsplit('.').next() {
        Some("xml") => AutoEscape::Custom("xml".into()),
        Some("yaml" | "yml") => AutoEscape::Json,
        _ => AutoEscape::Custom("plain".into()),
    }
}

fn format_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let kind = match state.auto_escape() {
        AutoEscape::Custom(kind) => kind.to_string(),
        _ => return minijinja::escape_formatter(out, state, value),
    };
    if value.is_undefined() {
        return Err(minijinja::Error::from(ErrorKind::UndefinedError));
    }
    let text = value.to_string();
    // Made safe by the filter `quote`, or a text of ours.
    if value.is_safe() {
        return out.write_str(&text).map_err(minijinja::Error::from);
    }
    let fits = if kind == "xml" { xml_may_hold } else { plain_may_hold };
    if let Some(bad) = text.chars().find(|c| !fits(*c)) {
        return Err(minijinja::Error::new(
            ErrorKind::InvalidOperation,
            format!("the character {bad:?} may not stand in such a file"),
        ));
    }
    let text = if kind == "xml" { quick_xml::escape::escape(&text) } else { text.into() };
    out.write_str(&text).map_err(minijinja::Error::from)
}

fn xml_may_hold(c: char) -> bool {
    !c.is_control()
}

/// Units, shell fragments and configuration files without an escaper of their own: only what has
/// no meaning in any of them. The model's grammars let nothing else through; this is the net.
fn plain_may_hold(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ./:,=_-@+[]*".contains(c)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn rendered(template: &str, value: &str) -> Result<String, RenderError> {
        let templates = Templates::new(&[("stages/one.sh.j2", template)], &BTreeMap::new())?;
        templates.render("stages/one.sh.j2", &BTreeMap::from([("value", value)]))
    }

    const HOSTILE: [&str; 8] = [
        "",
        "it's $(touch /tmp/x) `id` \\ \"quoted\"",
        "'; reboot; '",
        "a\nb\n",
        "-n",
        "* ? [a] ~ $HOME ${PATH} #",
        "{{ value }} {% raw %}",
        "<b> & \u{e9}\u{202e}\t|>",
    ];

    #[test]
    fn whatever_is_quoted_reaches_a_shell_as_one_word() {
        for value in HOSTILE {
            let script = rendered("printf '<%s>' {{ value | quote }}", value);
            let script = script.unwrap_or_else(|error| error.to_string());
            let said = Command::new("/bin/sh").args(["-c", &script]).output();
            let said = said.map(|output| output.stdout).unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&said), format!("<{value}>"), "{script}");
        }
    }

    #[test]
    fn what_is_not_quoted_must_have_no_meaning() {
        let passes = |value: &&str| rendered("echo {{ value }}", value).is_ok();
        let passed: Vec<_> = HOSTILE.into_iter().filter(passes).collect();
        assert_eq!(passed, ["", "-n"]);
    }
}

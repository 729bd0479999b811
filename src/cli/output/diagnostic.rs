//! Problems of a topology as text with the place and a caret.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use crate::cli::output::{ours, visible};
use crate::model::Problem;
use crate::model::topology::problem::Span;

/// Problems that are shown of one file: more are no help to anybody.
const SHOWN: usize = 50;

/// The problems, for people.
pub(crate) fn render(problems: &[Problem], path: &str, source: &str, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let more = problems.len().saturating_sub(SHOWN);
    let problems = problems.iter().take(SHOWN).map(harmless);
    let path = visible(path);
    let render = |problem: &Problem| renderer.render(&[group(problem, &path, source)]);
    let shown: Vec<String> = problems.map(|problem| render(&problem)).collect();
    let more = if more > 0 { format!("\n\nand {more} more") } else { String::new() };
    ours(&(shown.join("\n\n") + &more))
}

/// Values of the file may stand in all that is said of it; its own lines the renderer makes harmless.
fn harmless(problem: &Problem) -> Problem {
    Problem {
        message: visible(&problem.message),
        label: visible(&problem.label),
        related: problem.related.iter().map(|(at, text)| (at.clone(), visible(text))).collect(),
        note: problem.note.as_deref().map(visible),
        help: problem.help.as_deref().map(visible),
        ..problem.clone()
    }
}

fn group<'a>(problem: &'a Problem, path: &'a str, source: &'a str) -> Group<'a> {
    let level = if problem.is_error() { Level::ERROR } else { Level::WARNING };
    let title = level.primary_title(&problem.message).id(problem.code.id);
    let mut snippet = Snippet::source(source).path(path);
    if let Some(span) = &problem.span {
        let span = first_line(span, source);
        snippet = snippet.annotation(AnnotationKind::Primary.span(span).label(&problem.label));
    }
    for (span, label) in &problem.related {
        let span = first_line(span, source);
        snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label));
    }
    let mut group = title.element(snippet);
    if let Some(note) = &problem.note {
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    group
}

/// The first line of a span, never empty, never beyond the text.
fn first_line(span: &Span, source: &str) -> Span {
    let mut start = span.start.min(source.len());
    while !source.is_char_boundary(start) {
        start -= 1;
    }
    let rest = source.get(start..).unwrap_or_default();
    let line = rest.find('\n').unwrap_or(rest.len());
    let mut end = span.end.min(start + line).max(start);
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    if end == start && line > 0 {
        end = start + rest.chars().next().map_or(0, char::len_utf8);
    }
    start..end
}

/// The problems, for programs: the same content.
pub(crate) fn json(problems: &[Problem], path: &str, source: &str) -> serde_json::Value {
    let place = |span: &Span| {
        let before = source.get(..span.start.min(source.len())).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        json!({"file": path, "line": line, "column": column})
    };
    let list = problems.iter().take(SHOWN).map(|problem| {
        json!({
            "code": problem.code.id,
            "severity": if problem.is_error() { "error" } else { "warning" },
            "message": problem.message,
            "at": problem.span.as_ref().map(place),
            "related": problem.related.iter()
                .map(|(span, label)| json!({"at": place(span), "label": label})).collect::<Vec<_>>(),
            "note": problem.note,
            "help": problem.help,
        })
    });
    let mut all = json!({"problems": list.collect::<Vec<_>>()});
    if problems.len() > SHOWN {
        all["more"] = json!(problems.len() - SHOWN);
    }
    all
}

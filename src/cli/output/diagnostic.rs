//! Problems of a topology as text with the place and a caret.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use crate::model::Problem;
use crate::model::topology::problem::Span;

/// All problems, for people.
pub(crate) fn render(problems: &[Problem], path: &str, source: &str, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let shown: Vec<String> =
        problems.iter().map(|problem| renderer.render(&[group(problem, path, source)])).collect();
    shown.join("\n\n")
}

fn group<'a>(problem: &'a Problem, path: &'a str, source: &'a str) -> Group<'a> {
    let level = if problem.is_error() { Level::ERROR } else { Level::WARNING };
    let title = level.primary_title(&problem.message).id(problem.code.id);
    let mut snippet = Snippet::source(source).path(path);
    if let Some(span) = &problem.span {
        let span = visible(span, source);
        snippet = snippet.annotation(AnnotationKind::Primary.span(span).label(&problem.label));
    }
    for (span, label) in &problem.related {
        let span = visible(span, source);
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
fn visible(span: &Span, source: &str) -> Span {
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

/// All problems, for programs: the same content.
pub(crate) fn json(problems: &[Problem], path: &str, source: &str) -> serde_json::Value {
    let place = |span: &Span| {
        let before = source.get(..span.start.min(source.len())).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        json!({"file": path, "line": line, "column": column})
    };
    let list = problems.iter().map(|problem| {
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
    json!({"problems": list.collect::<Vec<_>>()})
}

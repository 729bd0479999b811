//! Printing: data on standard output, everything else on standard error. A closed pipe is no
//! error of ours.

pub(crate) mod checks;
pub(crate) mod diagnostic;
mod visible;

use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use crate::cli::global::Global;

pub(crate) use visible::{ours, visible};

/// Lines at the foot of the terminal, which are not to stay.
static FOOT: Mutex<usize> = Mutex::new(0);

/// Takes the foot away: what is printed while the guard lives takes its place.
fn without_foot() -> MutexGuard<'static, usize> {
    let mut drawn = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = std::io::stderr().lock().write_all(erasing(*drawn).as_bytes());
    *drawn = 0;
    drawn
}

/// What takes so many lines of foot away.
fn erasing(drawn: usize) -> String {
    // Whatever was typed stands in the line below; up to the first, and everything from there.
    if drawn > 0 { format!("\r\x1b[{drawn}A\x1b[J") } else { String::new() }
}

/// Draws the foot, in place of the one before.
pub(crate) fn draw_foot(lines: &[String]) {
    let mut drawn = FOOT.lock().unwrap_or_else(PoisonError::into_inner);
    // All at once: with Ctrl-C a terminal drops what it has not shown yet, and of an old foot and a
    // new one it is to drop both or none.
    let mut text = erasing(*drawn);
    text.extend(lines.iter().map(|line| format!("{}\n", visible(line))));
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    *drawn = lines.len();
}

/// Prints data, with a line feed at its end. Control characters are shown, see [`visible()`].
pub(crate) fn print(text: &str) {
    let text = visible(text);
    let _foot = without_foot();
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

/// Set once, before anything is printed: data is written as YAML where JSON is not asked for.
static AS_YAML: OnceLock<()> = OnceLock::new();

/// Has all data written as YAML.
pub(crate) fn write_yaml() {
    AS_YAML.get_or_init(|| ());
}

/// Whether a program was given anything yet.
static IS_GIVEN: AtomicBool = AtomicBool::new(false);

/// Prints what ended the command, for a program that was given nothing else.
pub(crate) fn print_failure(value: &impl Serialize) {
    if !IS_GIVEN.load(Ordering::Relaxed) {
        print_data(value);
    }
}

/// Prints data for programs, one document.
pub(crate) fn print_data(value: &impl Serialize) {
    IS_GIVEN.store(true, Ordering::Relaxed);
    match AS_YAML.get() {
        Some(()) => print(yaml(value).trim_end()),
        None => print(&serde_json::to_string_pretty(value).unwrap_or_default()),
    }
}

/// Prints one of several documents, for a program that reads along: JSON on a line of its own, or YAML after its mark.
pub(crate) fn print_one_of_many(value: &impl Serialize) {
    IS_GIVEN.store(true, Ordering::Relaxed);
    match AS_YAML.get() {
        Some(()) => print(&format!("---\n{}", yaml(value).trim_end())),
        None => print(&serde_json::to_string(value).unwrap_or_default()),
    }
}

/// The same fields as in JSON, whatever their types are.
fn yaml(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    serde_saphyr::to_string(&value).unwrap_or_default()
}

/// Says something to the person.
pub(crate) fn info(text: &str) {
    let _foot = without_foot();
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(text));
}

/// Says what is not wrong, unless only that is wanted.
pub(crate) fn say(global: &Global, text: &str) {
    if !global.quiet {
        info(text);
    }
}

/// True when standard error is a terminal that wants colours.
pub(crate) fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Text in an ANSI style where colours are wanted.
pub(crate) fn paint(style: &str, text: &str) -> String {
    match colours() {
        true => format!("{}{text}{}", ours(&format!("\x1b[{style}m")), ours("\x1b[0m")),
        false => text.to_owned(),
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Lays out rows in columns; the first row is the heading.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// True where there is a person to be asked.
pub(crate) fn is_asked() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks the person, when there is one. Silence is no.
pub(crate) fn agrees(what: &str) -> bool {
    if !is_asked() {
        return false;
    }
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    let _ = write!(output, "{}\ndo it? [y/N] ", visible(what));
    let _ = output.flush();
    let mut answer = String::new();
    let read = input.lock().read_line(&mut answer);
    read.is_ok() && ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

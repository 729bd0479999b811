//! The scored checks of the CIS Kubernetes Benchmark 1.12 on flags and files, by their numbers,
//! evaluated on the processes and files of the running nodes. The rules stand in `cis.tsv`.
//!
//! Where the benchmark speaks of manifests of static pods, the unit files stand in for them.

use std::sync::LazyLock;

use minijinja::{Value, context};

use crate::kubernetes::checks::{Check, Judge, Scope};
use crate::model::{Node, Role};
use crate::render::RenderError;

const TABLE: &str = include_str!("cis.tsv");

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| lines().filter_map(rule).collect());

/// A line of the table.
struct Rule {
    /// Number in the benchmark.
    id: &'static str,
    role: Role,
    /// `files`, a unit whose flags are looked at, or a unit and its YAML file, where a flag goes before
    /// what the file says.
    on: &'static str,
    /// A function of the script.
    ask: &'static str,
    /// Its arguments after the number, as the shell reads them.
    arguments: &'static str,
    title: &'static str,
}

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

fn rule(line: &'static str) -> Option<Rule> {
    let mut cells = line.split('\t');
    let (id, role, on) = (cells.next()?, Role::parse(cells.next()?)?, cells.next()?);
    let (ask, arguments) = cells.next()?.split_once(' ')?;
    Some(Rule { id, role, on, ask, arguments, title: cells.next()? })
}

/// The rules for one node as one check of many verdicts.
pub(crate) fn check(scope: &Scope<'_>, node: &Node) -> Result<Option<Check>, RenderError> {
    let mut lines = Vec::new();
    let mut last = "files";
    let benchmark = crate::kubernetes::flavour(scope.lab).benchmark;
    let asked = |rule: &&Rule| node.is(rule.role) && !benchmark.without.contains(&rule.id);
    for rule in RULES.iter().filter(asked) {
        if rule.on != last {
            last = rule.on;
            match rule.on.split_once(' ') {
                Some(_) => lines.push(format!("yaml {}", rule.on)),
                None if rule.on == "files" => {}
                None => lines.push(format!("flags {}", rule.on)),
            }
        }
        let ask = if benchmark.by_default.contains(&rule.id) { "Default" } else { rule.ask };
        lines.push(format!("{ask} {} {}", rule.id, benchmark.place(rule.arguments)));
    }
    if lines.is_empty() {
        return Ok(None);
    }
    // Ours from end to end: quotes may stand in it.
    let lines: Vec<Value> = lines.into_iter().map(Value::from_safe_string).collect();
    let script = scope.script("cis", context! { lines })?;
    let proves = "flags and files are as the CIS Benchmark 1.12 asks";
    let check = scope.one("cis", node, proves, script, "the unit or file that the line names");
    Ok(Some(Check { judge: Judge::Verdicts { title }, quiet: true, ..check }))
}

fn title(id: &str) -> Option<&'static str> {
    RULES.iter().find(|rule| rule.id == id).map(|rule| rule.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_rule_that_the_script_knows() {
        let script = include_str!("cis.sh.j2");
        assert_eq!(RULES.len(), lines().count());
        assert_eq!(RULES.len(), 75);
        for rule in RULES.iter() {
            assert!(script.contains(&format!("\n{}() {{", rule.ask)), "{}: {}", rule.id, rule.ask);
            assert_eq!(title(rule.id), Some(rule.title), "{} stands there twice", rule.id);
        }
    }
}

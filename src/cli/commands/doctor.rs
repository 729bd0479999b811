//! `lab doctor`.

use std::fmt;
use std::process::{Command, ExitCode, ExitStatus};

use serde_json::json;

use crate::cli::args::Doctor;
use crate::cli::failure::{FAILED, Failure};
use crate::cli::global::{Format, Global, Provider};
use crate::cli::output::{agrees, info, print, print_data};
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::host::{Dirs, find_program};
use crate::engine::ProviderKind;
use crate::engine::doctor::{self, Finding, Grade, Wanted};

pub(crate) fn run(global: &Global, arguments: &Doctor) -> Result<ExitCode, Failure> {
    let findings = look(global)?;
    tell(global, &findings);
    let findings = match arguments.fix && mend(&findings, arguments.yes) {
        true => {
            let findings = look(global)?;
            tell(global, &findings);
            findings
        }
        false => findings,
    };
    match findings.iter().any(|finding| finding.grade == Grade::Bad) {
        true => Err(Failure::silent(FAILED)),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Looks at the computer, for the lab that is meant when there is one.
fn look(global: &Global) -> Result<Vec<Finding>, Failure> {
    let dirs = Dirs::from_environment();
    // Without a topology the computer alone is looked at.
    let named = global.file.is_some() || global.lab.is_some();
    let session = match load::session(global) {
        Ok(session) => Some(session),
        Err(failure) if named => return Err(failure),
        Err(_) => None,
    };
    let (uri, wanted) = match &session {
        Some(session) => {
            let uri = match &session.provider {
                ProviderKind::System { uri } => uri.clone(),
                ProviderKind::Private(_) | ProviderKind::Existing(_) => ProviderKind::system_uri(),
            };
            (uri, runtime()?.block_on(doctor::wanted(session)))
        }
        None => {
            let system = match global.provider {
                Provider::Auto => None,
                Provider::System => Some(true),
                Provider::Private => Some(false),
            };
            (ProviderKind::system_uri(), Wanted { system, ..Wanted::default() })
        }
    };
    let place = match wanted.system {
        Some(true) => "/var/lib/libvirt".into(),
        _ => dirs.state,
    };
    Ok(doctor::diagnose(&doctor::survey(&uri, &place), &wanted))
}

fn tell(global: &Global, findings: &[Finding]) {
    if global.output == Format::Json {
        let good = findings.iter().all(|finding| finding.grade != Grade::Bad);
        print_data(&json!({"good": good, "findings": findings}));
        return;
    }
    for finding in findings {
        let word = match finding.grade {
            Grade::Good if global.quiet => continue,
            Grade::Good => "ok     ",
            Grade::Warning => "warning",
            Grade::Bad => "BAD    ",
        };
        let mut text = format!("{word} {:<15} {}", finding.name, finding.found);
        if finding.grade != Grade::Good {
            text.push_str(&format!("\n        why: {}", finding.why));
            if let Some(fix) = &finding.fix {
                text.push_str(&format!("\n        fix: {fix}"));
            }
        }
        print(&text);
    }
}

/// Runs the cures that are safe, after asking. True when something was done.
fn mend(findings: &[Finding], yes: bool) -> bool {
    let commands: Vec<&Vec<String>> = findings
        .iter()
        .filter(|finding| finding.grade != Grade::Good)
        .flat_map(|finding| &finding.commands)
        .collect();
    if commands.is_empty() {
        info("nothing that can be mended without you");
        return false;
    }
    let shown: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
    if !yes && !agrees(&format!("this would be run:\n  {}", shown.join("\n  "))) {
        info("nothing was done; `lab doctor --fix --yes` agrees beforehand");
        return false;
    }
    for words in commands {
        if let Err(why) = run_one(words) {
            info(&format!("failed to run {}: {why}", words.join(" ")));
        }
    }
    true
}

/// Why a cure was not carried out.
enum NotMended {
    Nothing,
    Missing(String),
    NotRun(std::io::Error),
    Ended(ExitStatus),
}

impl fmt::Display for NotMended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there is no command"),
            Self::Missing(name) => write!(f, "{name} is not installed"),
            Self::NotRun(error) => error.fmt(f),
            Self::Ended(status) => status.fmt(f),
        }
    }
}

fn run_one(words: &[String]) -> Result<(), NotMended> {
    let root = nix::unistd::geteuid().is_root();
    let sudo = "sudo".to_owned();
    let words: Vec<&String> = (!root).then_some(&sudo).into_iter().chain(words).collect();
    let (name, arguments) = words.split_first().ok_or(NotMended::Nothing)?;
    let program = find_program(name).ok_or_else(|| NotMended::Missing((*name).clone()))?;
    let status = Command::new(program).args(arguments).status().map_err(NotMended::NotRun)?;
    if status.success() { Ok(()) } else { Err(NotMended::Ended(status)) }
}

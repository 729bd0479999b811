//! Carrying out one stage on one node: neighbouring files travel together, everything else is a
//! script of its own, the marker comes last.

use std::time::{Duration, Instant};

use super::event::{Event, Events, Failure};
use crate::drivers::guest::{Guest, GuestError, Output, Put};
use crate::stages::{File, Step, fingerprint, marker::Marker};

/// Where a stage runs, for events and failures.
pub(super) struct Place<'a> {
    pub node: &'a str,
    pub stage: &'a str,
    pub guest: &'a dyn Guest,
    pub events: &'a Events,
    pub stopped: &'a (dyn Fn() -> bool + Sync),
}

const POLL: Duration = Duration::from_millis(500);
const PACKAGE_LOCK: &str = "-o DPkg::Lock::Timeout=300";

/// Runs all steps and leaves the marker.
///
/// # Errors
/// The first step that fails, with what explains it.
pub(super) async fn run(place: &Place<'_>, steps: &[Step]) -> Result<(), Box<Failure>> {
    let mut waiting: Vec<Put> = Vec::new();
    for step in steps {
        match put_of(step) {
            Some(put) => waiting.push(put),
            None => {
                flush(place, &mut waiting).await?;
                if (place.stopped)() {
                    return Err(place.failure(step, "the run was stopped before this step", None));
                }
                one(place, step).await?;
            }
        }
    }
    flush(place, &mut waiting).await?;
    if let Step::File(file) = Marker::step(place.stage, &fingerprint(steps)) {
        waiting.push(Put::File(file));
    }
    flush(place, &mut waiting).await
}

fn put_of(step: &Step) -> Option<Put> {
    match step {
        Step::Directory { path, mode, owner } => {
            Some(Put::Directory(path.clone(), *mode, owner.clone()))
        }
        Step::File(file) => Some(Put::File(file.clone())),
        _ => None,
    }
}

async fn flush(place: &Place<'_>, waiting: &mut Vec<Put>) -> Result<(), Box<Failure>> {
    if waiting.is_empty() {
        return Ok(());
    }
    let items = std::mem::take(waiting);
    let paths: Vec<&str> = items
        .iter()
        .map(|item| match item {
            Put::Directory(path, ..) => path.as_str(),
            Put::File(File { path, .. }) => path.as_str(),
        })
        .collect();
    let title = match paths.as_slice() {
        [only] => format!("write {only}"),
        [first, rest @ ..] => format!("write {first} and {} more", rest.len()),
        [] => String::new(),
    };
    place.say(&title);
    place.guest.put(&items).await.map_err(|error| place.unreachable(&title, &error))
}

async fn one(place: &Place<'_>, step: &Step) -> Result<(), Box<Failure>> {
    place.say(&step.title());
    match step {
        Step::Packages { names } => script(place, step, &packages(names)).await,
        Step::Block { path, content } => script(place, step, &block(path, content)).await,
        Step::Binary { name, path } => {
            let text = format!("test -x /opt/lab/bin/{name}\nln -sfn /opt/lab/bin/{name} {path}\n");
            script(place, step, &text).await
        }
        Step::Unit { name } => {
            let text = format!("systemctl daemon-reload\nsystemctl enable --quiet {name}\nsystemctl restart {name}\n");
            explained(place, step, &text, &format!("journalctl -u {name} -n 20 --no-pager")).await
        }
        Step::Run { unless, script: text, .. } => {
            let text = match unless {
                Some(condition) => format!("if {condition}; then exit 0; fi\n{text}"),
                None => text.clone(),
            };
            script(place, step, &text).await
        }
        Step::Wait { probe, timeout, hint, .. } => wait(place, step, probe, *timeout, hint).await,
        Step::File(_) | Step::Directory { .. } => Ok(()),
    }
}

async fn script(place: &Place<'_>, step: &Step, text: &str) -> Result<(), Box<Failure>> {
    explained(place, step, text, "").await
}

/// Runs a script; when it fails, `hint` is run for its output.
async fn explained(place: &Place<'_>, step: &Step, text: &str, hint: &str) -> Result<(), Box<Failure>> {
    let output = place.run(step, text).await?;
    if output.status == 0 {
        return Ok(());
    }
    let mut tail = output.text();
    if !hint.is_empty() {
        if let Ok(more) = place.guest.run(hint).await {
            tail.push_str(&more.text());
        }
    }
    let message = format!("the command ended with status {}", output.status);
    Err(place.failure(step, &message, Some(tail)))
}

/// Waits inside the guest, so that the condition is noticed when it comes true and not when a
/// packet has crossed the network.
async fn wait(place: &Place<'_>, step: &Step, probe: &str, timeout: u64, hint: &str) -> Result<(), Box<Failure>> {
    let start = Instant::now();
    // Short spells, so that a request to stop is heard in between.
    const SPELL: u64 = 5;
    let text = format!(
        "end=$(($(date +%s) + {SPELL}))\nwhile :; do\n  if {probe}; then exit 0; fi\n  \
         test \"$(date +%s)\" -lt $end || exit 75\n  sleep 0.3\ndone\n"
    );
    loop {
        let output = place.run(step, &text).await?;
        if output.status == 0 {
            return Ok(());
        }
        if (place.stopped)() {
            return Err(place.failure(step, "the run was stopped while waiting", None));
        }
        if start.elapsed() > Duration::from_secs(timeout) {
            let tail = place.guest.run(hint).await.map(|output| output.text()).unwrap_or_default();
            let message = format!("it did not come true within {timeout} s");
            return Err(place.failure(step, &message, Some(tail)));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn packages(names: &[String]) -> String {
    let list = names.join(" ");
    format!(
        "if command -v dpkg-query >/dev/null; then
  missing=$(for p in {list}; do dpkg-query -W -f='${{db:Status-Abbrev}}' \"$p\" 2>/dev/null | grep -q '^ii' || echo \"$p\"; done)
  test -z \"$missing\" && exit 0
  export DEBIAN_FRONTEND=noninteractive
  apt-get {PACKAGE_LOCK} -qq update
  apt-get {PACKAGE_LOCK} -qq -y --no-install-recommends install $missing
else
  missing=$(for p in {list}; do rpm -q --quiet --whatprovides \"$p\" || echo \"$p\"; done)
  test -z \"$missing\" && exit 0
  dnf -q -y install $missing
fi
"
    )
}

/// Replaces the fenced block of a file that has other owners, too; everything outside the fences
/// stays as it is.
fn block(path: &str, content: &str) -> String {
    format!(
        "begin='# BEGIN lab'; end='# END lab'
file={path}
test -e \"$file\" || : > \"$file\"
if grep -qxF \"$begin\" \"$file\" && ! grep -qxF \"$end\" \"$file\"; then
  echo \"$file has '$begin' without '$end'; mend it by hand\" >&2; exit 1
fi
awk -v b=\"$begin\" -v e=\"$end\" '$0==b {{skip=1}} !skip {{print}} $0==e {{skip=0}}' \"$file\" > \"$file.lab-new\"
cat >> \"$file.lab-new\" <<'LAB_BLOCK'
# BEGIN lab
{content}# END lab
LAB_BLOCK
chmod --reference=\"$file\" \"$file.lab-new\"; chown --reference=\"$file\" \"$file.lab-new\"
mv -fT \"$file.lab-new\" \"$file\"
"
    )
}

impl Place<'_> {
    fn say(&self, step: &str) {
        let (node, task) = (self.node.to_owned(), self.stage.to_owned());
        self.events.send(Event::Step { node, task, step: step.to_owned() });
    }

    async fn run(&self, step: &Step, text: &str) -> Result<Output, Box<Failure>> {
        self.guest.run(text).await.map_err(|error| self.unreachable(&step.title(), &error))
    }

    fn unreachable(&self, step: &str, error: &GuestError) -> Box<Failure> {
        Box::new(Failure {
            node: Some(self.node.into()),
            task: self.stage.into(),
            step: Some(step.into()),
            message: error.message.clone(),
            tail: None,
            hint: error.hint.clone(),
        })
    }

    fn failure(&self, step: &Step, message: &str, tail: Option<String>) -> Box<Failure> {
        Box::new(Failure {
            node: Some(self.node.into()),
            task: self.stage.into(),
            step: Some(step.title()),
            message: message.into(),
            tail: tail.filter(|tail| !tail.trim().is_empty()),
            hint: Some(format!("lab stage show {} {}", self.node, self.stage)),
        })
    }
}

//! Carrying out one stage on one node: neighbouring files travel together, everything else is a
//! script of its own, the marker comes last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::drivers::guest::{Guest, GuestError, Output, Put};
use crate::engine::task::event::{Event, Events, Failure};
use crate::kubernetes::marker::Marker;
use crate::kubernetes::{Step, fingerprint};
use crate::model::code::{self, Code};
use crate::model::{File, Version};

/// Where a stage runs, for events and failures.
pub(crate) struct Place<'a> {
    pub node: &'a str,
    pub stage: &'a str,
    /// The Kubernetes of this run.
    pub kubernetes: Version,
    pub guest: &'a dyn Guest,
    pub events: &'a Events,
    pub stopped: &'a (dyn Fn() -> bool + Sync),
    /// Asked of another node before the stage counts as done.
    pub last: Option<Elsewhere>,
}

/// A script for another node.
pub(crate) struct Elsewhere {
    pub title: String,
    pub guest: Arc<dyn Guest>,
    pub script: String,
}

const POLL: Duration = Duration::from_millis(500);
/// How long [`WAIT`] asks before it lets itself be stopped.
const SPELL: Duration = Duration::from_secs(10);
/// The longest rest between two spells.
const REST: Duration = Duration::from_secs(30);
const PACKAGE_LOCK: &str = "-o DPkg::Lock::Timeout=300";

/// Steps that travel together.
enum Batch<'s> {
    /// Files and directories, as one archive.
    Puts(Vec<Put>),
    /// Links to the artifact disk, as one script.
    Links(Vec<&'s Step>),
    /// Units, restarted in one transaction: systemd orders them and starts the rest side by side.
    Units(Vec<&'s Step>),
    /// Anything else.
    One(&'s Step),
}

fn batches(steps: &[Step]) -> Vec<Batch<'_>> {
    let mut all: Vec<Batch<'_>> = Vec::new();
    for step in steps {
        match (step, all.last_mut()) {
            (Step::Binary { .. }, Some(Batch::Links(links))) => links.push(step),
            (Step::Binary { .. }, _) => all.push(Batch::Links(vec![step])),
            (Step::Unit { .. }, Some(Batch::Units(units))) => units.push(step),
            (Step::Unit { .. }, _) => all.push(Batch::Units(vec![step])),
            (_, last) => match (put_of(step), last) {
                (Some(put), Some(Batch::Puts(puts))) => puts.push(put),
                (Some(put), _) => all.push(Batch::Puts(vec![put])),
                (None, _) => all.push(Batch::One(step)),
            },
        }
    }
    all
}

/// How often a stage is begun again after its node was lost on the way.
const AGAIN: u32 = 2;

/// Runs all steps and leaves the marker. When the node is lost on the way, as by a restart of the
/// guest, the stage begins again once it is back: what a restart takes away a single step may miss.
///
/// # Errors
/// The first step that fails, with what explains it.
pub(crate) async fn run(place: &Place<'_>, steps: &[Step]) -> Result<(), Box<Failure>> {
    for _ in 0..AGAIN {
        match once(place, steps).await {
            Err(failure) if failure.lost && !(place.stopped)() => {
                let (node, stage, why) = (place.node, place.stage, &failure.message);
                place.events.warn(format!("{node}: {why}; {stage} begins again"));
            }
            ended => return ended,
        }
    }
    once(place, steps).await
}

async fn once(place: &Place<'_>, steps: &[Step]) -> Result<(), Box<Failure>> {
    for batch in batches(steps) {
        if (place.stopped)() {
            return Err(place.failure(
                &code::STOPPED,
                "stop",
                "the run was stopped before this step",
                None,
            ));
        }
        match batch {
            Batch::Puts(puts) => put(place, &puts).await?,
            Batch::Links(steps) => links(place, &steps).await?,
            Batch::Units(steps) => units(place, &steps).await?,
            Batch::One(step) => one(place, step).await?,
        }
    }
    if let Some(last) = &place.last {
        place.say(&last.title);
        let answer = last.guest.run(&last.script).await;
        let output = answer.map_err(|error| place.unreachable(&last.title, &error))?;
        if output.status != 0 {
            let message = format!("the command ended with status {}", output.status);
            return Err(place.failure(&code::STEP, &last.title, &message, Some(output.text())));
        }
    }
    // A marker must not outlive, in a loss of power, what it vouches for.
    let flushed = place.guest.run("sync").await;
    flushed.map_err(|error| place.unreachable("flush what was written", &error))?;
    match Marker::step(place.stage, &fingerprint(steps), place.kubernetes) {
        Step::File(file) => put(place, &[Put::File(file)]).await,
        _ => Ok(()),
    }
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

async fn put(place: &Place<'_>, items: &[Put]) -> Result<(), Box<Failure>> {
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
    place.guest.put(items).await.map_err(|error| place.unreachable(&title, &error))
}

async fn links(place: &Place<'_>, steps: &[&Step]) -> Result<(), Box<Failure>> {
    let mut text = String::new();
    for step in steps {
        if let Step::Binary { name, path, .. } = step {
            text.push_str(&format!(
                "test -x /opt/lab/bin/{name}\nln -sfn /opt/lab/bin/{name} {path}\n"
            ));
        }
    }
    let title = titles(steps);
    place.say(&title);
    explained(place, &title, &text, "ls -l /opt/lab/bin").await
}

async fn units(place: &Place<'_>, steps: &[&Step]) -> Result<(), Box<Failure>> {
    let name = |step: &&Step| match step {
        Step::Unit { name, .. } => name.clone(),
        _ => String::new(),
    };
    let names: Vec<String> = steps.iter().map(name).collect();
    let list = names.join(" ");
    let reloads = |name: &str| {
        steps.iter().any(|s| matches!(s, Step::Unit { name: n, reload: true } if n == name))
    };
    // Restarting a mount would stop everything that runs from it.
    let verb = |name: &str| match name {
        mount if mount.ends_with(".mount") => "start",
        name if reloads(name) => "reload-or-restart",
        _ => "restart",
    };
    let mut text = format!("systemctl daemon-reload\nsystemctl enable --quiet {list}\n");
    for wanted in ["start", "restart", "reload-or-restart"] {
        let units: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| verb(name) == wanted).collect();
        if !units.is_empty() {
            text.push_str(&format!("systemctl {wanted} {}\n", units.join(" ")));
        }
    }
    let journal: Vec<String> = names.iter().map(|name| format!("-u {name}")).collect();
    let hint = format!("journalctl {} -n 20 --no-pager", journal.join(" "));
    let title = titles(steps);
    place.say(&title);
    explained(place, &title, &text, &hint).await
}

fn titles(steps: &[&Step]) -> String {
    steps.iter().map(|step| step.title()).collect::<Vec<_>>().join("; ")
}

async fn one(place: &Place<'_>, step: &Step) -> Result<(), Box<Failure>> {
    let title = step.title();
    place.say(&title);
    match step {
        Step::Packages { names } => script(place, &title, &packages(names)).await,
        Step::Block { path, content } => script(place, &title, &block(path, content)).await,
        Step::Run { unless, script: text, .. } => {
            let text = match unless {
                Some(condition) => format!("if {condition}; then exit 0; fi\n{text}"),
                None => text.clone(),
            };
            script(place, &title, &text).await
        }
        Step::Wait { probe, timeout, hint, optional, .. } => {
            match wait(place, &title, probe, *timeout, hint).await? {
                Some(late) if *optional => {
                    let tail = late.tail.as_deref().unwrap_or_default().trim_end();
                    let text = format!("going on without: {title}: {}\n{tail}", late.message);
                    place.events.warn(format!("{}: {text}", place.node));
                    Ok(())
                }
                Some(late) => Err(late),
                None => Ok(()),
            }
        }
        // Carried out in batches.
        Step::File(_) | Step::Directory { .. } | Step::Binary { .. } | Step::Unit { .. } => Ok(()),
    }
}

async fn script(place: &Place<'_>, step: &str, text: &str) -> Result<(), Box<Failure>> {
    explained(place, step, text, "").await
}

/// Runs a script; when it fails, `hint` is run for its output.
async fn explained(
    place: &Place<'_>,
    step: &str,
    text: &str,
    hint: &str,
) -> Result<(), Box<Failure>> {
    let output = place.run(step, text).await?;
    if output.status == 0 {
        return Ok(());
    }
    let mut tail = output.text();
    if !hint.is_empty()
        && let Ok(more) = place.guest.run(hint).await
    {
        tail.push_str(&more.text());
    }
    let message = format!("the command ended with status {}", output.status);
    Err(place.failure(&code::STEP, step, &message, Some(tail)))
}

/// Asks until PROBE succeeds, for short spells, so that a request to stop is heard in between. Rests twice
/// as long as the question took: many nodes that wait must not slow down those they wait for.
const WAIT: &str = r#"read now _ < /proc/uptime
end=$((${now%.*} + SPELL))
while :; do
  if PROBE; then exit 0; fi
  before=$now; read now _ < /proc/uptime
  test ${now%.*} -lt $end || exit 75
  rest=$(((${now%.*} - ${before%.*}) * 2))
  test $rest -le 5 || rest=5
  sleep $rest.3
  read now _ < /proc/uptime
done
"#;

/// Waits inside the guest, so that the condition is noticed when it comes true and not when a
/// packet has crossed the network. What explains it when it did not come true in time.
async fn wait(
    place: &Place<'_>,
    step: &str,
    probe: &str,
    timeout: u64,
    hint: &str,
) -> Result<Option<Box<Failure>>, Box<Failure>> {
    let start = Instant::now();
    let text = WAIT.replace("SPELL", &SPELL.as_secs().to_string()).replace("PROBE", probe);
    loop {
        let asked = Instant::now();
        let output = place.run(step, &text).await?;
        if output.status == 0 {
            return Ok(None);
        }
        // A question that outlasts its spell has not rested inside the guest.
        let rest = (asked.elapsed().saturating_sub(SPELL) * 2).clamp(POLL, REST);
        let rested = Instant::now() + rest;
        while Instant::now() < rested && !(place.stopped)() {
            tokio::time::sleep(POLL).await;
        }
        if (place.stopped)() {
            return Err(place.failure(
                &code::STOPPED,
                step,
                "the run was stopped while waiting",
                None,
            ));
        }
        if start.elapsed() > Duration::from_secs(timeout) {
            let tail = place.guest.run(hint).await.map(|output| output.text()).unwrap_or_default();
            let message = format!("it did not come true within {timeout} s");
            return Ok(Some(place.failure(&code::PATIENCE, step, &message, Some(tail))));
        }
    }
}

fn packages(names: &[String]) -> String {
    let list = names.join(" ");
    format!(
        "if command -v dpkg-query >/dev/null; then
  missing=$(for p in {list}; do dpkg-query -W -f='${{db:Status-Abbrev}}' \"$p\" 2>/dev/null | grep -q '^ii' || echo \"$p\"; done)
  test -z \"$missing\" && exit 0
  export DEBIAN_FRONTEND=noninteractive
  # The lists have a lock of their own, which a first boot's timers may hold.
  tries=0; until apt-get {PACKAGE_LOCK} -qq update; do
    tries=$((tries + 1)); test $tries -lt 30 || exit 1; sleep 5
  done
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

    async fn run(&self, step: &str, text: &str) -> Result<Output, Box<Failure>> {
        self.guest.run(text).await.map_err(|error| self.unreachable(step, &error))
    }

    fn unreachable(&self, step: &str, error: &GuestError) -> Box<Failure> {
        Box::new(Failure {
            node: Some(self.node.into()),
            code: error.code.id,
            task: self.stage.into(),
            step: Some(step.into()),
            message: error.message.clone(),
            tail: None,
            hint: error.hint.clone(),
            lost: error.retry,
        })
    }

    fn failure(
        &self,
        code: &'static Code,
        step: &str,
        message: &str,
        tail: Option<String>,
    ) -> Box<Failure> {
        Box::new(Failure {
            code: code.id,
            node: Some(self.node.into()),
            task: self.stage.into(),
            step: Some(step.into()),
            message: message.into(),
            tail: tail.filter(|tail| !tail.trim().is_empty()),
            hint: Some(format!("lab stage show {} {}", self.node, self.stage)),
            lost: false,
        })
    }
}

//! A node comes about: its volumes and domain, or a copy of a golden guest, and waiting until it lets us
//! in.

use crate::drivers::guest::Output;
use crate::engine::apply::run::Run;
use crate::engine::machines::boot::Boot;
use crate::engine::machines::{clone, existing, provision};
use crate::engine::task::error::EngineError;
use crate::model::{Node, code};
use crate::plan::{Change, ChangeKind, Object};
use crate::render::DomainSpec;

/// An error, and in which task.
type Failed = (&'static str, EngineError);

impl Run {
    /// Makes the node's volumes and domain, starts it and waits until it lets us in.
    pub(crate) async fn boot(&self, node: &Node, needed: bool, alone: bool) -> Result<(), Failed> {
        let own: Vec<Change> = self.changes_of(node).cloned().collect();
        let domain = self.desired.domains.iter().find(|domain| domain.node == node.name);
        let Some(domain) = domain.filter(|_| !own.is_empty()) else {
            if needed {
                let guest = (self.reach)(node);
                guest.run("true").await.map_err(|error| ("boot", error.into()))?;
                if !node.machine.is_guest() {
                    let taken = existing::take(&self.session, &self.prepared, &*guest, node).await;
                    taken.map_err(|error| ("take", error))?;
                    let work = provision::deliver(&self.prepared, &self.provider, node);
                    let made = self.events.timed(Some(&node.name), "binaries", work).await;
                    made.map_err(|error| ("binaries", error))?;
                }
            }
            return Ok(());
        };
        if self.stop.requested() {
            let why = "the run was stopped before this node";
            return Err(("domain", EngineError::of(&code::STOPPED, why)));
        }
        // What costs the host is many guests booting at once: held until the guest lets us in.
        let _permit = self.boots.acquire().await;
        let name = Some(node.name.as_str());
        let work = self.domain(node, domain, &own);
        self.events.timed(name, "domain", work).await.map_err(|error| ("domain", error))?;
        let gone = (self.reach)(node).hang_up().await;
        gone.map_err(|error| ("boot", error.into()))?;
        let login = self.events.timed(name, "boot", self.login(node)).await;
        self.remark(node, &login.map_err(|error| ("boot", error))?);
        let restarts = own.iter().any(|change| change.kind == ChangeKind::Restart);
        // One that goes to another release serves once its stages are done.
        if restarts && !alone && self.serves(node) {
            self.settle(node).await.map_err(|error| ("settle", error))?;
        }
        Ok(())
    }

    /// Makes the domain run: a new one as a copy where there is a golden guest. Where that fails, it is
    /// made anew, and boots; as is one that lost its disk.
    async fn domain(
        &self,
        node: &Node,
        domain: &DomainSpec,
        own: &[Change],
    ) -> Result<(), EngineError> {
        let (session, prepared, provider) = (&self.session, &self.prepared, &self.provider);
        let is_there =
            !own.iter().any(|c| c.object == Object::Domain && c.kind == ChangeKind::Create);
        let planned = own.iter().any(|change| change.kind == ChangeKind::Replace);
        let mut anew = clone::is_new(node, own) && is_there && !planned;
        if let Some(golden) = self.goldens.get(&node.name) {
            let made = clone::copy(session, prepared, provider, node, domain, golden).await;
            let Err(error) = made else { return Ok(()) };
            self.events.warn(format!("{} is no copy, and boots: {}", node.name, error.message));
            anew = true;
        }
        let replace =
            Change::of_node(ChangeKind::Replace, Object::Domain, &domain.name, &node.name, "");
        let changes = if anew { &[replace][..] } else { own };
        // Only what was planned, and agreed to, takes further disks away.
        let kept = match planned {
            true => domain.kept.clone(),
            false => node.disks.iter().map(|disk| disk.name.clone()).collect(),
        };
        provision::node(session, prepared, provider, node, domain, changes, kept).await
    }

    /// Says what is odd about a node that came up.
    fn remark(&self, node: &Node, said: &Output) {
        if let Some(skew) = clock_skew(&said.text()).filter(|skew| *skew > 60) {
            let text = "certificates may be refused";
            self.events.warn(format!("{}: its clock is {skew} s off; {text}", node.name));
        }
        if said.status != 0 {
            let text = said.text();
            let lines = text.lines().filter(|line| !line.starts_with(CLOCK));
            let text = lines.collect::<Vec<_>>().join("\n");
            self.events.warn(format!("{}: cloud-init reports problems: {text}", node.name));
        }
    }

    /// Waits until the node serves the cluster as before.
    ///
    /// # Errors
    /// When it does not; then no other node that serves may stop.
    pub(crate) async fn settle(&self, node: &Node) -> Result<(), EngineError> {
        let flavour = self.session.flavour();
        let script = flavour.settle(&self.session.templates, &self.session.lab, node)?;
        let settle = async { (self.reach)(node).run(&script).await.map_err(EngineError::from) };
        let output = self.events.timed(Some(&node.name), "settle", settle).await?;
        if output.status == 0 {
            return Ok(());
        }
        let text = format!("wait for {}: it runs again, but does not serve", node.name);
        Err(EngineError::of(&code::STEP, text)
            .hint(format!("`lab verify`; `lab ssh {}`", node.name)))
    }

    /// What a node has to be asked once it lets us in. In the images built here, what comes after sshd is
    /// a person's own; where that is nothing, there is nothing to wait for.
    fn preparations(&self, node: &Node) -> &'static str {
        let image = self.prepared.platform.images.get(&node.os);
        match image.is_some_and(|image| image.direct_boot && image.own().is_none())
            && node.user_data.is_empty()
        {
            true => FLUSH,
            false => WAIT_CLOUD_INIT,
        }
    }

    /// Waits until the node lets us in and its own preparations are done.
    async fn login(&self, node: &Node) -> Result<Output, EngineError> {
        let boot = Boot::of(&self.provider, &self.events, &self.session.lab, node);
        let guest = (self.reach)(node);
        self.stop.or("wait for the guest", boot.run(&*guest, self.preparations(node))).await
    }
}

/// Begins the line with a guest's clock, in seconds since 1970.
const CLOCK: &str = "clock=";

/// What the first boot wrote, host keys among it, must outlive a loss of power a moment later.
const FLUSH: &str = "sync; date +clock=%s";

/// Packages and commands of a person's own user-data come after sshd: stages wait for them. A copy of a
/// golden guest went through all of it before it was one.
///
/// `cloud-init status --wait` would do, but costs an emulated guest seconds at every boot.
const WAIT_CLOUD_INIT: &str = include_str!("cloud-init.sh");

/// Seconds between the guest's clock and ours, from the line `clock=SECONDS`.
fn clock_skew(text: &str) -> Option<u64> {
    let theirs: i64 =
        text.lines().find_map(|line| line.strip_prefix(CLOCK))?.trim().parse().ok()?;
    Some(time::OffsetDateTime::now_utc().unix_timestamp().abs_diff(theirs))
}

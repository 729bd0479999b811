//! Scripts of `lab verify --failover`: a service that runs and a writer that writes while nodes are
//! stopped. All run on a controller that is not the one being stopped.

use std::net::Ipv4Addr;

use minijinja::{Value, context};

use crate::kubernetes::stage::KUBECTL;
use crate::kubernetes::stages::runtime::TEST_IMAGE;
use crate::model::{Lab, Node, Role};
use crate::render::{RenderError, Templates};

/// What to look at where nobody took the place of a node that was stopped.
pub const HINT: &str = "journalctl -u keepalived -u haproxy -u kube-apiserver on the other nodes";

/// What is tried while a node is down.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Node that is asked: a controller that stays.
    pub observer: String,
    /// Where the API must answer.
    pub endpoint: Ipv4Addr,
    /// Where the API is there.
    port: u16,
    /// Where the service must answer.
    pub entry: Ipv4Addr,
    /// Pods of the service.
    replicas: usize,
}

/// Its scripts, by what they are for.
#[derive(Clone, Debug)]
pub struct Scripts {
    /// Starts a service with a pod on every worker that it can have one on; clears away what earlier
    /// runs left, since there is one at a time.
    pub prepare: String,
    /// Starts a writer that leaves the names of acknowledged writes in a file, and waits for the first:
    /// what is stopped next is stopped under it. It ends by itself after half an hour.
    pub start_writer: String,
    /// Succeeds when the API answers at the endpoint.
    pub ask_api: String,
    /// Succeeds when the service answers ten times in a row: one pod of it may be on the node that is
    /// down.
    pub ask_service: String,
    /// Stops the writer and looks for every write that was acknowledged; that there was none shows
    /// nothing.
    pub count_writes: String,
    /// Clears everything away.
    pub clear: String,
}

/// What can be tried while `stopped` is down; `None` when nothing can take its place.
pub fn trial(lab: &Lab, stopped: &Node) -> Option<Trial> {
    let stays = |node: &&Node| node.name != stopped.name;
    let observer = lab.with_role(Role::ControlPlane).find(stays)?;
    let balancer =
        lab.vips.iter().find(|vip| vip.role == Role::LoadBalancer).map(|vip| vip.address);
    let worker = || lab.with_role(Role::Worker).find(stays).map(|node| node.address);
    Some(Trial {
        observer: observer.name.clone(),
        endpoint: lab.api_endpoint()?,
        port: lab.kubernetes.api_port,
        entry: balancer.or_else(worker)?,
        replicas: lab.with_role(Role::Worker).count().clamp(1, 3),
    })
}

impl Trial {
    /// What is carried out on the observer in the run with that word.
    ///
    /// # Errors
    /// When a script cannot be rendered.
    pub fn scripts(&self, templates: &Templates, run: &str) -> Result<Scripts, RenderError> {
        let server = format!("{KUBECTL} -s https://{}:{}", self.endpoint, self.port);
        let kubectl = format!("{server} --request-timeout=15s -n lab-failover-{run}");
        let entry = self.entry.to_string();
        let render = |name: &str, data: Value| {
            let data = context! { kubectl => &kubectl, run, ..data };
            templates.render(&format!("stages/verify/failover-{name}.sh.j2"), &data)
        };
        Ok(Scripts {
            prepare: render(
                "prepare",
                context! { replicas => self.replicas, image => TEST_IMAGE },
            )?,
            start_writer: render("writer", context! {})?,
            ask_api: format!("{server} --request-timeout=5s get --raw=/readyz >/dev/null 2>&1\n"),
            ask_service: render("service", context! { entry })?,
            count_writes: render("count", context! {})?,
            clear: render("clear", context! {})?,
        })
    }
}

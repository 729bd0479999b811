//! Existing machines that nobody vouches for: a person at a terminal is shown their host keys, once, and says
//! whether those are right. Nobody else is asked, and silence is no.

use crate::cli::failure::Failure;
use crate::cli::output::{agrees, is_asked};
use crate::cli::runtime::runtime;
use crate::engine::Session;

/// The same lab, with host keys of machines known that a person says are theirs. What stays unknown is refused later.
pub(crate) fn acquaint(session: Session) -> Result<Session, Failure> {
    let strangers = session.strangers();
    if strangers.is_empty() || !is_asked() {
        return Ok(session);
    }
    let (runtime, file) = (runtime()?, session.known_hosts());
    for node in strangers {
        let shown = runtime.block_on(session.shown_key(node))?;
        let question = format!(
            "the existing machine {} at {} shows the host key\n  {}\n\
             compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the machine;\n\
             where it is the same, write it to {}:",
            node.name,
            node.address,
            shown.fingerprint,
            file.display()
        );
        if agrees(&question) {
            session.acquaint(node, &shown)?;
        }
    }
    Ok(session.with_machines()?)
}

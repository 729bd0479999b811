//! What members of etcd are asked and told when their majority is lost for good, or all that they know is saved and
//! brought back. Scripts, no IO.

use minijinja::context;

use crate::kubernetes::flavour::Script;
use crate::model::{Node, port};
use crate::render::Templates;

/// Seconds until a member that is alone is healthy.
const PATIENCE: u32 = 120;

/// Where what was saved is put on its way to a member, base64 of gzip.
pub const FILE: &str = "/run/lab/etcd-saved";

/// How a member fares, by its own word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberState {
    /// It has data.
    pub has_data: bool,
    /// How far its data goes: etcd's revision, and the index of its log.
    pub revision: Option<(u64, u64)>,
    /// It answers, and has a leader.
    pub serves: bool,
    /// Peer addresses of the members that it knows, where the cluster answers.
    pub members: Vec<String>,
}

/// Asks a member how it fares; see [`parse`].
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn survey(templates: &Templates, client: &str) -> Script {
    templates.render("stages/operations/etcd-survey.sh.j2", &context! { client })
}

/// Reads what [`survey`] printed; lines that say something else are left out.
pub fn parse(text: &str) -> MemberState {
    let mut state = MemberState::default();
    let (mut revision, mut index) = (None, None);
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("data", word)) => state.has_data = word == "yes",
            Some(("serves", word)) => state.serves = word == "yes",
            Some(("revision", number)) => revision = number.trim().parse().ok(),
            Some(("index", number)) => index = number.trim().parse().ok(),
            Some(("member", address)) => state.members.push(address.trim().to_owned()),
            _ => {}
        }
    }
    state.revision = revision.zip(index);
    state
}

/// Address at which other members reach a node.
pub fn peer(node: &Node) -> String {
    format!("https://{}:{}", node.address, port::ETCD_PEER)
}

/// The member's data is put aside, and its stage runs again.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn set_aside(templates: &Templates, kept: &str) -> Script {
    templates.render("stages/operations/etcd-set-aside.sh.j2", &context! { kept })
}

/// The member goes on alone.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn refound(templates: &Templates, client: &str, kept: &str) -> Script {
    let data = context! { client, kept, patience => PATIENCE };
    templates.render("stages/operations/etcd-refound.sh.j2", &data)
}

/// Prints all that etcd knows, compressed.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn save(templates: &Templates, client: &str) -> Script {
    templates.render("stages/operations/etcd-save.sh.j2", &context! { client })
}

/// What is in [`FILE`] is made a member's data, beside what it has.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn unpack(templates: &Templates, node: &Node, token: &str) -> Script {
    let (name, peer) = (&node.name, peer(node));
    let founder = format!("{name}={peer}");
    let data = context! { token, peer, founder, node => name, file => FILE };
    templates.render("stages/operations/etcd-unpack.sh.j2", &data)
}

/// The member begins with what was unpacked, alone.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn load(templates: &Templates, client: &str, kept: &str) -> Script {
    let data = context! { client, kept, patience => PATIENCE };
    templates.render("stages/operations/etcd-load.sh.j2", &data)
}

/// Whoever watches the API on a node begins anew.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn news(templates: &Templates) -> Script {
    templates.render("stages/operations/news.sh.j2", &context! {})
}

/// Stops, or starts, the API server of a node.
///
/// # Errors
/// When the template cannot be rendered.
pub(crate) fn api(templates: &Templates, verb: &str) -> Script {
    templates.render("stages/operations/api.sh.j2", &context! { verb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_say_is_read() {
        let said = "data yes\nrevision 120\nindex 1500\nid 77\nserves yes\nmember https://10.0.0.1:2380\nodd\n";
        let state = parse(said);
        assert_eq!((state.has_data, state.revision, state.serves), (true, Some((120, 1500)), true));
        assert_eq!(state.members, ["https://10.0.0.1:2380"]);
        assert_eq!(parse("data no\n"), MemberState::default());
        assert_eq!(parse("data yes\nrevision x\nindex 1\n").revision, None);
    }
}

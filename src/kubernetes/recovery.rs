//! What a lab needs after it was restored: the right time before anything else, then the word to all
//! neighbours, then proof that its parts found together again. Scripts and checks, no IO.

use crate::kubernetes::checks::{self, Check};
use crate::model::{Lab, Node, Role};

/// Seconds by which a clock may be off after it was set.
pub const CLOCK_TOLERANCE: f64 = 0.5;

/// What a guest is told whose clock is right.
pub const CLOCK_IS_RIGHT: &str = "right";

/// What a guest is told that shall tell the time once more.
pub const TELL_THE_TIME: &str = "tell";

/// Script that sets the guest's clock in talk with somebody who knows the time: it tells its own, and
/// moves it by as many seconds as it reads, until it is told that it is right.
pub const SET_CLOCK: &str = r#"echo ready
while read -r by; do
  case $by in
    right) exit 0 ;;
    tell) ;;
    [0-9-]*) date -s "$by seconds" >/dev/null ;;
    *) break ;;
  esac
  date +%s.%N
done
echo 'it does not keep what it is set to' >&2
exit 1"#;

/// Script by which the holder of a floating address makes itself known: the computer's own table
/// was not restored with the guests, and may have another node in it. `None` on other nodes.
///
/// The gateway is forgotten first, so that the next packet has to ask for it, and asking tells.
pub fn announce(lab: &Lab, node: &Node) -> Option<String> {
    let addresses: Vec<String> = lab.vips_of(node).map(|vip| vip.address.to_string()).collect();
    let gateway = lab.network.gateway;
    (!addresses.is_empty()).then(|| {
        format!(
            "for address in {}; do\n\
               ip -o -4 address show to \"$address/32\" | grep -q . || continue\n\
               ip neighbour flush to {gateway}\n\
               curl -s -o /dev/null --max-time 2 --interface \"$address\" telnet://{gateway}:53 </dev/null || true\n\
             done\n",
            addresses.join(" ")
        )
    })
}

/// What must hold once a lab is restored, as far as its stages had been gone through, and nodes in
/// `restarted` have started anew.
pub fn checks(lab: &Lab, reached: &dyn Fn(&str) -> bool, restarted: &[&str]) -> Vec<Check> {
    let mut wanted = Vec::new();
    if reached("etcd") {
        // A quorum agreed to the revision that is compared.
        wanted.push("etcd-hashes");
    }
    let api = reached("control-plane");
    if api {
        wanted.push("api-ready");
    }
    // Floating addresses of load balancers come with them, those of controllers with the API.
    let balanced = lab.with_role(Role::LoadBalancer).next().is_some();
    let floating = !balanced || reached("load-balancer");
    if api && floating {
        wanted.extend(["vip-holder", "api-at-vip", "balancer-health"]);
    }
    let plan = checks::checks(lab);
    let all = plan.nodes.into_iter().chain(plan.cluster);
    let mut found: Vec<Check> = all.filter(|check| wanted.contains(&check.name)).collect();
    if api && floating && reached("worker") {
        found.extend(checks::all_ready(lab, restarted));
    }
    found
}

//! Whether a guest lives, as seen from outside.

use std::time::Duration;

use virt::domain::Domain;

use crate::drivers::provider::Activity;
use crate::drivers::provider::libvirt::observe::parse;

/// `None` where the domain does not run, or its driver cannot tell.
pub(crate) fn activity(domain: &Domain) -> Option<Activity> {
    let cpu = domain.info().ok()?.cpu_time;
    // Of all disks together.
    let disks = domain.block_stats("").ok()?;
    let macs = parse(&domain.xml_desc(0).ok()?).ok()?.macs;
    let sent = macs.iter().filter_map(|mac| domain.interface_stats(mac).ok());
    let packets: i64 = sent.map(|card| card.tx_packets.max(0)).sum();
    let io = disks.rd_req.max(0) + disks.wr_req.max(0) + packets;
    Some(Activity { cpu: Duration::from_nanos(cpu), io: io.unsigned_abs() })
}

//! A node's further disks: their file systems, and where they are mounted.

use minijinja::context;

use crate::kubernetes::checks::{Check, Scope};
use crate::kubernetes::stage::{Context, StageError};
use crate::kubernetes::step::{Run, Step};
use crate::model::Node;
use crate::model::disk::Disk;
use crate::render::RenderError;

/// Puts file systems onto disks that are empty and mounts them; mounts of disks that are gone go.
pub(super) fn steps(context: &Context<'_>, node: &Node) -> Result<Vec<Step>, StageError> {
    // Folders before those in them.
    let mut all: Vec<&Disk> = node.disks.iter().collect();
    all.sort_by_key(|disk| disk.mount.clone());
    let disks: Vec<_> = all.iter().copied().map(shown).collect();
    let mounted = || all.iter().copied().filter(|disk| disk.mount.is_some());
    let units: Vec<String> = mounted().filter_map(Disk::unit).collect();
    let devices: Vec<String> = mounted().map(Disk::device_unit).collect();
    let data = context! { disks => &disks, units, devices };
    let mut steps = vec![Step::Run(Run {
        title: match disks_of(node).as_str() {
            "" => "let go of disks that the topology no longer has".into(),
            names => format!("prepare the disks {names}"),
        },
        unless: None,
        script: context.templates.render("stages/os/disks.sh.j2", &data)?,
        // Nodes that never had one are as they were.
        transient: node.disks.is_empty(),
    })];
    let mut started = Vec::new();
    for disk in &all {
        let (Some(mount), Some(unit)) = (&disk.mount, disk.unit()) else { continue };
        let Disk { name, filesystem, .. } = disk;
        let data =
            context! { name, mount, device => disk.device(), filesystem => filesystem.name() };
        let content = context.templates.render("stages/os/disk.mount.j2", &data)?;
        steps.push(Step::file(format!("/etc/systemd/system/{unit}"), content));
        // One that was taken away is not waited for as long as a boot takes otherwise.
        let patience = format!("/etc/systemd/system/{}.d/lab.conf", disk.device_unit());
        steps.push(Step::file(patience, "[Unit]\nJobRunningTimeoutSec=30\n"));
        started.push(Step::unit(unit));
    }
    steps.extend(started);
    // Sizes are part of the script: where one is another, it runs again.
    let sizes: Vec<u64> =
        std::iter::once(node.disk_bytes).chain(all.iter().map(|disk| disk.bytes)).collect();
    let fill = context.templates.render("stages/os/fill.sh.j2", &context! { disks, sizes })?;
    steps.push(Step::run("let file systems fill their disks", fill));
    Ok(steps)
}

fn disks_of(node: &Node) -> String {
    let names: Vec<&str> = node.disks.iter().map(|disk| disk.name.as_str()).collect();
    names.join(", ")
}

/// A disk as scripts see it.
fn shown(disk: &Disk) -> minijinja::Value {
    let Disk { name, serial, mount, bytes, filesystem, .. } = disk;
    let filesystem = filesystem.name();
    context! { name, serial, mount, bytes, filesystem, device => disk.device() }
}

/// They are there in their size, and hold what is written where they are mounted.
pub(super) fn check(scope: &Scope<'_>, node: &Node) -> Result<Option<Check>, RenderError> {
    if node.disks.is_empty() {
        return Ok(None);
    }
    let disks: Vec<_> = node.disks.iter().map(shown).collect();
    let script = scope.script("mounted", context! { disks })?;
    let proves = format!("its disks {} are there and mounted", disks_of(node));
    Ok(Some(scope.one("disks", node, proves, script, "lsblk; systemctl status '*.mount'")))
}

//! Directories that nobody else may write to: keys, sockets and images in them are what they are taken for. Looked
//! at component by component, since whoever may rename a parent has everything below it.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};

/// Whom directories may belong to, and which group counts as nobody else.
#[derive(Clone, Debug)]
struct Ourselves {
    users: Vec<u32>,
    group: Option<u32>,
}

impl Ourselves {
    /// Root, whoever runs this, and who became root by sudo: that person is root already.
    fn of_this_process() -> Self {
        let uid = Uid::effective();
        let mut users = vec![0, uid.as_raw()];
        if uid.is_root() {
            let sudo = std::env::var("SUDO_UID").ok().and_then(|text| text.parse::<u32>().ok());
            users.extend(sudo);
        }
        let group = users.iter().rev().find_map(|user| private_group(Uid::from_raw(*user)));
        Self { users, group }
    }
}

/// The group that a user has alone, by its name: distributions that make one let it write by default.
fn private_group(uid: Uid) -> Option<u32> {
    let user = User::from_uid(uid).ok().flatten()?;
    let group = Group::from_gid(Gid::from_raw(user.gid.as_raw())).ok().flatten()?;
    let alone = group.name == user.name && group.mem.iter().all(|member| *member == user.name);
    alone.then(|| group.gid.as_raw())
}

/// Why a directory, there or yet to be made, is not ours alone; `None` when it is.
pub fn distrust(path: &Path) -> Option<String> {
    distrusted(path, &Ourselves::of_this_process())
}

fn distrusted(path: &Path, ourselves: &Ourselves) -> Option<String> {
    let there = path.ancestors().find(|ancestor| fs::symlink_metadata(ancestor).is_ok())?;
    let mut left = vec![there.to_owned()];
    let mut seen = BTreeSet::new();
    // A link leads elsewhere for whoever owns it: all that it leads through counts, too.
    while let Some(next) = left.pop() {
        for component in next.ancestors().map(Path::to_owned) {
            if !seen.insert(component.clone()) {
                continue;
            }
            let Ok(meta) = fs::symlink_metadata(&component) else {
                return Some(format!("{} leads nowhere", there.display()));
            };
            if let Some(why) = why_not(&meta, ourselves) {
                return Some(format!("{} {why}", component.display()));
            }
            if meta.is_symlink() {
                let target = fs::read_link(&component).ok()?;
                let from = component.parent().unwrap_or(Path::new("/"));
                left.push(from.join(target));
            }
        }
    }
    None
}

fn why_not(meta: &Metadata, ourselves: &Ourselves) -> Option<String> {
    const STICKY: u32 = 0o1000;
    if !ourselves.users.contains(&meta.uid()) {
        let name = User::from_uid(Uid::from_raw(meta.uid())).ok().flatten().map(|user| user.name);
        return Some(format!("belongs to {}", name.unwrap_or_else(|| meta.uid().to_string())));
    }
    if meta.is_symlink() || meta.mode() & STICKY != 0 {
        // In a sticky directory others make what is theirs, and leave ours alone.
        return None;
    }
    let mode = meta.mode();
    if mode & 0o002 != 0 {
        return Some("may be written by everybody".into());
    }
    let others = mode & 0o020 != 0 && meta.gid() != 0 && Some(meta.gid()) != ourselves.group;
    others.then(|| "may be written by its group".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn with_mode(path: &Path, mode: u32) {
        fs::create_dir_all(path).unwrap_or_default();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap_or_default();
    }

    #[test]
    fn every_component_counts_and_links_are_followed() {
        let Ok(home) = tempfile::tempdir() else { return };
        let ours = Ourselves::of_this_process();
        let state = home.path().join("state");
        with_mode(&state, 0o700);
        assert_eq!(distrusted(&state.join("lab/three"), &ours), None);
        for (mode, why) in [(0o777, "everybody"), (0o702, "everybody")] {
            with_mode(&state, mode);
            let found = distrusted(&state.join("lab"), &ours).unwrap_or_default();
            assert!(found.starts_with(state.to_str().unwrap_or_default()), "{found}");
            assert!(found.ends_with(why), "{found}");
        }
        with_mode(&state, 0o1777);
        assert_eq!(distrusted(&state.join("lab"), &ours), None);
        with_mode(&state, 0o700);
        let open = home.path().join("open");
        with_mode(&open, 0o777);
        symlink(&open, state.join("lab")).unwrap_or_default();
        let found = distrusted(&state.join("lab/three"), &ours).unwrap_or_default();
        assert!(found.contains("/open may be written by everybody"), "{found}");
    }

    #[test]
    fn what_is_somebody_elses_or_a_groups_is_not_ours() {
        let Ok(home) = tempfile::tempdir() else { return };
        let nobody = Ourselves { users: vec![0, 4_000_000], group: None };
        let dir = home.path().join("lab");
        with_mode(&dir, 0o770);
        let uid = Uid::effective().as_raw();
        let found = distrusted(&dir, &nobody);
        assert_eq!(found.is_some_and(|why| why.contains("belongs to")), uid != 0);
        let meta = fs::symlink_metadata(&dir).map(|meta| meta.gid()).unwrap_or_default();
        let ours = Ourselves { users: vec![0, uid], group: Some(meta) };
        assert_eq!(distrusted(&dir, &ours), None);
        let others = Ourselves { group: None, ..ours };
        let found = distrusted(&dir, &others);
        assert_eq!(found.is_some_and(|why| why.ends_with("by its group")), meta != 0);
    }
}

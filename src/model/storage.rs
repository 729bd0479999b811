//! Where disks are kept.

use crate::model::flaw::Flaw;

/// Judges a folder for disks: it goes into libvirt's documents.
///
/// # Errors
/// What is wrong with it.
pub fn folder(text: &str) -> Result<(), Flaw> {
    let help = "write a folder from the root on, like `/srv/labs`; libvirt's guests must be able to reach it";
    let parts = text.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>());
    let is_plain = |part: &&str| {
        !part.is_empty()
            && ![".", ".."].contains(part)
            && !part.chars().any(|c| c.is_control() || "\"'<>&,".contains(c))
    };
    match parts {
        Some(parts) if parts.iter().all(is_plain) && text.len() <= 200 => Ok(()),
        _ => Err(Flaw::new("this is no folder that disks can be in", help)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_begin_at_the_root() {
        for good in ["/srv/labs", "/mnt/big disk/labs", "/x"] {
            assert!(folder(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "srv", "~/labs", "/srv/", "/srv//labs", "/srv/../etc", "/a,b", "/a'b"]
        {
            assert!(folder(bad).is_err(), "{bad}");
        }
    }
}

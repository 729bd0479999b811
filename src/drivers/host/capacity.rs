//! What this computer has left for guests.

use std::fs;
use std::path::Path;

/// Memory and disk space, MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Memory that could be had now.
    pub memory: u64,
    /// Memory that guests which run may still take: what they were promised and have not touched yet.
    pub promised: u64,
    /// Free disk space.
    pub disk: u64,
}

impl Capacity {
    /// Reads them; `place` is where disks would be, or the nearest directory above that is there.
    pub fn read(place: &Path) -> Self {
        Self { memory: available(), promised: promised(Path::new("/proc")), disk: free(place).0 }
    }
}

/// Memory that could be had now, MiB.
pub fn available() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

/// Free space at the nearest directory that is there, MiB, and that directory.
pub fn free(place: &Path) -> (u64, String) {
    let there = place.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let free = nix::sys::statvfs::statvfs(there)
        .map_or(0, |stat| stat.blocks_available() * stat.fragment_size() / (1 << 20));
    (free, there.display().to_string())
}

/// Sums over all QEMU processes, whoever's: other people's guests take memory, too.
fn promised(proc: &Path) -> u64 {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| untouched(&entry.path())).sum()
}

/// What one guest may still take, MiB.
fn untouched(process: &Path) -> Option<u64> {
    let name = fs::read_to_string(process.join("comm")).ok()?;
    if !name.starts_with("qemu-system") {
        return None;
    }
    let line = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let at = words.iter().position(|word| *word == b"-m")?;
    let size = memory(std::str::from_utf8(words.get(at + 1)?).ok()?)?;
    let pages: u64 = fs::read_to_string(process.join("statm"))
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()?;
    Some(size.saturating_sub(pages * 4096 / (1 << 20)))
}

/// MiB of QEMU's `-m`: `size=1048576k`, `2G` or a number of MiB.
fn memory(word: &str) -> Option<u64> {
    let size = word.split(',').next()?.trim_start_matches("size=");
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match size.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "k" => Some(number / 1024),
        "" | "m" => Some(number),
        "g" => Some(number * 1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_words_for_memory_are_understood() {
        assert_eq!(memory("size=1048576k"), Some(1024));
        assert_eq!(memory("2G,slots=2,maxmem=4G"), Some(2048));
        assert_eq!(memory("512"), Some(512));
        assert_eq!(memory("1x"), None);
    }
}

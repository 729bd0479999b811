//! Where packages of a Debian suite come from: the mirrors that this computer itself uses and trusts, and no other.

use std::fs;
use std::path::Path;

use crate::drivers::assets::error::{AssetError, Fault};

/// The keyring that has all of Debian's suites.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Sources of `suite`, for the image `name`: as this computer has them, or those of its own Debian with the
/// other suite in its place.
///
/// # Errors
/// When it has none of Debian's.
pub(super) fn of_suite(suite: &str, name: &str) -> Result<String, AssetError> {
    let all = Sources::of_this_computer();
    let found = all.with(suite, suite);
    if !found.is_empty() {
        return Ok(found);
    }
    let own = codename(&fs::read_to_string("/etc/os-release").unwrap_or_default());
    let found = own.map(|own| all.with(&own, suite)).unwrap_or_default();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(AssetError::new(
        Fault::Computer,
        format!("find a mirror of Debian for '{suite}'"),
        format!(
            "sources.list and the *.sources of this computer's /etc/apt name none; `lab images pull {name}` needs none, and `lab images add` brings an \
             image that another computer built"
        ),
    ))
}

/// The suite of a computer's own Debian, by its /etc/os-release.
fn codename(release: &str) -> Option<String> {
    let field = |name: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    field("VERSION_CODENAME").filter(|_| field("ID").as_deref() == Some("debian"))
}

/// What apt reads on a computer, but for the *.list files that others bring.
struct Sources {
    /// Of files in the format deb822: their stanzas.
    stanzas: Vec<String>,
    /// Of the old file.
    lines: Vec<String>,
}

impl Sources {
    fn of_this_computer() -> Self {
        let mut stanzas = Vec::new();
        let dir = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        let is_one = |path: &Path| path.extension().is_some_and(|it| it == "sources");
        for path in dir.map(|entry| entry.path()).filter(|path| is_one(path)) {
            let text = fs::read_to_string(&path).unwrap_or_default();
            stanzas.extend(text.split("\n\n").map(str::to_owned));
        }
        let list = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
        Self { stanzas, lines: list.lines().map(str::to_owned).collect() }
    }

    /// Those of the suite `own`, with `wanted` in its place.
    fn with(&self, own: &str, wanted: &str) -> String {
        let stanzas = self.stanzas.iter().filter_map(|stanza| of_stanza(stanza, own, wanted));
        let lines = self.lines.iter().filter_map(|line| of_line(line, own, wanted));
        stanzas.chain(lines).map(|text| text + "\n").collect()
    }
}

/// A suite, or what belongs to one (`bookworm-security`), of another suite; `None` for what is no such.
fn moved(word: &str, own: &str, wanted: &str) -> Option<String> {
    let rest = word.strip_prefix(own)?;
    (rest.is_empty() || rest.starts_with('-')).then(|| format!("{wanted}{rest}"))
}

fn of_line(line: &str, own: &str, wanted: &str) -> Option<String> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let is_of_suite = words.iter().any(|word| moved(word, own, wanted).is_some());
    if words.first() != Some(&"deb") || !is_of_suite {
        return None;
    }
    if own == wanted {
        return Some(line.to_owned());
    }
    // Who else has packages for a Debian need not have any for the next.
    let key = line.split_once("signed-by=").map(|(_, key)| key);
    let is_debians = words.iter().any(|word| {
        let place = word.trim_end_matches('/');
        place.contains("://") && (place.ends_with("/debian") || place.ends_with("/debian-security"))
    });
    if !is_debians || key.is_some_and(|key| !key.contains("debian-archive-")) {
        return None;
    }
    let words = words.iter().map(|word| match moved(word, own, wanted) {
        Some(word) => word,
        None if word.contains("debian-archive-") => of_all_suites(word),
        None => (*word).to_owned(),
    });
    Some(words.collect::<Vec<_>>().join(" "))
}

/// An option of a source with the keyring of all suites in the place of another one.
fn of_all_suites(word: &str) -> String {
    match (word.find('/'), word.rfind(".gpg")) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{KEYRING}{}", &word[..from], &word[to + ".gpg".len()..])
        }
        _ => word.to_owned(),
    }
}

/// A stanza with each field on one line, and without remarks.
fn unfolded(stanza: &str) -> String {
    let mut text = String::new();
    for line in stanza.lines().filter(|line| !line.trim_start().starts_with('#')) {
        match line.starts_with([' ', '\t']) && !text.is_empty() {
            true => text.push_str(&format!(" {}", line.trim())),
            false => text.push_str(&format!("{}{line}", if text.is_empty() { "" } else { "\n" })),
        }
    }
    text
}

/// The stanza as binary source, if it is Debian's own (by its keyring) and has the suite.
fn of_stanza(stanza: &str, own: &str, wanted: &str) -> Option<String> {
    let stanza = unfolded(stanza);
    let lines: Vec<&str> = stanza.lines().collect();
    let is = |line: &str, name: &str| line.to_ascii_lowercase().starts_with(name);
    let field = |name: &str| {
        let line = lines.iter().find(|line| is(line, name))?;
        line.split_once(':').map(|(_, value)| value.trim())
    };
    let suites = field("suites:")?.split_ascii_whitespace();
    let suites: Vec<String> = suites.filter_map(|suite| moved(suite, own, wanted)).collect();
    let is_debians = field("signed-by:").is_some_and(|key| key.contains("debian-archive-"));
    if suites.is_empty() || !is_debians || field("enabled:") == Some("no") {
        return None;
    }
    let as_wanted = |line: &&str| match () {
        () if is(line, "types:") => "Types: deb".to_owned(),
        () if is(line, "suites:") => format!("Suites: {}", suites.join(" ")),
        // A keyring of one suite says nothing of another: the one of all has the same owner.
        () if is(line, "signed-by:") && own != wanted => {
            format!("Signed-By: {KEYRING}")
        }
        () => (*line).to_owned(),
    };
    Some(lines.iter().map(as_wanted).fold(String::new(), |text, line| text + &line + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZA: &str = "# ours\nTypes: deb deb-src\nURIs: https://mirror.example/debian\nSuites: bookworm\n  bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-bookworm-stable.gpg";

    #[test]
    fn another_suite_comes_from_the_same_mirror() {
        let all = Sources {
            stanzas: vec![
                STANZA.to_owned(),
                STANZA.replace("debian-archive-bookworm-stable", "somebody"),
                format!("{STANZA}\nEnabled: no"),
            ],
            lines: [
                "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-bookworm-stable.gpg] https://old.example/debian-security/ bookworm-security main",
                "deb https://other.example/debian/pve bookworm main",
                "deb [signed-by=/usr/share/keyrings/docker.gpg] https://docker.example/debian bookworm main",
                "deb-src https://x bookworm main",
                "deb https://x bookwormish main",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let moved = "Types: deb\nURIs: https://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\ndeb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://old.example/debian-security/ trixie-security main\n";
        assert_eq!(all.with("bookworm", "trixie"), moved);
        assert!(all.with("bookworm", "bookworm").contains("debian-archive-bookworm-stable.gpg"));
        assert_eq!(all.with("trixie", "trixie"), "");
    }

    #[test]
    fn only_a_debian_has_suites_of_debian() {
        let release = "VERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(release).as_deref(), Some("bookworm"));
        assert_eq!(codename(&release.replace("=debian", "=ubuntu")), None);
    }
}

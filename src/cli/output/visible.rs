//! What is foreign is data: nothing that a guest, libvirt or a file says moves a terminal's cursor, changes its
//! title or hides what stands beside it. Only styles of our own reach it as they are.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// Stands for the escape character of a style of ours until text is printed. It holds a number that nobody
/// else knows.
static OURS: LazyLock<String> =
    LazyLock::new(|| format!("\x1b<{:016x}>", RandomState::new().hash_one(std::process::id())));

/// Text with escape sequences of our own, ready to be put among foreign text.
pub(crate) fn ours(text: &str) -> String {
    text.replace('\x1b', &OURS)
}

/// Text as it is printed: our own styles, and every other control character as `\u001b`, which is what it is in
/// JSON, too.
pub(crate) fn visible(text: &str) -> String {
    let pieces: Vec<String> = text.split(OURS.as_str()).map(plain).collect();
    pieces.join("\x1b")
}

fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Serial consoles end their lines so.
    for character in text.replace("\r\n", "\n").chars() {
        match is_harmless(character) {
            true => plain.push(character),
            false => plain.push_str(&format!("\\u{:04x}", u32::from(character))),
        }
    }
    plain
}

/// False for controls, and for what turns the direction of the text around.
fn is_harmless(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    ['\n', '\t'].contains(&character) || !(character.is_control() || turns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_sequences_are_shown_and_our_own_styles_are_kept() {
        let foreign =
            "\x1b]52;c;aGk=\x07 \x1b[2J \u{9b}1m \u{202e}txt.exe \x1b<0123456789abcdef>[1m\x7f\r";
        let line = format!("{}: {foreign}", ours("\x1b[1;31merror\x1b[0m"));
        let shown = visible(&line);
        assert!(shown.starts_with("\x1b[1;31merror\x1b[0m: \\u001b]52;c;aGk=\\u0007 \\u001b[2J "));
        assert_eq!(shown.matches('\x1b').count(), 2, "{shown:?}");
        assert!(
            shown.ends_with("\\u009b1m \\u202etxt.exe \\u001b<0123456789abcdef>[1m\\u007f\\u000d")
        );
    }

    #[test]
    fn text_stays_as_it_is_and_json_stays_json() {
        for text in ["a\tb\nc", "naïve – ✓ 東京"] {
            assert_eq!(visible(text), text);
        }
        let json = serde_json::json!({"said": "\u{85}\u{1b}[1m\u{7f}"});
        let shown = visible(&json.to_string());
        assert!(!shown.chars().any(char::is_control));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(json));
    }
}

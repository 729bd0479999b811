//! The fuzz targets on their whole corpus, and on changes of it: what once broke stays mended without
//! anybody running a fuzzer. `make fuzz` looks for more.

use std::fs;

use crate::rig::fuzzed;
use crate::rig::random::Random;

/// Changes tried of each input.
const CHANGES: u32 = 200;

fn run(name: &str, target: fn(&[u8])) {
    let mut inputs: Vec<_> =
        fs::read_dir(format!("fuzz/corpus/{name}")).unwrap().flatten().map(|e| e.path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 5, "the corpus of {name} is gone");
    let all: Vec<Vec<u8>> = inputs.iter().map(|path| fs::read(path).unwrap()).collect();
    let mut random = Random::new(0x9e37_79b9_7f4a_7c15);
    let mut next = move |limit: usize| random.below(limit);
    for (path, input) in inputs.iter().zip(&all) {
        target(input);
        for _ in 0..CHANGES {
            let mut changed = input.clone();
            for _ in 0..=next(4) {
                change(&mut changed, &all[next(all.len())], &mut next);
            }
            let told = changed.clone();
            if std::panic::catch_unwind(move || target(&changed)).is_err() {
                let found = std::env::temp_dir().join(format!("lab-fuzz-{name}"));
                fs::write(&found, told).unwrap();
                panic!("{name}: a change of {} breaks it: {}", path.display(), found.display());
            }
        }
    }
}

/// One change: a byte, a piece less, a piece twice, a piece of another input.
fn change(bytes: &mut Vec<u8>, other: &[u8], next: &mut impl FnMut(usize) -> usize) {
    const WORDS: &[&str] = &[
        "\u{202e}", "\0", "{{", "]]>", "&#x41;", "- ", ": ", "!!", "*a", "-1", "1e999", "\u{feff}",
    ];
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let start = next(bytes.len());
    let end = (start + 1 + next(40)).min(bytes.len());
    match next(6) {
        0 => bytes[start] = u8::try_from(next(256)).unwrap(),
        1 => drop(bytes.drain(start..end)),
        2 => {
            let piece = bytes[start..end].to_vec();
            let at = next(bytes.len());
            bytes.splice(at..at, piece);
        }
        3 => drop(bytes.splice(start..end, WORDS[next(WORDS.len())].bytes())),
        4 if !other.is_empty() => {
            let from = next(other.len());
            let to = (from + 1 + next(60)).min(other.len());
            bytes.splice(start..end, other[from..to].iter().copied());
        }
        _ => bytes.truncate(start),
    }
}

#[test]
fn topologies() {
    run("topology", fuzzed::topology);
}

#[test]
fn documents_of_libvirt() {
    run("libvirt", fuzzed::libvirt);
}

#[test]
fn words_of_guests() {
    run("guest", fuzzed::guest);
}

#[test]
fn the_labs_own_files() {
    run("state", fuzzed::state);
}

#[test]
fn files_of_people_and_words_of_sockets() {
    run("files", fuzzed::files);
}

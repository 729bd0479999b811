//! No circles: every `use` of every file is read, inside rooms too, and followed through re-exports
//! to the file that defines the name. Files that import each other in a ring fail the test.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Segments of a path below the crate's root.
type Segments = Vec<String>;

/// One file: the module that it is, and the paths that it names.
struct Source {
    file: PathBuf,
    /// What it imports, by absolute paths.
    uses: BTreeSet<Segments>,
    /// What it hands on under its own name: name, and where that comes from.
    hands_on: BTreeMap<String, Segments>,
}

struct Paths<'m> {
    module: &'m [String],
    children: &'m BTreeSet<String>,
    uses: BTreeSet<Segments>,
    hands_on: BTreeMap<String, Segments>,
}

impl Paths<'_> {
    /// The path from the crate's root, or nothing for other crates' names.
    fn absolute(&self, path: &[String]) -> Option<Segments> {
        let mut at = self.module.to_vec();
        let mut rest = path.iter().peekable();
        match rest.peek().map(|word| word.as_str())? {
            "crate" => {
                at.clear();
                rest.next();
            }
            "self" | "super" => {}
            word if self.children.contains(word) => {}
            _ => return None,
        }
        while let Some(word) = rest.next_if(|word| ["self", "super"].contains(&word.as_str())) {
            if word == "super" {
                at.pop();
            }
        }
        at.extend(rest.cloned());
        Some(at)
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String], handed: bool) {
        let mut path = before.to_vec();
        match tree {
            syn::UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.tree(&next.tree, &path, handed);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(item, before, handed));
            }
            syn::UseTree::Glob(_) => self.used(&path, None),
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                if name != "self" {
                    path.push(name.clone());
                }
                self.used(&path, Some(name).filter(|_| handed));
            }
            syn::UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                self.used(&path, Some(rename.rename.to_string()).filter(|_| handed));
            }
        }
    }

    fn used(&mut self, path: &[String], handed_as: Option<String>) {
        let Some(path) = self.absolute(path) else { return };
        match handed_as {
            Some(name) => _ = self.hands_on.insert(name, path),
            None => _ = self.uses.insert(path),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // Tests beside the code look at it from the inside; nothing depends on them.
        let is_test = module.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        });
        if !is_test {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let handed = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&item.tree, &[], handed);
    }

    /// Who may see something is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let is_ours =
            |word: &str| ["crate", "super"].contains(&word) || self.children.contains(word);
        if words.len() > 1 && is_ours(&words[0]) {
            self.used(&words, None);
        }
        syn::visit::visit_path(self, path);
    }
}

fn module(file: &Path) -> Segments {
    let inside = file.strip_prefix("src").unwrap().with_extension("");
    let mut words: Segments = inside.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
    words.pop_if(|last| ["mod", "lib"].contains(&last.as_str()));
    words
}

fn sources() -> BTreeMap<Segments, Source> {
    let all = crate::architecture::sources(Path::new("src"));
    let files: Vec<PathBuf> = all.into_iter().filter(|file| !file.ends_with("main.rs")).collect();
    let modules: BTreeSet<Segments> = files.iter().map(|file| module(file)).collect();
    let read = |file: PathBuf| {
        let own = module(&file);
        let is_child = |other: &&Segments| other.len() == own.len() + 1 && other.starts_with(&own);
        let children = modules.iter().filter(is_child).filter_map(|m| m.last().cloned()).collect();
        let mut paths = Paths {
            module: &own,
            children: &children,
            uses: BTreeSet::new(),
            hands_on: BTreeMap::new(),
        };
        paths.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        let Paths { uses, hands_on, .. } = paths;
        (own, Source { file, uses, hands_on })
    };
    files.into_iter().map(read).collect()
}

/// The module that defines what a path names.
fn defined(all: &BTreeMap<Segments, Source>, path: &[String]) -> Segments {
    let known = (0..=path.len()).rev().find(|length| all.contains_key(&path[..*length])).unwrap();
    let (module, rest) = path.split_at(known);
    match rest.first().and_then(|name| all[module].hands_on.get(name)) {
        Some(further) => defined(all, &[further.as_slice(), &rest[1..]].concat()),
        None => module.to_vec(),
    }
}

/// Who imports whom, by module.
fn arrows(all: &BTreeMap<Segments, Source>) -> BTreeMap<&Segments, BTreeSet<Segments>> {
    let to = |source: &Source| source.uses.iter().map(|path| defined(all, path)).collect();
    let mut arrows: BTreeMap<_, BTreeSet<Segments>> =
        all.iter().map(|(module, source)| (module, to(source))).collect();
    for (module, targets) in &mut arrows {
        targets.remove(*module);
    }
    arrows
}

/// A ring through `from`, as far as there is one: the shortest.
fn ring(
    arrows: &BTreeMap<&Segments, BTreeSet<Segments>>,
    from: &Segments,
) -> Option<Vec<Segments>> {
    let mut ways = vec![vec![from.clone()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = (!ways.is_empty()).then(|| ways.remove(0)) {
        for next in &arrows[way.last().unwrap()] {
            if next == from {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push([way.as_slice(), std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

#[test]
fn no_files_import_each_other_in_a_ring() {
    let all = sources();
    assert!(all.len() > 150, "the sources were read: {}", all.len());
    let arrows = arrows(&all);
    let mut rings: BTreeMap<BTreeSet<String>, String> = BTreeMap::new();
    for module in all.keys() {
        if let Some(ring) = ring(&arrows, module) {
            let names: Vec<String> =
                ring.iter().map(|module| all[module].file.display().to_string()).collect();
            rings.insert(names.iter().cloned().collect(), names.join(" -> "));
        }
    }
    let rings: Vec<String> = rings.into_values().collect();
    assert!(rings.is_empty(), "{} rings of imports:\n{}", rings.len(), rings.join("\n"));
}

#[test]
fn a_ring_is_found_through_a_name_that_is_handed_on() {
    let source = |uses: &[&[&str]], hands_on: &[(&str, &[&str])]| Source {
        file: PathBuf::new(),
        uses: uses.iter().map(|path| path.iter().map(|w| (*w).to_owned()).collect()).collect(),
        hands_on: hands_on
            .iter()
            .map(|(name, path)| {
                ((*name).to_owned(), path.iter().map(|w| (*w).to_owned()).collect())
            })
            .collect(),
    };
    let segments = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Segments>();
    let all = BTreeMap::from([
        (segments(&[]), source(&[], &[])),
        (segments(&["room"]), source(&[], &[("Thing", &["room", "a", "Thing"])])),
        (segments(&["room", "a"]), source(&[&["room", "b", "other"]], &[])),
        (segments(&["room", "b"]), source(&[&["room", "Thing"]], &[])),
    ]);
    let found = ring(&arrows(&all), &segments(&["room", "a"])).unwrap();
    assert_eq!(found, [segments(&["room", "a"]), segments(&["room", "b"])]);
}

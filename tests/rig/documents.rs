//! The commands that README and docs tell people to type.

use std::fs;
use std::path::{Path, PathBuf};

/// README's list, as far as it only looks.
pub const LOOKS: &[&str] = &[
    "lab kubectl get nodes",
    "lab exec --role worker -- uptime",
    "lab status",
    "lab inspect",
    "lab plan",
    "lab stage show worker1 worker",
    "lab list",
    "lab graph -o svg",
    "lab inventory",
    "lab runs show",
];

/// Pages of stages that only one flavour has.
pub const PAGES: [(&str, &str); 2] = [
    ("control-plane", "src/kubernetes/kubeadm/control_plane/page.md"),
    ("worker", "src/kubernetes/kubeadm/worker/page.md"),
];

/// Whether a line asks a node or the API, whoever carries it there. Others are the program's own.
pub fn looks_at_nodes(line: &str) -> bool {
    line.starts_with("lab ssh ") || line.starts_with("lab kubectl ")
}

/// Where the workshop's page of a stage is, by the workshop's own list.
pub fn path(stage: &str) -> String {
    let list = fs::read_to_string("docs/workshop/README.md").unwrap();
    let (_, rest) = list.split_once(&format!("[{stage}](../../")).unwrap();
    rest.split(')').next().unwrap().to_owned()
}

/// The workshop's page of a stage.
pub fn page(stage: &str) -> String {
    fs::read_to_string(path(stage)).unwrap()
}

/// Every command in the documents with its page, in their order.
pub fn commands() -> Vec<(PathBuf, String)> {
    let mut all = vec![PathBuf::from("README.md")];
    pages(Path::new("docs"), &mut all);
    pages(Path::new("src/kubernetes"), &mut all);
    let of_page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        lines(&text).into_iter().map(move |line| (path.clone(), line)).collect::<Vec<_>>()
    };
    all.into_iter().flat_map(of_page).collect()
}

fn pages(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => pages(&path, found),
            false if path.extension().is_some_and(|extension| extension == "md") => {
                found.push(path);
            }
            false => {}
        }
    }
}

/// The commands of one section of a page.
pub fn block(page: &str, heading: &str) -> Vec<String> {
    let (_, section) = page.split_once(heading).unwrap();
    lines(section.split("\n## ").next().unwrap())
}

/// Lines in blocks of shell that call `lab`, without remarks and redirections.
fn lines(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if let Some(kind) = line.trim().strip_prefix("```") {
            inside = !inside && ["sh", "bash", "console"].contains(&kind);
        } else if inside && line.starts_with("lab ") {
            let line = line.split(" # ").next().unwrap();
            let line = line.split(" && ").next().unwrap().split(" > ").next().unwrap();
            found.push(line.split(" | ").next().unwrap().trim().to_owned());
        }
    }
    found
}

/// Words of a line after `lab`; single quotes hold them together.
pub fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words.split_off(1)
}

//! Images that nodes are made from: names of the catalogue, and images of a person's own.

use std::collections::BTreeMap;

use crate::model::own_image::{From, OwnImage};
use crate::model::topology::given::{Given, text};
use crate::model::topology::problem::Problem;
use crate::model::{code, os};

/// The name that nodes have of what is given.
pub(super) fn name(given: Option<&Given>) -> Option<&str> {
    text(given).or_else(|| text(given?.get("name")))
}

/// What is said of images anywhere.
pub(super) fn given(root: &Given) -> impl Iterator<Item = &Given> {
    std::iter::once(root).chain(root.of_nodes()).filter_map(|place| place.get("image"))
}

/// All images of a person's own.
pub(super) fn own(root: &Given, problems: &mut Vec<Problem>) -> BTreeMap<String, OwnImage> {
    let mut found = BTreeMap::new();
    for given in given(root) {
        let Some(image) = one(given, problems) else { continue };
        let other = found.insert(image.name.clone(), image.clone());
        if other.is_some_and(|other| other != image) {
            let message = format!("two images are called '{}'", image.name);
            let problem = Problem::error(&code::NAME_TWICE, &given.span, message);
            problems.push(problem.help("give one of them another `name`"));
        }
    }
    found
}

fn one(given: &Given, problems: &mut Vec<Problem>) -> Option<OwnImage> {
    let own = |key: &str| text(given.get(key)).map(str::to_owned);
    let (name, like) = (own("name")?, own("like")?);
    let (url, file, sha256) = (own("url"), own("file"), own("sha256"));
    let mut refuse = |code, message: String, help: &str| {
        problems.push(Problem::error(code, &given.span, message).help(help));
    };
    if os::names().contains(&name.as_str()) {
        let message = format!("'{name}' is an image of the catalogue");
        refuse(&code::BAD_NAME, message, "give your own another `name`");
    }
    if url.is_some() && file.is_some() {
        let message = format!("the image '{name}' is both in a file and at an address");
        refuse(&code::COUNT_AND_NAMES, message, "keep `file`, remove `url`");
    } else if url.is_some() && given.get("sha256").is_none() {
        let message = format!("nobody can check what comes for the image '{name}'");
        refuse(&code::MISSING_FIELD, message, "add `sha256`, which `sha256sum FILE` prints");
    }
    let from = file.map(From::File).or(url.map(From::Url));
    Some(OwnImage { name, like, from, sha256 })
}

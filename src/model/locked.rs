//! `lab.lock`: which bytes a topology was carried out with, so that a class, a CI and a rerun next year have
//! the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Format of the file; a newer one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Format.
    pub schema_version: u32,
    /// What an asset is, by its kind and name: `image debian-12` is `sha256:…`.
    pub assets: BTreeMap<String, String>,
}

/// An asset that is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its kind and name.
    pub asset: String,
    /// What the file says.
    pub locked: String,
    /// What is here.
    pub here: String,
}

impl Default for Locked {
    fn default() -> Self {
        Self { schema_version: SCHEMA_VERSION, assets: BTreeMap::new() }
    }
}

impl Locked {
    /// Reads the file.
    ///
    /// # Errors
    /// Why it cannot be one, in words for people.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        use serde::de::Error;
        let locked: Self = serde_json::from_str(text)?;
        match locked.schema_version > SCHEMA_VERSION {
            false => Ok(locked),
            true => Err(serde_json::Error::custom(format!(
                "it was written by a newer lab (format {}, this one knows {SCHEMA_VERSION})",
                locked.schema_version
            ))),
        }
    }

    /// The file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// What is here and is not what the file says.
    pub fn others(&self, here: &Self) -> Vec<Other> {
        let other = |(asset, here): (&String, &String)| {
            let locked = self.assets.get(asset).filter(|locked| *locked != here)?;
            Some(Other { asset: asset.clone(), locked: locked.clone(), here: here.clone() })
        };
        here.assets.iter().filter_map(other).collect()
    }

    /// Names of what is here and is not in the file yet.
    pub fn new_ones(&self, here: &Self) -> Vec<String> {
        here.assets.keys().filter(|asset| !self.assets.contains_key(*asset)).cloned().collect()
    }

    /// Takes what is here; what else the file knows stays.
    pub fn take(&mut self, here: &Self) {
        self.assets.extend(here.assets.clone());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(assets: &[(&str, &str)]) -> Locked {
        let assets = assets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Locked { assets, ..Locked::default() }
    }

    #[test]
    fn a_file_tells_what_is_new_and_what_is_other() {
        let mut locked = of(&[("image a", "sha256:1"), ("image b", "sha256:2")]);
        let here = of(&[("image b", "sha256:3"), ("image c", "sha256:4")]);
        let others = locked.others(&here);
        assert_eq!(others.len(), 1);
        assert_eq!((&*others[0].asset, &*others[0].here), ("image b", "sha256:3"));
        assert_eq!(locked.new_ones(&here), ["image c"]);
        locked.take(&here);
        assert_eq!(locked.assets.len(), 3);
        assert_eq!(Locked::parse(&locked.text()).unwrap(), locked);
    }

    #[test]
    fn what_is_no_such_file_is_an_error_with_a_place() {
        let error = Locked::parse("{\n<<<<<<< HEAD\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        let newer = of(&[]).text().replace(": 1", ": 2");
        assert!(Locked::parse(&newer).unwrap_err().to_string().contains("newer lab"));
        assert!(Locked::parse("{\"schema_version\": 1, \"assets\": {}, \"x\": 1}").is_err());
    }
}

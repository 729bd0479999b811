//! A lab's entries in a person's own kubeconfig: one cluster, one user, one context, all of one name. What
//! others put there stays; what has our name but not our authority is theirs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value, json};

use crate::drivers::state::failpoint::Failpoints;
use crate::drivers::state::files;

/// Lists of a kubeconfig that hold a part of every cluster.
const LISTS: [&str; 3] = ["clusters", "users", "contexts"];

/// The file that kubectl writes to: the first of `KUBECONFIG`, or `~/.kube/config`.
pub fn path() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECONFIG")
        .and_then(|all| std::env::split_paths(&all).find(|path| !path.as_os_str().is_empty()));
    named.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config")))
}

/// Puts the one entry of each list of `ours` there under `name`, and makes it the current context. One that
/// is there already is the lab's if it trusts one of its `authorities`, PEM.
///
/// # Errors
/// When the file cannot be read or written, is no kubeconfig, or has an entry `name` of somebody else.
pub fn merge(
    points: &Failpoints,
    path: &Path,
    name: &str,
    authorities: &[String],
    ours: &str,
) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let _lock = Lock::take(path)?;
    let ours = parse(ours)?;
    change(points, path, |config| {
        if let Some(found) = find(config, "clusters", name)
            && !trusts(found, authorities)
        {
            return Err(io::Error::other(format!(
                "it has a cluster '{name}' that this lab did not put there"
            )));
        }
        for list in LISTS {
            let Some(entry) = first(&ours, list) else { continue };
            let mut entry = entry.clone();
            entry["name"] = name.into();
            if list == "contexts" {
                entry["context"] = json!({"cluster": name, "user": name});
            }
            let all = config.entry(list).or_insert_with(|| json!([]));
            if !all.is_array() {
                *all = json!([]);
            }
            let Some(all) = all.as_array_mut() else { continue };
            match all.iter_mut().find(|found| found["name"] == name) {
                Some(found) => *found = entry,
                None => all.push(entry),
            }
        }
        config.insert("current-context".into(), name.into());
        Ok(())
    })
}

/// Gives the entries of `name` the authority and the credentials of `ours`; where the API is stays as it was.
///
/// # Errors
/// When the file cannot be read or written.
pub fn refresh(points: &Failpoints, path: &Path, name: &str, ours: &str) -> io::Result<()> {
    let _lock = Lock::take(path)?;
    let ours = parse(ours)?;
    change(points, path, |config| {
        for (list, part, keys) in [
            ("clusters", "cluster", &["certificate-authority-data"][..]),
            ("users", "user", &["client-certificate-data", "client-key-data"][..]),
        ] {
            let all = config.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            for entry in all.filter(|entry| entry["name"] == name) {
                let Some(new) = first(&ours, list) else { continue };
                for key in keys {
                    entry[part][*key] = new[part][*key].clone();
                }
            }
        }
        Ok(())
    })
}

/// True when the file has entries of `name` that trust one of `authorities`, PEM.
pub fn has(path: &Path, name: &str, authorities: &[String]) -> bool {
    let read = fs::read_to_string(path).ok().and_then(|text| parse(&text).ok());
    read.and_then(|config| find(config.as_object()?, "clusters", name).cloned())
        .is_some_and(|cluster| trusts(&cluster, authorities))
}

/// Takes the entries of `name` away.
///
/// # Errors
/// When the file cannot be read or written.
pub fn remove(points: &Failpoints, path: &Path, name: &str) -> io::Result<()> {
    let _lock = Lock::take(path)?;
    change(points, path, |config| {
        for list in LISTS {
            if let Some(all) = config.get_mut(list).and_then(Value::as_array_mut) {
                all.retain(|entry| entry["name"] != name);
            }
        }
        if config.get("current-context").is_some_and(|current| current == name) {
            config.insert("current-context".into(), "".into());
        }
        Ok(())
    })
}

fn change(
    points: &Failpoints,
    path: &Path,
    edit: impl FnOnce(&mut Map<String, Value>) -> io::Result<()>,
) -> io::Result<()> {
    let (path, text, mode) = match fs::canonicalize(path) {
        // What a link points to is what is meant, and what would be replaced.
        Ok(path) => {
            let mode = fs::metadata(&path)?.permissions().mode() & 0o777;
            let text = fs::read_to_string(&path)?;
            (path, text, mode & 0o700)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (path.to_owned(), String::new(), 0o600)
        }
        Err(error) => return Err(error),
    };
    let mut config = parse(&text)?;
    refuse_lossy(&config)?;
    let Some(map) = config.as_object_mut() else {
        return Err(io::Error::other("it is no kubeconfig"));
    };
    map.entry("apiVersion").or_insert_with(|| "v1".into());
    map.entry("kind").or_insert_with(|| "Config".into());
    edit(map)?;
    let text = serde_saphyr::to_string(&config).map_err(io::Error::other)?;
    if parse(&text)? != config {
        return Err(io::Error::other("what would be written does not read the same"));
    }
    files::write_for_owner(points, &path, text.as_bytes(), mode)
}

fn parse(text: &str) -> io::Result<Value> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_saphyr::from_str(text).map_err(|error| io::Error::other(error.to_string()))
}

/// A value that only looks like a fraction would be written in other words.
fn refuse_lossy(value: &Value) -> io::Result<()> {
    match value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            Err(io::Error::other(format!("quote the value {number}: it may not be a number")))
        }
        Value::Array(all) => all.iter().try_for_each(refuse_lossy),
        Value::Object(all) => all.values().try_for_each(refuse_lossy),
        _ => Ok(()),
    }
}

fn first<'v>(config: &'v Value, list: &str) -> Option<&'v Value> {
    config.get(list)?.as_array()?.first()
}

fn find<'v>(config: &'v Map<String, Value>, list: &str, name: &str) -> Option<&'v Value> {
    config.get(list)?.as_array()?.iter().find(|entry| entry["name"] == name)
}

fn trusts(cluster: &Value, authorities: &[String]) -> bool {
    use base64::Engine;
    let data = cluster["cluster"]["certificate-authority-data"].as_str().unwrap_or_default();
    let decoded = base64::engine::general_purpose::STANDARD.decode(data).unwrap_or_default();
    let trusted = String::from_utf8_lossy(&decoded);
    authorities.iter().any(|authority| trusted.contains(authority.trim_end()))
}

/// kubectl's own lock: a file beside the config that only one can make.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        match fs::File::create_new(&path) {
            Ok(_) => Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(io::Error::other(format!("somebody writes to it: {} is there", path.display())))
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

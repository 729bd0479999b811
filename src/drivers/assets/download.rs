//! Downloads: resumed where they stopped, checked before they get their name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256, Sha512};

use crate::model::name::hex;

/// What a file's content must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// Lower-case hex.
    pub hex: String,
}

/// Called with bytes so far and, when known, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        // A server that stalls must not hold us for ever; the next run goes on from the part.
        .timeout_recv_body(Some(Duration::from_secs(3600)))
        .http_status_as_error(false)
        .build()
        .new_agent()
}

/// Fetches a small text, at most 4 MiB.
///
/// # Errors
/// When the server does not give it, as text for people.
pub fn text(url: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("fetch {url}: {error}");
    let mut response = agent().get(url).call().map_err(|error| failed(&error))?;
    if response.status() != 200 {
        return Err(failed(&response.status()));
    }
    response
        .body_mut()
        .with_config()
        .limit(4 << 20)
        .read_to_string()
        .map_err(|error| failed(&error))
}

/// The checksum of `file` in a list in either of the usual forms, `HEX  FILE` or
/// `SHA256 (FILE) = HEX`.
pub fn find_checksum(list: &str, file: &str, algorithm: &str) -> Option<Checksum> {
    let digits = if algorithm == "sha512" { 128 } else { 64 };
    let is_hash = |word: &str| word.len() == digits && word.chars().all(|c| c.is_ascii_hexdigit());
    list.lines().find_map(|line| {
        let mut words = line.split([' ', '\t', '(', ')', '=', '*']).filter(|w| !w.is_empty());
        let named = words.clone().any(|word| word.trim_start_matches("./") == file);
        let hash = words.find(|word| is_hash(word)).filter(|_| named)?;
        Some(Checksum { algorithm: algorithm.into(), hex: hash.to_ascii_lowercase() })
    })
}

/// Downloads `url` to `path`, continuing a partial file from an earlier try. The file appears
/// under its name only when its checksum is right.
///
/// # Errors
/// When the server fails or the content is wrong; a wrong file is kept as `*.bad`.
pub fn download(
    url: &str,
    path: &Path,
    sum: &Checksum,
    progress: Progress<'_>,
) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("download {url}: {error}");
    let part = with_suffix(path, ".part");
    let have = fs::metadata(&part).map_or(0, |meta| meta.len());
    let mut request = agent().get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| failed(&error))?;
    let resumed = match response.status().as_u16() {
        206 => true,
        200 => false,
        // The part is complete already, or of another file: the checksum tells.
        416 => return finish(&part, path, sum),
        other => return Err(failed(&format!("the server answered {other}"))),
    };
    let length = response.headers().get("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut done = if resumed { have } else { 0 };
    let total = length.map(|length| length + done);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(resumed)
        .truncate(!resumed)
        .open(&part)
        .map_err(|error| failed(&error))?;
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = body.read(&mut buffer).map_err(|error| failed(&error))?;
        if read == 0 {
            break;
        }
        file.write_all(buffer.get(..read).unwrap_or_default()).map_err(|error| failed(&error))?;
        done += read as u64;
        progress(done, total);
    }
    if total.is_some_and(|total| done < total) {
        return Err(failed(&"the connection was cut; run the command again to continue"));
    }
    file.sync_all().map_err(|error| failed(&error))?;
    finish(&part, path, sum)
}

fn finish(part: &Path, path: &Path, sum: &Checksum) -> Result<(), String> {
    let found = hash(part, &sum.algorithm).map_err(|e| format!("read {}: {e}", part.display()))?;
    if found != sum.hex {
        let bad = with_suffix(path, ".bad");
        fs::rename(part, &bad).map_err(|e| format!("rename {}: {e}", part.display()))?;
        return Err(format!(
            "{} of {} is {found}, expected {}; the file was kept as {}",
            sum.algorithm,
            path.display(),
            sum.hex,
            bad.display()
        ));
    }
    fs::rename(part, path).map_err(|error| format!("rename {}: {error}", part.display()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Hex hash of a file.
///
/// # Errors
/// When it cannot be read.
pub fn hash(path: &Path, algorithm: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut small, mut large) = (Sha256::new(), Sha512::new());
    loop {
        let read = file.read(&mut buffer)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        match algorithm {
            _ if read == 0 => break,
            "sha512" => large.update(chunk),
            _ => small.update(chunk),
        }
    }
    Ok(if algorithm == "sha512" { hex(&large.finalize()) } else { hex(&small.finalize()) })
}

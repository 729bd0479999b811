//! Downloads: by https alone, resumed where they stopped, checked before they get their name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256, Sha512};
use ureq::Body;
use ureq::http::{Response, Uri};

use crate::drivers::assets::error::{AssetError, Fault};
use crate::model::name::hex;

/// Hops from one address to the next that are followed.
const REDIRECTS: usize = 8;

/// What a file's content must hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// `sha256` or `sha512`.
    pub algorithm: String,
    /// Lower-case hex.
    pub hex: String,
}

impl Checksum {
    /// The checksum that is the first word of `text`.
    pub fn alone(text: &str, algorithm: &str) -> Option<Self> {
        let word = text.split_ascii_whitespace().next()?;
        let hex = word.to_ascii_lowercase();
        is_hash(word, algorithm).then(|| Self { algorithm: algorithm.into(), hex })
    }
}

fn is_hash(word: &str, algorithm: &str) -> bool {
    let digits = if algorithm == "sha512" { 128 } else { 64 };
    word.len() == digits && word.chars().all(|c| c.is_ascii_hexdigit())
}

/// Called with bytes so far and, when known, bytes in all.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

/// How files are fetched: by https, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Fetcher {
    allows_loopback: bool,
}

impl Fetcher {
    /// One that also takes plain http from 127.0.0.1: for tests, which have no certificate. Nothing
    /// that a person can write or set leads here.
    pub fn with_plain_http_on_loopback() -> Self {
        Self { allows_loopback: true }
    }

    /// Refuses an address that others could answer for.
    fn permit(&self, url: &str) -> Result<Uri, AssetError> {
        let doing = || format!("fetch {url}");
        let uri: Uri = url.parse().map_err(|_| AssetError::unfit(doing(), "it is no address"))?;
        let is_loopback = self.allows_loopback && uri.host() == Some("127.0.0.1");
        match uri.scheme_str() {
            Some("https") => Ok(uri),
            Some("http") if is_loopback => Ok(uri),
            _ => Err(AssetError::new(Fault::Insecure, doing(), "it is not https")),
        }
    }

    fn agent(&self) -> ureq::Agent {
        ureq::Agent::config_builder()
            .https_only(!self.allows_loopback)
            // Followed here: each address on the way must be permitted.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(Duration::from_secs(30)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            // A server that stalls must not hold us for ever; the next run goes on from the part.
            .timeout_recv_body(Some(Duration::from_secs(3600)))
            .http_status_as_error(false)
            .build()
            .new_agent()
    }

    /// The answer of the last address on the way, from byte `from` on where it can.
    fn get(&self, url: &str, from: u64) -> Result<Response<Body>, AssetError> {
        let failed =
            |reason: String| AssetError::new(Fault::Unreachable, format!("fetch {url}"), reason);
        let agent = self.agent();
        let mut at = url.to_owned();
        for _ in 0..=REDIRECTS {
            let uri = self.permit(&at)?;
            let mut request = agent.get(&at);
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| failed(error.to_string()))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let next = response.headers().get("location").and_then(|next| next.to_str().ok());
            at = next.and_then(|next| joined(&uri, next)).ok_or_else(|| {
                failed(format!("{at} answered {} and named no address", response.status()))
            })?;
        }
        Err(failed(format!("more than {REDIRECTS} addresses sent us on to the next")))
    }

    /// Fetches a small text, at most 4 MiB.
    ///
    /// # Errors
    /// When the server does not give it.
    pub fn text(&self, url: &str) -> Result<String, AssetError> {
        let failed =
            |reason: String| AssetError::new(Fault::Unreachable, format!("fetch {url}"), reason);
        let mut response = self.get(url, 0)?;
        if response.status() != 200 {
            return Err(failed(format!("the server answered {}", response.status())));
        }
        let body = response.body_mut().with_config().limit(4 << 20);
        body.read_to_string().map_err(|error| failed(error.to_string()))
    }

    /// Downloads `url` beside `path`, continuing a partial file from an earlier try; the file that was
    /// checked and has no name yet.
    ///
    /// # Errors
    /// When the server fails or the content is wrong; a wrong file is kept as `*.bad`.
    pub fn download(
        &self,
        url: &str,
        path: &Path,
        sum: &Checksum,
        progress: Progress<'_>,
    ) -> Result<PathBuf, AssetError> {
        let part = with_suffix(path, ".part");
        let have = fs::metadata(&part).map_or(0, |meta| meta.len());
        let resumed = self.receive(url, &part, have, progress)?;
        match check(&part, path, sum) {
            // The publisher has another file by now than when the first half came.
            Err(error) if resumed && error.fault == Fault::WrongChecksum => {
                self.receive(url, &part, 0, progress)?;
                check(&part, path, sum)?;
            }
            other => other?,
        }
        Ok(part)
    }

    /// Writes what the server gives to `part`; true when it was only the rest.
    fn receive(
        &self,
        url: &str,
        part: &Path,
        have: u64,
        progress: Progress<'_>,
    ) -> Result<bool, AssetError> {
        let doing = format!("download {url}");
        let failed = |reason: String| AssetError::new(Fault::Unreachable, &doing, reason);
        let response = self.get(url, have)?;
        let resumed = match response.status().as_u16() {
            206 => true,
            200 => false,
            // The part is complete already, or of another file: the checksum tells.
            416 => return Ok(true),
            other => return Err(failed(format!("the server answered {other}"))),
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
            .open(part)
            .map_err(AssetError::io(&doing))?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = body.read(&mut buffer).map_err(|error| failed(error.to_string()))?;
            if read == 0 {
                break;
            }
            let chunk = buffer.get(..read).unwrap_or_default();
            file.write_all(chunk).map_err(AssetError::io(&doing))?;
            done += read as u64;
            progress(done, total);
        }
        match total.is_some_and(|total| done < total) {
            true => Err(failed("the connection was cut; run the command again to continue".into())),
            false => Ok(resumed),
        }
    }
}

/// The address that `next` means, as a server at `from` says it.
fn joined(from: &Uri, next: &str) -> Option<String> {
    if next.contains("://") {
        return Some(next.to_owned());
    }
    let authority = from.authority()?;
    let scheme = from.scheme_str()?;
    // Without a scheme it may begin with another server's name.
    match next.strip_prefix("//") {
        Some(rest) => Some(format!("{scheme}://{rest}")),
        None if next.starts_with('/') => Some(format!("{scheme}://{authority}{next}")),
        None => {
            let (folder, _) = from.path().rsplit_once('/')?;
            Some(format!("{scheme}://{authority}{folder}/{next}"))
        }
    }
}

/// The checksum of `file` in a list in either of the usual forms, `HEX  FILE` or
/// `SHA256 (FILE) = HEX`.
pub fn find_checksum(list: &str, file: &str, algorithm: &str) -> Option<Checksum> {
    list.lines().find_map(|line| {
        let mut words = line.split([' ', '\t', '(', ')', '=', '*']).filter(|w| !w.is_empty());
        let named = words.clone().any(|word| word.trim_start_matches("./") == file);
        let hash = words.find(|word| is_hash(word, algorithm)).filter(|_| named)?;
        Some(Checksum { algorithm: algorithm.into(), hex: hash.to_ascii_lowercase() })
    })
}

fn check(part: &Path, path: &Path, sum: &Checksum) -> Result<(), AssetError> {
    let found =
        hash(part, &sum.algorithm).map_err(AssetError::io(format!("read {}", part.display())))?;
    if found == sum.hex {
        return Ok(());
    }
    let bad = with_suffix(path, ".bad");
    fs::rename(part, &bad).map_err(AssetError::io(format!("rename {}", part.display())))?;
    Err(AssetError::new(
        Fault::WrongChecksum,
        format!("check {}", path.display()),
        format!(
            "its {} is {found}, expected {}; the file was kept as {}",
            sum.algorithm,
            sum.hex,
            bad.display()
        ),
    ))
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
    hash_of(&mut File::open(path)?, algorithm)
}

/// Hex hash of what is left to read.
pub(crate) fn hash_of(file: &mut impl Read, algorithm: &str) -> io::Result<String> {
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

//! Assets from outside: downloads from a server of our own that cuts, lies and forgets; folders that
//! hold more than files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lab::drivers::assets::binaries::{fetch_all, scan};
use lab::drivers::assets::cache::Cache;
use lab::drivers::assets::download::{Checksum, Fetcher, find_checksum, hash};
use lab::drivers::assets::error::{AssetError, Fault};
use lab::kubernetes::DEFAULT;
use lab::model::Version;
use lab::model::assets::Download;

/// The publisher's list.
const SUMS: &str = "/SUMS";

type Reply = Box<dyn Fn(&str, Option<usize>) -> Vec<u8> + Send>;

/// Serves each connection with what `reply` makes of its path and range; keeps the ranges asked.
fn serve(reply: Reply) -> (String, Arc<Mutex<Vec<Option<usize>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let path = lines.next().unwrap().unwrap().split(' ').nth(1).unwrap().to_owned();
            let mut range = None;
            for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
                let line = line.to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    range = value.trim_end_matches('-').parse().ok();
                }
            }
            if path != SUMS {
                seen.lock().unwrap().push(range);
            }
            let _ = stream.write_all(&reply(&path, range));
        }
    });
    (url, asked)
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn content() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

fn sum_of(bytes: &[u8]) -> Checksum {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    fs::write(&file, bytes).unwrap();
    Checksum { algorithm: "sha256".into(), hex: hash(&file, "sha256").unwrap() }
}

/// The list of checksums where it is asked for; else what `reply` makes.
fn with_sums(
    sum: &Checksum,
    reply: impl Fn(&str, Option<usize>) -> Vec<u8> + Send + 'static,
) -> Reply {
    let list = format!("{}  image\n", sum.hex);
    Box::new(move |path, range| match path {
        SUMS => answer("200 OK", list.len(), list.as_bytes()),
        _ => reply(path, range),
    })
}

fn on_loopback() -> Fetcher {
    Fetcher::with_plain_http_on_loopback()
}

fn fetch(url: &str, path: &Path) -> Result<(), AssetError> {
    let cache = Cache::new(path.parent().unwrap()).fetching_by(on_loopback());
    let (url, checksums) = (format!("{url}/image"), format!("{url}{SUMS}"));
    let what = Download { url, checksums, algorithm: "sha256".into(), digest: None };
    cache.fetch(&what, path, 0o444, &|_, _| {})
}

#[test]
fn a_cut_download_continues_where_it_stopped() {
    let (url, asked) = serve(with_sums(&sum_of(&content()), |_, range| {
        let all = content();
        match range {
            None => answer("200 OK", all.len(), &all[..100_000]),
            Some(from) => answer("206 Partial Content", all.len() - from, &all[from..]),
        }
    }));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let error = fetch(&url, &path).unwrap_err();
    assert!(!path.exists(), "a half file has the final name: {error}");
    assert_eq!(error.code().id, "L0807", "{error}");
    fetch(&url, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(*asked.lock().unwrap(), [None, Some(100_000)]);
}

#[test]
fn a_wrong_file_never_gets_the_name() {
    let sum = sum_of(b"something else");
    let (url, _) = serve(with_sums(&sum, |_, _| answer("200 OK", 12, b"<html>login>")));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let error = fetch(&url, &path).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("expected") && text.contains(".bad"), "{text}");
    assert_eq!((error.fault, error.code().id), (Fault::WrongChecksum, "L0805"));
    assert!(!path.exists() && dir.path().join("image.bad").exists());
    assert!(!dir.path().join("image.part").exists(), "the next try would resume a wrong file");
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let (url, _) =
        serve(with_sums(&sum_of(&content()), |_, _| answer("200 OK", content().len(), &content())));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    fs::write(dir.path().join("image.part"), b"left over from another file").unwrap();
    fetch(&url, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

/// "latest" may have become another file since the first half came.
#[test]
fn a_part_of_another_file_is_given_up() {
    let (url, asked) = serve(with_sums(&sum_of(&content()), |_, range| {
        let (all, from) = (content(), range.unwrap_or_default());
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        answer(status, all.len() - from, &all[from..])
    }));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    fs::write(dir.path().join("image.part"), [9; 100]).unwrap();
    fetch(&url, &path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(*asked.lock().unwrap(), [Some(100), None]);
}

#[test]
fn errors_name_the_address_and_the_status() {
    let (url, _) = serve(Box::new(|_, _| answer("404 Not Found", 0, b"")));
    let dir = tempfile::tempdir().unwrap();
    let error =
        on_loopback().download(&url, &dir.path().join("x"), &sum_of(b""), &|_, _| {}).unwrap_err();
    assert!(error.to_string().contains(&url) && error.to_string().contains("404"), "{error}");
    assert!(on_loopback().text(&url).unwrap_err().to_string().contains("404"));
    assert_eq!(error.fault, Fault::Unreachable);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_full_disk_is_an_error_of_its_own() {
    let (url, _) =
        serve(with_sums(&sum_of(&content()), |_, _| answer("200 OK", content().len(), &content())));
    let dir = tempfile::tempdir().unwrap();
    symlink("/dev/full", dir.path().join("image.part")).unwrap();
    let error = fetch(&url, &dir.path().join("image")).unwrap_err();
    assert_eq!((error.fault, error.code().id), (Fault::NoRoom, "L0806"), "{error}");
}

#[test]
fn plain_http_is_refused_also_where_a_server_sends_us_there() {
    let moved = |to: &str| {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n");
        format!("{head}Connection: close\r\n\r\n").into_bytes()
    };
    let (url, asked) = serve(Box::new(move |path, _| match path {
        "/out" => moved("http://192.0.2.1/image"),
        "/here" => moved("/text"),
        "/round" => moved("/round"),
        _ => answer("200 OK", 4, b"text"),
    }));
    // As people have it: nobody is even asked.
    let error = Fetcher::default().text(&url).unwrap_err();
    assert_eq!((error.fault, error.code().id), (Fault::Insecure, "L0809"), "{error}");
    assert!(asked.lock().unwrap().is_empty());
    let text = |path: &str| on_loopback().text(&format!("{url}{path}"));
    let error = text("/out").unwrap_err();
    assert_eq!(error.fault, Fault::Insecure, "{error}");
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
    assert_eq!(text("/here").unwrap(), "text");
    assert_eq!(text("/round").unwrap_err().fault, Fault::Unreachable);
    for other in ["ftp://127.0.0.1/x", "http://127.0.0.1.example/x", "//127.0.0.1/x"] {
        assert_eq!(on_loopback().text(other).unwrap_err().fault, Fault::Insecure, "{other}");
    }
}

/// Each writes into the same files: one downloads, the others wait and find it done.
#[test]
fn runs_at_once_share_one_download() {
    let (url, asked) = serve(with_sums(&sum_of(&content()), |_, _| {
        std::thread::sleep(Duration::from_millis(30));
        answer("200 OK", content().len(), &content())
    }));
    let dir = tempfile::tempdir().unwrap();
    let version = Version::parse("1.36.2").unwrap();
    let from = |_: &str| Download {
        url: format!("{url}/image"),
        checksums: format!("{url}{SUMS}"),
        algorithm: "sha256".into(),
        digest: None,
    };
    let run = || {
        let cache = Cache::new(dir.path()).fetching_by(on_loopback());
        fetch_all(DEFAULT.binaries, version, &cache, from, &|_, _| {}).unwrap()
    };
    let folder = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).last().unwrap()
    });
    assert_eq!(asked.lock().unwrap().len(), DEFAULT.binaries.len());
    for name in DEFAULT.binaries {
        let file = folder.join(name);
        assert_eq!(fs::read(&file).unwrap(), content(), "{name}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o755);
    }
}

/// A folder of binaries that say of themselves what they are.
fn folder_of_binaries(version: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in DEFAULT.binaries {
        let text = format!("\x7fELF of {name}, see v1.0.7\0archive\0{version}\0");
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn look(dir: &Path) -> Result<Version, AssetError> {
    let cache = tempfile::tempdir().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let (dir, there) = (dir.to_owned(), cache.path().to_owned());
    std::thread::spawn(move || {
        let found = scan(DEFAULT.binaries, &dir, None, &Cache::new(&there));
        let _ = sender.send(found.map(|found| found.version));
    });
    receiver.recv_timeout(Duration::from_secs(30)).expect("looking at the folder hangs")
}

#[test]
fn versions_are_read_from_the_program_or_from_a_file_beside_it() {
    let dir = folder_of_binaries("v1.36.2");
    assert_eq!(look(dir.path()).unwrap().to_string(), "1.36.2");
    fs::write(dir.path().join("version"), "v1.35.1\n").unwrap();
    assert_eq!(look(dir.path()).unwrap().to_string(), "1.35.1");
    fs::write(dir.path().join("version"), "newest").unwrap();
    assert!(look(dir.path()).unwrap_err().to_string().contains("newest"));
    let dir = folder_of_binaries("v1.36.2\0v1.20.2");
    let error = look(dir.path()).unwrap_err();
    assert!(error.to_string().contains("1.20.2 and 1.36.2"), "{error}");
    let error = look(folder_of_binaries("1.36.2").path()).unwrap_err();
    assert!(error.to_string().contains("it names none"), "{error}");
    assert_eq!(error.code().id, "L0808");
}

#[test]
fn a_change_is_seen_though_hashes_are_remembered() {
    let (dir, home) = (folder_of_binaries("v1.36.2"), tempfile::tempdir().unwrap());
    let cache = Cache::new(home.path());
    let look = || scan(DEFAULT.binaries, dir.path(), None, &cache).unwrap();
    let first = look();
    assert_eq!(look().artifacts.digest, first.artifacts.digest);
    let program = dir.path().join("kube-apiserver");
    fs::write(&program, "\x7fELF \0v1.36.3\0").unwrap();
    let second = look();
    assert_ne!(second.artifacts.digest, first.artifacts.digest);
    assert_eq!(second.version.to_string(), "1.36.3");
}

/// What a folder of somebody else's may hold: nothing of it is run, waited for, or followed out.
#[test]
fn only_regular_files_of_the_folder_are_taken() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "\x7fELF \0v1.36.2\0").unwrap();
    let fifo = |path: &Path| {
        nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    };
    type Plant<'p> = (&'p str, &'p str, &'p dyn Fn(&Path));
    let plants: &[Plant<'_>] = &[
        ("kubelet", "a FIFO", &fifo),
        ("images/x.tar", "a FIFO", &fifo),
        ("version", "a FIFO", &fifo),
        ("kubectl", "a device", &|path| symlink("/dev/zero", path).unwrap()),
        ("kubectl", "out of its folder", &|path| {
            symlink(outside.path().join("secret"), path).unwrap();
        }),
        ("kubectl", "out of its folder", &|path| symlink("../../etc/passwd", path).unwrap()),
        ("images/x.tar", "out of its folder", &|path| {
            symlink(outside.path().join("secret"), path).unwrap();
        }),
        ("kube-proxy", "a directory", &|path| fs::create_dir(path).unwrap()),
        ("kube-proxy", "No such file", &|path| symlink("nowhere", path).unwrap()),
    ];
    for (place, wanted, plant) in plants {
        let dir = folder_of_binaries("v1.36.2");
        let path = dir.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        plant(&path);
        let error = look(dir.path()).unwrap_err().to_string();
        let is_device = *wanted == "a device" && error.contains("out of its folder");
        assert!(error.contains(wanted) || is_device, "{place}: {error}");
        assert!(error.contains(place), "{place}: {error}");
    }
    // A link that stays inside is a file of the folder.
    let dir = folder_of_binaries("v1.36.2");
    fs::rename(dir.path().join("kubectl"), dir.path().join("kubectl-1.36")).unwrap();
    symlink("kubectl-1.36", dir.path().join("kubectl")).unwrap();
    assert_eq!(look(dir.path()).unwrap().to_string(), "1.36.2");
}

#[test]
fn checksum_lists_of_both_forms_are_read() {
    let hex = "a".repeat(64);
    let plain = format!("{}  other.img\n{hex}  image.qcow2\n", "b".repeat(64));
    let tagged = format!("# comment\nSHA256 (image.qcow2) = {hex}\n");
    let starred = format!("{hex} *image.qcow2\n");
    for list in [plain, tagged, starred] {
        assert_eq!(find_checksum(&list, "image.qcow2", "sha256").unwrap().hex, hex, "{list}");
    }
    assert!(find_checksum(&format!("{hex}  image.qcow2.sig\n"), "image.qcow2", "sha256").is_none());
    assert!(find_checksum("not a list", "image.qcow2", "sha256").is_none());
}

#[test]
fn images_that_name_other_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let qemu = |arguments: &[&str]| {
        assert!(
            std::process::Command::new("qemu-img")
                .args(arguments)
                .output()
                .unwrap()
                .status
                .success()
        );
    };
    let (base, over, good) = (path("base.qcow2"), path("over.qcow2"), path("good.qcow2"));
    qemu(&["create", "-f", "qcow2", &base, "8M"]);
    qemu(&["create", "-f", "qcow2", "-b", &base, "-F", "qcow2", &over]);
    qemu(&["create", "-f", "qcow2", &good, "8M"]);
    let check = |file: &str| lab::drivers::assets::images::check(std::path::Path::new(file));
    assert_eq!(check(&good).unwrap(), 8 << 20);
    assert!(check(&over).unwrap_err().to_string().contains("backing file"));
    for (name, bytes) in [("empty", &b""[..]), ("page", b"<html></html>"), ("raw", &[7; 4096])] {
        fs::write(dir.path().join(name), bytes).unwrap();
        assert!(check(&path(name)).unwrap_err().to_string().contains("not a qcow2 disk"), "{name}");
    }
}

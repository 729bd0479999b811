//! Downloads from a server of our own that cuts, lies and forgets.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use lab::drivers::assets::download::{Checksum, download, find_checksum, hash, text};

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
            seen.lock().unwrap().push(range);
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

#[test]
fn a_cut_download_continues_where_it_stopped() {
    let (url, asked) = serve(Box::new(|_, range| {
        let all = content();
        match range {
            None => answer("200 OK", all.len(), &all[..100_000]),
            Some(from) => answer("206 Partial Content", all.len() - from, &all[from..]),
        }
    }));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let sum = sum_of(&content());
    let error = download(&url, &path, &sum, &|_, _| {}).unwrap_err();
    assert!(!path.exists(), "a half file has the final name: {error}");
    download(&url, &path, &sum, &|_, _| {}).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
    assert_eq!(*asked.lock().unwrap(), [None, Some(100_000)]);
}

#[test]
fn a_wrong_file_never_gets_the_name() {
    let (url, _) = serve(Box::new(|_, _| answer("200 OK", 12, b"<html>login>")));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    let error = download(&url, &path, &sum_of(b"something else"), &|_, _| {}).unwrap_err();
    assert!(error.contains("expected") && error.contains(".bad"), "{error}");
    assert!(!path.exists() && dir.path().join("image.bad").exists());
    assert!(!dir.path().join("image.part").exists(), "the next try would resume a wrong file");
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let (url, _) = serve(Box::new(|_, _| answer("200 OK", content().len(), &content())));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("image");
    fs::write(dir.path().join("image.part"), b"left over from another file").unwrap();
    download(&url, &path, &sum_of(&content()), &|_, _| {}).unwrap();
    assert_eq!(fs::read(&path).unwrap(), content());
}

#[test]
fn errors_name_the_address_and_the_status() {
    let (url, _) = serve(Box::new(|_, _| answer("404 Not Found", 0, b"")));
    let dir = tempfile::tempdir().unwrap();
    let error = download(&url, &dir.path().join("x"), &sum_of(b""), &|_, _| {}).unwrap_err();
    assert!(error.contains(&url) && error.contains("404"), "{error}");
    assert!(text(&url).unwrap_err().contains("404"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
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
    assert!(check(&over).unwrap_err().contains("backing file"));
    for (name, bytes) in [("empty", &b""[..]), ("page", b"<html></html>"), ("raw", &[7; 4096])] {
        fs::write(dir.path().join(name), bytes).unwrap();
        assert!(check(&path(name)).unwrap_err().contains("not a qcow2 disk"), "{name}");
    }
}

//! Who publishes images and binaries: a server on loopback with files and their list of checksums.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use lab::drivers::assets::download::hash;
use lab::model::assets::Download;

pub struct Publisher {
    url: String,
}

impl Publisher {
    /// Publishes these files, until the test ends.
    pub fn start(files: &[(&str, Vec<u8>)]) -> Self {
        let mut all: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(name, bytes)| (format!("/{name}"), bytes.clone())).collect();
        let sums = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sum(bytes)));
        all.insert("/SUMS".into(), sums.collect::<String>().into_bytes());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let found = all.get(first.split(' ').nth(1).unwrap());
                let (status, body) = match found {
                    Some(body) => ("200 OK", body.as_slice()),
                    None => ("404 Not Found", &[][..]),
                };
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close");
                let _ = stream.write_all(&[head.as_bytes(), b"\r\n\r\n", body].concat());
            }
        });
        Self { url }
    }

    pub fn download(&self, name: &str) -> Download {
        Download {
            url: format!("{}/{name}", self.url),
            checksums: format!("{}/SUMS", self.url),
            algorithm: "sha256".into(),
            digest: None,
        }
    }
}

fn sum(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    std::fs::write(&file, bytes).unwrap();
    hash(&file, "sha256").unwrap()
}

//! Stands in for CoreDNS where its image cannot be had: answers for services by asking the API what there
//! is, with the account, the ports and the configuration file that the add-on's manifest gives it.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig, parse_pem};

type Names = Arc<RwLock<BTreeMap<String, Ipv4Addr>>>;

const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Enough for an emulated API server; a connection that was lost without a word ends with it.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() {
    let path = std::env::args().skip_while(|word| word != "-conf").nth(1).expect("-conf FILE");
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.trim().starts_with("kubernetes ")).unwrap();
    let domain = line.split_whitespace().nth(1).unwrap().to_owned();
    let names = Names::default();
    serve_http(8080, Names::default(), false);
    serve_http(8181, Arc::clone(&names), true);
    let known = Arc::clone(&names);
    // Who does not watch any more must not answer, either: the kubelet starts it again.
    std::thread::spawn(move || {
        let ended = std::panic::catch_unwind(|| watch(&known, &domain));
        println!("the watch ended: {ended:?}");
        std::process::exit(1);
    });
    serve_dns(&names);
}

/// 200 when alive, or when names are known.
fn serve_http(port: u16, names: Names, ready: bool) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Who asked may be gone by now, taken back in time.
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let good = !ready || !names.read().unwrap().is_empty();
            let word = if good { "200 OK" } else { "503 Not Ready" };
            let _ =
                write!(stream, "HTTP/1.1 {word}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
}

fn watch(names: &Names, domain: &str) {
    let authority = std::fs::read(format!("{ACCOUNT}/ca.crt")).unwrap();
    let certificates: Vec<Certificate<'static>> = parse_pem(&authority)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build();
    let config = ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(PATIENCE));
    let agent = config.build().new_agent();
    let host = std::env::var("KUBERNETES_SERVICE_HOST").unwrap();
    loop {
        // It is away while it is signed anew.
        let Ok(token) = std::fs::read_to_string(format!("{ACCOUNT}/token")) else {
            println!("there is no token");
            std::thread::sleep(Duration::from_secs(1));
            continue;
        };
        let asked = agent
            .get(format!("https://{host}/api/v1/services"))
            .header("Authorization", format!("Bearer {}", token.trim()))
            .call();
        match asked.map(|mut answer| answer.body_mut().read_to_string()) {
            Ok(Ok(text)) => {
                let list: serde_json::Value = serde_json::from_str(&text).unwrap();
                let entry = |item: &serde_json::Value| {
                    let (name, space) = (&item["metadata"]["name"], &item["metadata"]["namespace"]);
                    let address = item["spec"]["clusterIP"].as_str()?.parse().ok()?;
                    Some((format!("{}.{}.svc.{domain}", name.as_str()?, space.as_str()?), address))
                };
                *names.write().unwrap() =
                    list["items"].as_array().unwrap().iter().filter_map(entry).collect();
            }
            other => println!("the API said {other:?}"),
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Answers A questions; everything else does not exist.
fn serve_dns(names: &Names) {
    let socket = UdpSocket::bind(("0.0.0.0", 53)).unwrap();
    let mut packet = [0; 1500];
    loop {
        let Ok((size, peer)) = socket.recv_from(&mut packet) else { continue };
        let Some(answer) = answer(&packet[..size], names) else { continue };
        let _ = socket.send_to(&answer, peer);
    }
}

fn answer(question: &[u8], names: &Names) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while *question.get(at)? != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(question.get(at + 1..at + 1 + length)?).into_owned());
        at += 1 + length;
    }
    let end = at + 5;
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    let found = names.read().unwrap().get(&labels.join(".").to_lowercase()).copied();
    let (code, count) = match found {
        Some(_) if kind == 1 => (0u8, 1u8),
        Some(_) => (0, 0),
        None => (3, 0),
    };
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question.get(12..end)?);
    if count == 1 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(found?.octets());
    }
    Some(answer)
}

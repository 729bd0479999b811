//! The SSH client against a server in this process: wrong host keys, refused logins, silent and
//! slow servers, connections cut at any byte.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lab::drivers::guest::ssh::{Route, Ssh, Target, quote};
use lab::drivers::guest::{Guest, Login, Put, shown_key};
use lab::model::File;
use lab::pki::{SshKeys, generate_ssh_key};
use tokio::net::TcpListener;

use crate::rig::served::{Faults, Server};

/// More than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn sound() -> Server {
    faulty(Faults::default()).await
}

async fn faulty(faults: Faults) -> Server {
    Server::with_shell(faults, "").await
}

fn target(server: &Server) -> Target {
    server.target("worker1", PATIENCE)
}

fn file(path: &Path, content: &str) -> Put {
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    Put::File(File {
        path: path.display().to_string(),
        mode: 0o640,
        owner: format!("{uid}:{gid}"),
        content: content.into(),
        secret: false,
        transient: false,
        unless: None,
    })
}

#[tokio::test]
async fn scripts_run_and_one_connection_serves_all() {
    let rig = sound().await;
    let ssh = Ssh::new(target(&rig));
    let output = ssh.run("echo out; echo err >&2; exit 7").await.unwrap();
    assert_eq!((output.status, output.text().as_str()), (7, "out\nerr\n"));
    for number in 0..5 {
        let output = ssh.run(&format!("echo {number}")).await.unwrap();
        assert_eq!(output.stdout, format!("{number}\n").as_bytes());
    }
    assert_eq!(rig.faults.connections.load(Ordering::SeqCst), 1);
}

/// A guest of ill will answers for ever: what is kept of it has an end.
#[tokio::test]
async fn an_answer_without_end_is_not_listened_to() {
    let rig = sound().await;
    let error = Ssh::new(target(&rig)).run("head -c 40000000 /dev/zero").await.unwrap_err();
    assert!(error.message.contains("it answered more than 32 MiB"), "{error}");
    let output = Ssh::new(target(&rig)).run("head -c 30000000 /dev/zero").await.unwrap();
    assert_eq!((output.status, output.stdout.len()), (0, 30_000_000));
}

#[tokio::test]
async fn a_script_that_fails_in_the_middle_stops_there() {
    let rig = sound().await;
    let output = Ssh::new(target(&rig)).run("echo one\nfalse\necho two").await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (1, b"one\n".as_slice()));
}

#[tokio::test]
async fn another_host_key_ends_it_before_any_login() {
    let rig = sound().await;
    let other = generate_ssh_key().unwrap();
    let target = Target { host_keys: vec![SshKeys::public(&other).unwrap()], ..target(&rig) };
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1002", "{error}");
    assert!(error.message.contains("worker1") && error.message.contains("host key"), "{error}");
    assert!(error.hint.unwrap().contains("nothing was sent"));
    assert!(!error.retry, "it must not try again");
    assert_eq!(rig.faults.logins.load(Ordering::SeqCst), 0, "a login was tried on a wrong host");
    // With nearly all its patience left, it did not knock again.
    assert_eq!(rig.faults.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_login_refused_while_the_guest_boots_is_tried_again() {
    let rig = faulty(Faults { refuse: Arc::new(3.into()), ..Faults::default() }).await;
    let output = Ssh::new(target(&rig)).run("echo in").await.unwrap();
    assert_eq!(output.stdout, b"in\n");
    assert!(rig.faults.connections.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_login_refused_for_good_says_so() {
    let refuse = Arc::new(usize::MAX.into());
    let rig = faulty(Faults { refuse, ..Faults::default() }).await;
    // Long enough for a key exchange beside whatever else this computer does.
    let target = Target { patience: Duration::from_secs(5), ..target(&rig) };
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1003", "{error}");
    assert!(error.message.contains("login of 'lab' was refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let rig = sound().await;
    let patience = Duration::from_millis(1500);
    let target = Target { address, patience, ..target(&rig) };
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1001", "{error}");
    assert!(error.message.contains("does not say hello"), "{error}");
    // It was the client that gave up: the server still holds the connection, and would for ever.
    assert!(!silent.is_finished());
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let rig = sound().await;
    // A port that is ours from the beginning, and refuses whoever comes before it is listened at.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let hasty = Target { address, patience: Duration::ZERO, ..target(&rig) };
    assert!(Ssh::new(hasty).run("true").await.is_err(), "the port does not refuse");
    let real = rig.target("worker1", PATIENCE).address;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let listener = socket.listen(16).unwrap();
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = tokio::net::TcpStream::connect(real).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    });
    let patient = Target { address, ..target(&rig) };
    assert_eq!(Ssh::new(patient).run("echo late").await.unwrap().stdout, b"late\n");
}

#[tokio::test]
async fn files_arrive_whole_with_their_modes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state").display().to_string();
    let rig = Server::with_shell(Faults::default(), &root).await;
    let path = dir.path().join("deep/er/file");
    let text = "line\n'quotes\" $(id) `id` \\ %n {{ x }} é\n";
    let ssh = Ssh::new(target(&rig));
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    let private = Put::Directory(
        dir.path().join("private").display().to_string(),
        0o700,
        format!("{uid}:{gid}"),
    );
    for _ in 0..2 {
        ssh.put(&[private.clone(), file(&path, text)]).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(
        std::fs::metadata(dir.path().join("private")).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let staged = std::fs::read_dir(dir.path().join("state")).unwrap().count();
    assert_eq!(staged, 0, "the staging folder stayed");
}

#[tokio::test]
async fn a_connection_cut_at_any_byte_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("state").display().to_string();
    let path = dir.path().join("file");
    std::fs::write(&path, "old").unwrap();
    for cut in [1, 100, 511, 512, 513, 1024, 1500, 2048, 3000, 5000] {
        let faults = Faults { cut_after: Some(cut), ..Faults::default() };
        let rig = Server::with_shell(faults, &root).await;
        let error = Ssh::new(target(&rig)).put(&[file(&path, "new\n")]).await.unwrap_err();
        assert!(error.message.contains("worker1"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "cut after {cut} bytes");
    }
    let rig = Server::with_shell(Faults::default(), &root).await;
    Ssh::new(target(&rig)).put(&[file(&path, "new\n")]).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
}

#[tokio::test]
async fn after_a_lost_connection_the_next_command_connects_again() {
    let rig = sound().await;
    let broken = Ssh::new(target(&rig));
    assert_eq!(broken.run("echo 1").await.unwrap().stdout, b"1\n");
    let session = broken.session().await.unwrap();
    session.disconnect(russh::Disconnect::ByApplication, "", "").await.unwrap();
    while !session.is_closed() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(broken.run("echo 2").await.unwrap().stdout, b"2\n");
    assert_eq!(rig.faults.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_died_unnoticed_is_made_anew_before_anything_is_begun() {
    let rig = faulty(Faults { hang_up: Arc::new(2.into()), ..Faults::default() }).await;
    let guest = Ssh::new(target(&rig));
    assert_eq!(guest.run("echo 1").await.unwrap().stdout, b"1\n");
    assert_eq!(rig.faults.connections.load(Ordering::SeqCst), 3);
    guest.hang_up().await.unwrap();
    assert_eq!(guest.run("echo 2").await.unwrap().stdout, b"2\n");
    assert_eq!(rig.faults.connections.load(Ordering::SeqCst), 4);
    rig.faults.hang_up.store(usize::MAX, Ordering::SeqCst);
    let hasty = Ssh::new(Target { patience: Duration::from_secs(1), ..target(&rig) });
    let why = hasty.run("echo 3").await.unwrap_err();
    assert!(why.message.contains("reach node worker1"), "{why}");
}

#[test]
fn words_survive_a_shell() {
    for word in [
        "plain",
        "",
        "a b",
        "it's",
        "$(id)",
        "`id`",
        "a;b",
        "\\",
        "\"",
        "new\nline",
        "*",
        "-x",
        "é",
    ] {
        let script = format!("printf %s {}", quote(word));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.stdout, word.as_bytes());
    }
}

/// Existing machines: by a person's own keys, and any of the host keys that are known.
#[tokio::test]
async fn a_person_logs_in_by_keys_of_their_own() {
    let rig = sound().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("id_ed25519");
    let person = |login: Login| Ssh::new(Target { login, ..target(&rig) });
    let said = person(Login::Person(home.path().into())).run("true").await.unwrap_err();
    assert!(said.message.contains("there is no key") && !said.retry, "{said:?}");
    std::fs::write(&file, "no key").unwrap();
    let said = person(Login::File(file.clone())).run("true").await.unwrap_err();
    assert!(said.message.contains("id_ed25519 cannot be used") && !said.retry, "{said:?}");
    std::fs::write(&file, generate_ssh_key().unwrap()).unwrap();
    let said = person(Login::File(file.clone())).run("true").await.unwrap_err();
    assert_eq!((said.code.id, said.retry), ("L1003", false), "{said:?}");
    assert!(said.hint.unwrap().contains("`ssh -p "));
    std::fs::write(&file, &rig.user_key).unwrap();
    for login in [Login::File(file), Login::Person(home.path().into())] {
        assert_eq!(person(login).run("exit 3").await.unwrap().status, 3);
    }
    let mut several = target(&rig);
    several.host_keys.insert(0, SshKeys::public(&generate_ssh_key().unwrap()).unwrap());
    assert_eq!(Ssh::new(several).run("exit 4").await.unwrap().status, 4);
}

#[tokio::test]
async fn a_stranger_shows_its_key_and_nobody_logs_in() {
    let rig = sound().await;
    let shown = shown_key(&Route::Direct, rig.address).await.unwrap();
    assert_eq!(shown.to_openssh().unwrap(), SshKeys::public(&rig.host_key).unwrap());
    assert_eq!(rig.faults.logins.load(Ordering::SeqCst), 0);
}

/// What is sent in pieces arrives as it was, and a piece that cannot be had ends it.
#[tokio::test]
async fn an_input_in_pieces_arrives_whole_or_not_at_all() {
    let rig = sound().await;
    let ssh = Ssh::new(target(&rig));
    let pieces = (0..64_u8).map(|number| Ok(vec![number; 10_000]));
    let output = ssh.exec_with("sha256sum", pieces).await.unwrap();
    let whole: Vec<u8> = (0..64_u8).flat_map(|number| vec![number; 10_000]).collect();
    let sum = lab::render::sha256(std::str::from_utf8(&whole).unwrap());
    assert!(output.text().starts_with(&sum), "{}", output.text());
    let broken = [Ok(vec![1]), Err(std::io::Error::other("the disk is gone"))];
    let said = ssh.exec_with("cat", broken.into_iter()).await.unwrap_err();
    assert!(said.message.contains("the disk is gone"), "{said}");
}

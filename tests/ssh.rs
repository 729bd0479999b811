//! The SSH client against a server in this process: wrong host keys, refused logins, silent and
//! slow servers, connections cut at any byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lab::drivers::guest::ssh::{Route, Ssh, Target, quote};
use lab::drivers::guest::{Guest, Put};
use lab::model::File;
use lab::pki::{SshKeys, generate_ssh_key};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::net::TcpListener;

/// How the server misbehaves.
#[derive(Clone, Default)]
struct Script {
    /// Refuses this many logins first.
    refuse: Arc<AtomicUsize>,
    /// Hangs up this many times when a channel shall be opened.
    hang_up: Arc<AtomicUsize>,
    /// Hangs up once this many bytes of input arrived.
    cut_after: Option<usize>,
    /// Folder that stands for /var/lib/lab.
    root: String,
    /// Logins that were asked for.
    logins: Arc<AtomicUsize>,
    /// Connections that were opened.
    connections: Arc<AtomicUsize>,
}

struct Server {
    script: Script,
    input: Vec<u8>,
    command: String,
    allowed: PublicKey,
}

impl russh::server::Handler for Server {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.script.logins.fetch_add(1, Ordering::SeqCst);
        let left = self.script.refuse.load(Ordering::SeqCst);
        if left > 0 {
            self.script.refuse.store(left - 1, Ordering::SeqCst);
            return Ok(Auth::reject());
        }
        let known = user == "lab" && key.public_key.key_data() == self.allowed.key_data();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let left = self.script.hang_up.load(Ordering::SeqCst);
        if left > 0 {
            self.script.hang_up.store(left - 1, Ordering::SeqCst);
            return Err(russh::Error::Disconnect);
        }
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let text = String::from_utf8_lossy(data).replace("sudo -n ", "");
        self.command = text.replace("/var/lib/lab", &self.script.root);
        self.input.clear();
        session.channel_success(channel)
    }

    async fn data(
        &mut self,
        _channel: ChannelId,
        data: &[u8],
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.input.extend_from_slice(data);
        match self.script.cut_after {
            Some(limit) if self.input.len() >= limit => Err(russh::Error::Disconnect),
            _ => Ok(()),
        }
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.script.cut_after.is_some() {
            return Err(russh::Error::Disconnect);
        }
        let (command, input) = (self.command.clone(), std::mem::take(&mut self.input));
        let output = tokio::task::spawn_blocking(move || {
            let mut child = std::process::Command::new("/bin/sh")
                .args(["-c", &command])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            child.stdin.take().unwrap().write_all(&input)?;
            child.wait_with_output()
        })
        .await
        .unwrap()?;
        session.data(channel, output.stdout)?;
        session.extended_data(channel, 1, output.stderr)?;
        session.exit_status_request(channel, output.status.code().unwrap_or(255) as u32)?;
        session.close(channel)
    }
}

struct Rig {
    address: SocketAddr,
    user_key: String,
    host_key: String,
    script: Script,
}

impl Rig {
    async fn start(script: Script) -> Self {
        let (user_key, host_key) = (generate_ssh_key().unwrap(), generate_ssh_key().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(russh::server::Config {
            keys: vec![PrivateKey::from_openssh(&host_key).unwrap()],
            auth_rejection_time: Duration::from_millis(10),
            ..Default::default()
        });
        let allowed = PrivateKey::from_openssh(&user_key).unwrap().public_key().clone();
        let rig = Self { address, user_key, host_key, script: script.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                script.connections.fetch_add(1, Ordering::SeqCst);
                let server = Server {
                    script: script.clone(),
                    input: Vec::new(),
                    command: String::new(),
                    allowed: allowed.clone(),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, server).await {
                        let _ = session.await;
                    }
                });
            }
        });
        rig
    }

    fn target(&self) -> Target {
        Target {
            node: "worker1".into(),
            address: self.address,
            route: Route::Direct,
            user: "lab".into(),
            key: self.user_key.clone(),
            host_key: SshKeys::public(&self.host_key).unwrap(),
            patience: Duration::from_secs(10),
        }
    }
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
    })
}

#[tokio::test]
async fn scripts_run_and_one_connection_serves_all() {
    let rig = Rig::start(Script::default()).await;
    let ssh = Ssh::new(rig.target());
    let output = ssh.run("echo out; echo err >&2; exit 7").await.unwrap();
    assert_eq!((output.status, output.text().as_str()), (7, "out\nerr\n"));
    for number in 0..5 {
        let output = ssh.run(&format!("echo {number}")).await.unwrap();
        assert_eq!(output.stdout, format!("{number}\n").as_bytes());
    }
    assert_eq!(rig.script.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_script_that_fails_in_the_middle_stops_there() {
    let rig = Rig::start(Script::default()).await;
    let output = Ssh::new(rig.target()).run("echo one\nfalse\necho two").await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (1, b"one\n".as_slice()));
}

#[tokio::test]
async fn another_host_key_ends_it_before_any_login() {
    let rig = Rig::start(Script::default()).await;
    let other = generate_ssh_key().unwrap();
    let target = Target { host_key: SshKeys::public(&other).unwrap(), ..rig.target() };
    let start = Instant::now();
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1002", "{error}");
    assert!(error.message.contains("worker1") && error.message.contains("host key"), "{error}");
    assert!(error.hint.unwrap().contains("nothing was sent"));
    assert!(!error.retry && start.elapsed() < Duration::from_secs(5), "it must not try again");
    assert_eq!(rig.script.logins.load(Ordering::SeqCst), 0, "a login was tried on a wrong host");
    assert_eq!(rig.script.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_login_refused_while_the_guest_boots_is_tried_again() {
    let script = Script { refuse: Arc::new(AtomicUsize::new(3)), ..Script::default() };
    let rig = Rig::start(script).await;
    let output = Ssh::new(rig.target()).run("echo in").await.unwrap();
    assert_eq!(output.stdout, b"in\n");
    assert!(rig.script.connections.load(Ordering::SeqCst) >= 2);
}

#[tokio::test]
async fn a_login_refused_for_good_says_so() {
    let rig =
        Rig::start(Script { refuse: Arc::new(AtomicUsize::new(10_000)), ..Script::default() })
            .await;
    let target = Target { patience: Duration::from_millis(800), ..rig.target() };
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1003", "{error}");
    assert!(error.message.contains("login of 'lab' was refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let rig = Rig::start(Script::default()).await;
    let target = Target { address, patience: Duration::from_millis(1500), ..rig.target() };
    let start = Instant::now();
    let error = Ssh::new(target).run("true").await.unwrap_err();
    assert_eq!(error.code.id, "L1001", "{error}");
    assert!(error.message.contains("does not say hello"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_comes_late_is_waited_for() {
    let rig = Rig::start(Script::default()).await;
    // A port that refuses first and is served later.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let real = rig.address;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let (mut from, _) = listener.accept().await.unwrap();
        let mut to = tokio::net::TcpStream::connect(real).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
    });
    let target = Target { address, ..rig.target() };
    assert_eq!(Ssh::new(target).run("echo late").await.unwrap().stdout, b"late\n");
}

#[tokio::test]
async fn files_arrive_whole_with_their_modes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script =
        Script { root: dir.path().join("state").display().to_string(), ..Script::default() };
    let rig = Rig::start(script).await;
    let path = dir.path().join("deep/er/file");
    let text = "line\n'quotes\" $(id) `id` \\ %n {{ x }} é\n";
    let ssh = Ssh::new(rig.target());
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
        let script = Script { cut_after: Some(cut), root: root.clone(), ..Script::default() };
        let rig = Rig::start(script).await;
        let error = Ssh::new(rig.target()).put(&[file(&path, "new\n")]).await.unwrap_err();
        assert!(error.message.contains("worker1"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old", "cut after {cut} bytes");
    }
    let rig = Rig::start(Script { root, ..Script::default() }).await;
    Ssh::new(rig.target()).put(&[file(&path, "new\n")]).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
}

#[tokio::test]
async fn after_a_lost_connection_the_next_command_connects_again() {
    let rig = Rig::start(Script::default()).await;
    let broken = Ssh::new(rig.target());
    assert_eq!(broken.run("echo 1").await.unwrap().stdout, b"1\n");
    broken
        .session()
        .await
        .unwrap()
        .disconnect(russh::Disconnect::ByApplication, "", "")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(broken.run("echo 2").await.unwrap().stdout, b"2\n");
    assert_eq!(rig.script.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_that_died_unnoticed_is_made_anew_before_anything_is_begun() {
    let rig = Rig::start(Script { hang_up: Arc::new(2.into()), ..Script::default() }).await;
    let guest = Ssh::new(rig.target());
    assert_eq!(guest.run("echo 1").await.unwrap().stdout, b"1\n");
    assert_eq!(rig.script.connections.load(Ordering::SeqCst), 3);
    guest.hang_up().await.unwrap();
    assert_eq!(guest.run("echo 2").await.unwrap().stdout, b"2\n");
    assert_eq!(rig.script.connections.load(Ordering::SeqCst), 4);
    rig.script.hang_up.store(usize::MAX, Ordering::SeqCst);
    let hasty = Ssh::new(Target { patience: Duration::from_secs(1), ..rig.target() });
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

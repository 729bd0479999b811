//! SSH servers in this process: whatever the engine does to a node crosses a real connection, behind which
//! is a guest in memory or a shell of this computer, and which misbehaves as it is told.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lab::drivers::guest::ssh::{Route, Ssh, Target};
use lab::drivers::guest::{Guest, Login, Output, Put};

use lab::engine::Reach;
use lab::model::{File, Node};
use lab::pki::{SshKeys, generate_ssh_key};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::net::TcpListener;

use crate::rig::memory_guest::MemoryGuest;

/// How a server misbehaves, and what it has seen.
#[derive(Clone, Default)]
pub struct Faults {
    /// Refuses this many logins first.
    pub refuse: Arc<AtomicUsize>,
    /// Hangs up this many times when a channel shall be opened.
    pub hang_up: Arc<AtomicUsize>,
    /// Hangs up once this many bytes of input arrived, or at its end.
    pub cut_after: Option<usize>,
    /// Logins that were asked for.
    pub logins: Arc<AtomicUsize>,
    /// Connections that were opened.
    pub connections: Arc<AtomicUsize>,
}

/// Counts one down; false when nothing is left.
fn one_of(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// Who carries out what arrives.
#[derive(Clone)]
pub enum Behind {
    Memory(Arc<MemoryGuest>),
    /// A shell of this computer, for which this folder stands for /var/lib/lab.
    Shell(String),
}

impl Behind {
    /// What a command with that input leads to; nothing when the guest refuses.
    async fn carry_out(&self, command: &str, input: Vec<u8>) -> Option<Output> {
        match self {
            Self::Memory(guest) if command.contains("tar -x") => {
                guest.put(&unpack(&input)).await.ok()?;
                Some(Output::default())
            }
            Self::Memory(guest) => {
                let text = String::from_utf8_lossy(&input);
                // Before the script stand two lines: shell options and the search path.
                let script = text.splitn(3, '\n').nth(2).unwrap_or_default();
                guest.run(script.strip_suffix('\n').unwrap_or(script)).await.ok()
            }
            Self::Shell(root) => {
                let command = command.replace("sudo -n ", "").replace("/var/lib/lab", root);
                tokio::task::spawn_blocking(move || in_a_shell(&command, &input)).await.unwrap()
            }
        }
    }
}

fn in_a_shell(command: &str, input: &[u8]) -> Option<Output> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = child.stdin.take().unwrap().write_all(input);
    let done = child.wait_with_output().unwrap();
    written.ok()?;
    let status = done.status.code().unwrap_or(255) as u32;
    Some(Output { status, stdout: done.stdout, stderr: done.stderr })
}

/// The items of an archive as `Ssh` packs it.
fn unpack(bytes: &[u8]) -> Vec<Put> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        files.insert(entry.path().unwrap().display().to_string(), content);
    }
    assert!(files.contains_key("complete"), "an archive without its end was carried out");
    let item = |line: &str| {
        let parts: Vec<&str> = line.splitn(5, ' ').collect();
        let [kind, name, mode, owner, path] = parts.try_into().unwrap();
        let mode = u32::from_str_radix(mode, 8).unwrap();
        match kind {
            "d" => Put::Directory(path.into(), mode, owner.into()),
            _ => Put::File(File {
                path: path.into(),
                mode,
                owner: owner.into(),
                content: files[name].clone(),
                secret: false,
                transient: false,
                unless: None,
            }),
        }
    };
    files["manifest"].lines().map(item).collect()
}

/// One server, for as long as the runtime lives on which it was started.
pub struct Server {
    pub address: SocketAddr,
    pub user_key: String,
    pub host_key: String,
    pub faults: Faults,
}

impl Server {
    /// A shell with keys of its own.
    pub async fn with_shell(faults: Faults, root: &str) -> Self {
        let (user_key, host_key) = (generate_ssh_key().unwrap(), generate_ssh_key().unwrap());
        Self::start(Behind::Shell(root.into()), faults, &user_key, &host_key).await
    }

    async fn start(behind: Behind, faults: Faults, user_key: &str, host_key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = Arc::new(russh::server::Config {
            keys: vec![PrivateKey::from_openssh(host_key).unwrap()],
            auth_rejection_time: Duration::ZERO,
            ..Default::default()
        });
        let allowed = PrivateKey::from_openssh(user_key).unwrap().public_key().clone();
        let told = faults.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                told.connections.fetch_add(1, Ordering::SeqCst);
                // Answers are small, and each is waited for.
                stream.set_nodelay(true).unwrap();
                let talk = Talk {
                    behind: behind.clone(),
                    faults: told.clone(),
                    allowed: allowed.clone(),
                    command: String::new(),
                    input: Vec::new(),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, talk).await {
                        let _ = session.await;
                    }
                });
            }
        });
        let (user_key, host_key) = (user_key.to_owned(), host_key.to_owned());
        Self { address, user_key, host_key, faults }
    }

    /// The way to it, for somebody with that patience.
    pub fn target(&self, node: &str, patience: Duration) -> Target {
        Target {
            node: node.into(),
            address: self.address,
            route: Route::Direct,
            user: "lab".into(),
            login: Login::Key(self.user_key.clone()),
            host_keys: vec![SshKeys::public(&self.host_key).unwrap()],
            patience,
        }
    }
}

/// One connection.
struct Talk {
    behind: Behind,
    faults: Faults,
    allowed: PublicKey,
    command: String,
    input: Vec<u8>,
}

impl russh::server::Handler for Talk {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        self.faults.logins.fetch_add(1, Ordering::SeqCst);
        let known = user == "lab" && key.public_key.key_data() == self.allowed.key_data();
        Ok(if known && !one_of(&self.faults.refuse) { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if one_of(&self.faults.hang_up) {
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
        self.command = String::from_utf8_lossy(data).into_owned();
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
        match self.faults.cut_after {
            Some(limit) if self.input.len() >= limit => Err(russh::Error::Disconnect),
            _ => Ok(()),
        }
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.faults.cut_after.is_some() {
            return Err(russh::Error::Disconnect);
        }
        let input = std::mem::take(&mut self.input);
        let output = self.behind.carry_out(&self.command, input).await;
        let Some(output) = output else { return Err(russh::Error::Disconnect) };
        session.data(channel, output.stdout)?;
        session.extended_data(channel, 1, output.stderr)?;
        session.exit_status_request(channel, output.status)?;
        session.close(channel)
    }
}

/// One server per guest in memory, for as long as this lives.
pub struct Served {
    _runtime: tokio::runtime::Runtime,
    servers: Arc<BTreeMap<String, Server>>,
}

impl Served {
    pub fn start(guests: &BTreeMap<String, Arc<MemoryGuest>>, keys: &SshKeys) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut servers = BTreeMap::new();
        for (name, guest) in guests {
            let behind = Behind::Memory(Arc::clone(guest));
            let server = Server::start(behind, Faults::default(), &keys.user, &keys.hosts[name]);
            servers.insert(name.clone(), runtime.block_on(server));
        }
        Self { _runtime: runtime, servers: Arc::new(servers) }
    }

    pub fn reach(&self) -> Reach {
        let servers = Arc::clone(&self.servers);
        Arc::new(move |node: &Node| {
            // These servers always listen. A processor that others keep busy is no answer of theirs.
            let target = servers[&node.name].target(&node.name, Duration::from_secs(60));
            Arc::new(Ssh::new(target)) as Arc<dyn Guest>
        })
    }
}

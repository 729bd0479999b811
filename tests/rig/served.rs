//! Guests in memory behind real SSH servers in this process: whatever the engine does to a node crosses
//! a real connection, which ends where a guest refuses.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lab::drivers::guest::ssh::{Route, Ssh, Target};
use lab::drivers::guest::{Guest, Output, Put};

use lab::engine::Reach;
use lab::model::File;
use lab::model::Node;
use lab::pki::SshKeys;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tokio::net::TcpListener;

use crate::rig::memory_guest::MemoryGuest;

/// One server per guest, for as long as this lives.
pub struct Served {
    runtime: tokio::runtime::Runtime,
    addresses: BTreeMap<String, SocketAddr>,
    keys: SshKeys,
}

impl Served {
    pub fn start(guests: &BTreeMap<String, Arc<MemoryGuest>>, keys: &SshKeys) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let allowed = PrivateKey::from_openssh(&keys.user).unwrap().public_key().clone();
        let mut addresses = BTreeMap::new();
        for (name, guest) in guests {
            let host = PrivateKey::from_openssh(&keys.hosts[name]).unwrap();
            let server = Server {
                guest: Arc::clone(guest),
                allowed: allowed.clone(),
                command: String::new(),
                input: Vec::new(),
            };
            addresses.insert(name.clone(), runtime.block_on(serve(host, server)));
        }
        Self { runtime, addresses, keys: keys.clone() }
    }

    pub fn reach(&self) -> Reach {
        let (addresses, keys) = (self.addresses.clone(), self.keys.clone());
        Arc::new(move |node: &Node| {
            let target = Target {
                node: node.name.clone(),
                address: addresses[&node.name],
                route: Route::Direct,
                user: "lab".into(),
                key: keys.user.clone(),
                host_key: SshKeys::public(&keys.hosts[&node.name]).unwrap(),
                patience: Duration::from_millis(100),
            };
            Arc::new(Ssh::new(target)) as Arc<dyn Guest>
        })
    }
}

async fn serve(host: PrivateKey, server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(russh::server::Config {
        keys: vec![host],
        auth_rejection_time: Duration::ZERO,
        ..Default::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Answers are small, and each is waited for.
            stream.set_nodelay(true).unwrap();
            let (config, server) = (Arc::clone(&config), server.clone());
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, server).await {
                    let _ = session.await;
                }
            });
        }
    });
    address
}

#[derive(Clone)]
struct Server {
    guest: Arc<MemoryGuest>,
    allowed: PublicKey,
    command: String,
    input: Vec<u8>,
}

impl Server {
    /// What the command does to the guest; nothing when the guest refuses.
    async fn carry_out(&self) -> Option<Output> {
        if self.command.contains("tar -x") {
            self.guest.put(&unpack(&self.input)).await.ok()?;
            return Some(Output::default());
        }
        let text = String::from_utf8_lossy(&self.input);
        // Before the script stand two lines: shell options and the search path.
        let script = text.splitn(3, '\n').nth(2).unwrap_or_default();
        self.guest.run(script.strip_suffix('\n').unwrap_or(script)).await.ok()
    }
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
            }),
        }
    };
    files["manifest"].lines().map(item).collect()
}

impl russh::server::Handler for Server {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let known = user == "lab" && key.public_key.key_data() == self.allowed.key_data();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
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
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(output) = self.carry_out().await else { return Err(russh::Error::Disconnect) };
        session.data(channel, output.stdout)?;
        session.exit_status_request(channel, output.status)?;
        session.close(channel)
    }
}

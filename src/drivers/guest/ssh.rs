//! Guests over SSH. The host key is known before the first connection: another one ends it before
//! any authentication. One connection per node serves all stages.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::Channel;
use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, ssh_key};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::drivers::guest::heard::{Heard, LONGEST, LONGEST_TALK, MOST_HEARD};
use crate::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use crate::drivers::provider::private;
use crate::model::code;
pub use crate::render::quote;

/// How the node's network is reached.
#[derive(Clone, Debug)]
pub enum Route {
    /// From this computer's own network.
    Direct,
    /// Through the supervisor of a private provider, at its socket.
    Private(PathBuf),
}

impl Route {
    /// Opens a TCP connection.
    ///
    /// # Errors
    /// When nobody listens, or the way there is closed.
    pub async fn dial(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        match self {
            Route::Direct => {
                let connect = TcpStream::connect(address);
                let limit = tokio::time::timeout(Duration::from_secs(5), connect);
                limit.await.map_err(|_| std::io::Error::other("no answer in 5 s"))?
            }
            Route::Private(socket) => {
                let socket = socket.clone();
                let dial = move || private::dial(&socket, address);
                let stream =
                    tokio::task::spawn_blocking(dial).await.map_err(std::io::Error::other)??;
                stream.set_nonblocking(true)?;
                TcpStream::from_std(stream)
            }
        }
    }
}

/// Where a node is, who it must be, and who we are.
#[derive(Clone, Debug)]
pub struct Target {
    /// Node name, for messages.
    pub node: String,
    /// Address of its sshd.
    pub address: SocketAddr,
    /// The way there.
    pub route: Route,
    /// Login name.
    pub user: String,
    /// Our key, OpenSSH format.
    pub key: String,
    /// The node's public host key, OpenSSH format.
    pub host_key: String,
    /// How long it may take until the node lets us in.
    pub patience: Duration,
}

/// A node over SSH; connects when first used, and again after the connection was lost.
pub struct Ssh {
    target: Target,
    session: Mutex<Slot>,
}

/// The connection, or why there was none when somebody last tried.
#[derive(Default)]
struct Slot {
    handle: Option<Arc<Handle<Pinned>>>,
    failed: Option<(Instant, GuestError)>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ssh({})", self.target.node)
    }
}

/// Accepts one host key and no other.
#[derive(Debug)]
pub struct Pinned {
    expected: PublicKey,
}

impl client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(matches!(key, russh::keys::PublicKeyOrCertificate::PublicKey { key, .. }
            if key.key_data() == self.expected.key_data()))
    }
}

const PAUSE: Duration = Duration::from_millis(300);

impl Ssh {
    /// A node that is not connected yet.
    pub fn new(target: Target) -> Self {
        Self { target, session: Mutex::default() }
    }

    /// Connects unless connected, within the target's patience.
    ///
    /// # Errors
    /// A wrong host key at once; anything that may pass after the patience has run out.
    pub async fn session(&self) -> Result<Arc<Handle<Pinned>>, GuestError> {
        let asked = Instant::now();
        let mut slot = self.session.lock().await;
        if let Some(handle) = slot.handle.as_ref().filter(|handle| !handle.is_closed()) {
            return Ok(Arc::clone(handle));
        }
        // Whoever queued while another waited in vain need not wait as long again.
        if let Some((_, error)) = slot.failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(error.clone());
        }
        let deadline = asked + self.target.patience;
        loop {
            match self.connect(deadline).await {
                Ok(handle) => {
                    let handle = Arc::new(handle);
                    slot.handle = Some(Arc::clone(&handle));
                    return Ok(handle);
                }
                Err(error) if !error.retry || Instant::now() >= deadline => {
                    slot.failed = Some((Instant::now(), error.clone()));
                    return Err(error);
                }
                // A guest that boots offers no event across the network: ask again.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn fail(&self, what: impl std::fmt::Display) -> GuestError {
        let Target { node, address, .. } = &self.target;
        GuestError::new(format!("reach node {node} at {address} by SSH: {what}"))
    }

    async fn connect(&self, deadline: Instant) -> Result<Handle<Pinned>, GuestError> {
        let target = &self.target;
        let broken = |error: ssh_key::Error| GuestError { retry: false, ..self.fail(error) };
        let expected = PublicKey::from_openssh(&target.host_key).map_err(broken)?;
        let key = PrivateKey::from_openssh(&target.key).map_err(broken)?;
        let stream = target.route.dial(target.address).await.map_err(|error| self.fail(error))?;
        stream.set_nodelay(true).map_err(|error| self.fail(error))?;
        let config = client::Config {
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_max: 10,
            preferred: russh::Preferred {
                key: std::borrow::Cow::Borrowed(&[ssh_key::Algorithm::Ed25519]),
                ..russh::Preferred::DEFAULT
            },
            nodelay: true,
            ..client::Config::default()
        };
        let hello = client::connect_stream(Arc::new(config), stream, Pinned { expected });
        // A server that accepts and then says nothing must not hold us for ever, but an emulated
        // guest may take its time over the key exchange.
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        let limit = left.min(Duration::from_secs(60));
        let mut handle = match tokio::time::timeout(limit, hello).await {
            Ok(Ok(handle)) => handle,
            Ok(Err(russh::Error::UnknownKey)) => return Err(self.wrong_key()),
            Ok(Err(error)) => return Err(self.fail(error)),
            Err(_) => return Err(self.fail("the server does not say hello")),
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let login = handle.authenticate_publickey(&target.user, key);
        match tokio::time::timeout(limit, login).await {
            Ok(Ok(result)) if result.success() => Ok(handle),
            // sshd answers before cloud-init has made the user: worth another try.
            Ok(Ok(_)) => Err(GuestError {
                code: &code::LOGIN,
                hint: Some("the guest's cloud-init log says whether the user was made".into()),
                ..self.fail(format!("the login of '{}' was refused", target.user))
            }),
            Ok(Err(error)) => Err(self.fail(error)),
            Err(_) => Err(self.fail("no answer to the login")),
        }
    }

    fn wrong_key(&self) -> GuestError {
        GuestError {
            code: &code::HOST_KEY,
            hint: Some(
                "another machine answers at this address, or the guest was rebuilt outside lab; \
                 nothing was sent to it"
                    .into(),
            ),
            retry: false,
            ..self.fail("the server shows a host key that is not the one made for this node")
        }
    }

    /// Opens a channel for a command of the caller's.
    ///
    /// # Errors
    /// When the node cannot be reached.
    pub async fn channel(&self) -> Result<Channel<Msg>, GuestError> {
        let deadline = Instant::now() + self.target.patience;
        loop {
            let session = self.session().await?;
            match session.channel_open_session().await {
                Ok(channel) => return Ok(channel),
                Err(error @ russh::Error::ChannelOpenFailure(_)) => return Err(self.fail(error)),
                Err(error) if Instant::now() >= deadline => return Err(self.fail(error)),
                // The connection was dead, as that to a guest that was switched off: nothing was begun.
                Err(_) => self.drop_session(&session).await,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Has the next command connect anew, unless that was done meanwhile.
    async fn drop_session(&self, dead: &Arc<Handle<Pinned>>) {
        let mut slot = self.session.lock().await;
        slot.handle.take_if(|handle| Arc::ptr_eq(handle, dead));
    }

    /// Runs `command` as the login user, feeding `input` to it.
    ///
    /// # Errors
    /// When the node cannot be reached or hangs up before the command's end.
    pub async fn exec(&self, command: &str, input: &[u8]) -> Result<Output, GuestError> {
        let channel = self.channel().await?;
        channel.exec(true, command).await.map_err(|error| self.fail(error))?;
        let (mut reader, writer) = channel.split();
        // Both ways at once: a command may answer before it has read everything.
        let send = async {
            writer.data(input).await?;
            writer.eof().await
        };
        let mut heard = Heard::default();
        let receive = async {
            while let Some(message) = reader.wait().await {
                if !heard.take(message) {
                    break;
                }
            }
        };
        // A command that ends without reading its input closes the way there; its status counts. One that is
        // not listened to any more reads nothing either.
        let talk = async {
            tokio::pin!(receive);
            tokio::select! {
                () = &mut receive => {}
                _ = send => receive.await,
            }
        };
        let in_time = tokio::time::timeout(LONGEST, talk).await;
        in_time.map_err(|_| self.fail(format!("it did not end within {LONGEST:?}")))?;
        self.ended(heard)
    }

    /// What a command left behind once its channel is closed.
    fn ended(&self, heard: Heard) -> Result<Output, GuestError> {
        if heard.is_full() {
            return Err(self.fail(format!("it answered more than {} MiB", MOST_HEARD >> 20)));
        }
        let cut = || self.fail("the connection was cut before the command ended");
        let status = heard.status.ok_or_else(cut)?;
        Ok(Output { status, ..heard.output })
    }
}

/// Unpacks a tar archive from standard input beside each target and renames into place, so that a
/// cut connection leaves no half-written file. A file is never readable by more than its mode says.
const RECEIVE: &str = include_str!("receive.sh");

fn archive(items: &[Put]) -> std::io::Result<Vec<u8>> {
    let mut manifest = String::new();
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        builder.append_data(&mut header, name, content)
    };
    for (index, item) in items.iter().enumerate() {
        match item {
            Put::Directory(path, mode, owner) => {
                manifest.push_str(&format!("d - {mode:o} {owner} {path}\n"));
            }
            Put::File(file) => {
                let name = format!("f{index}");
                manifest
                    .push_str(&format!("f {name} {:o} {} {}\n", file.mode, file.owner, file.path));
                add(&name, file.content.as_bytes())?;
            }
        }
    }
    add("manifest", manifest.as_bytes())?;
    add("complete", b"")?;
    builder.into_inner()
}

impl Guest for Ssh {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            // Some distributions keep /usr/local out of what sudo searches.
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            let text = format!("set -eu\nexport PATH={path}\n{script}\n");
            self.exec("sudo -n /bin/sh -s", text.as_bytes()).await
        })
    }

    fn talk<'a>(&'a self, script: &'a str, reply: &'a Reply<'a>) -> Answer<'a, Output> {
        Box::pin(async move {
            let channel = self.channel().await?;
            let command = format!("sudo -n /bin/sh -euc {}", quote(script));
            channel.exec(true, command).await.map_err(|error| self.fail(error))?;
            let (mut reader, writer) = channel.split();
            let mut heard = Heard::default();
            let talk = async {
                let mut answered = 0;
                while let Some(message) = reader.wait().await {
                    if !heard.take(message) {
                        break;
                    }
                    let said = &heard.output.stdout;
                    while let Some(end) = said[answered..].iter().position(|byte| *byte == b'\n') {
                        let line = String::from_utf8_lossy(&said[answered..answered + end]);
                        let answer = format!("{}\n", reply(&line));
                        answered += end + 1;
                        // A script that ended does not listen; its status counts.
                        let _ = writer.data(answer.as_bytes()).await;
                    }
                }
            };
            let in_time = tokio::time::timeout(LONGEST_TALK, talk).await;
            in_time.map_err(|_| self.fail(format!("it did not end within {LONGEST_TALK:?}")))?;
            self.ended(heard)
        })
    }

    fn hang_up(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.session.lock().await.handle = None;
            Ok(())
        })
    }

    fn put<'a>(&'a self, items: &'a [Put]) -> Answer<'a, ()> {
        Box::pin(async move {
            let bytes = archive(items).map_err(|error| self.fail(error))?;
            let command = format!("sudo -n /bin/sh -c {}", quote(RECEIVE));
            let output = self.exec(&command, &bytes).await?;
            if output.status == 0 {
                return Ok(());
            }
            let why = format!("files could not be written: {}", output.text().trim());
            Err(GuestError { code: &code::STEP, retry: false, ..self.fail(why) })
        })
    }
}

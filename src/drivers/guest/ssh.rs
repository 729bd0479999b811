//! Guests over SSH. The host key is known before the first connection: another one ends it before
//! any authentication. One connection per node serves all stages.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::Channel;
use russh::client::{self, Handle, Msg};
use russh::keys::{PublicKey, ssh_key};
use tokio::sync::Mutex;

use crate::drivers::guest::heard::{Heard, LONGEST, LONGEST_TALK, MOST_HEARD};
use crate::drivers::guest::login::{Login, Refused};
pub use crate::drivers::guest::pinned::Pinned;
use crate::drivers::guest::receive::{RECEIVE, archive};
pub use crate::drivers::guest::route::{Gate, Route, Stream};
use crate::drivers::guest::{Answer, Guest, GuestError, Output, Put, Reply};
use crate::model::code;
pub use crate::render::quote;

/// Where a node is, who it must be, and who we are.
#[derive(Clone)]
pub struct Target {
    /// Node name, for messages.
    pub node: String,
    /// Address of its sshd.
    pub address: SocketAddr,
    /// The way there.
    pub route: Route,
    /// Login name.
    pub user: String,
    /// By which key.
    pub login: Login,
    /// The node's public host keys, OpenSSH format: one of them it must show.
    pub host_keys: Vec<String>,
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

/// Why an input did not arrive as a whole.
enum Sent {
    /// A piece of it could not be had.
    Piece(std::io::Error),
    /// The command did not listen, or the connection was cut.
    Way,
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
        let expected = target.host_keys.iter().map(|key| PublicKey::from_openssh(key));
        let expected = expected.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        // What it is asked to show: a key that we know.
        let algorithms: Vec<_> = expected.iter().map(PublicKey::algorithm).collect();
        let stream =
            target.route.dial(target.address).await.map_err(|error| self.no_way(&error))?;
        let config = client::Config {
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_max: 10,
            preferred: russh::Preferred {
                key: std::borrow::Cow::Owned(algorithms),
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
        let login = target.login.log_in(&mut handle, &target.user);
        match tokio::time::timeout(limit, login).await {
            Ok(Ok(())) => Ok(handle),
            Ok(Err(refused)) => Err(self.refused(refused)),
            Err(_) => Err(self.fail("no answer to the login")),
        }
    }

    /// What a bastion says of itself is said as it is.
    fn no_way(&self, error: &std::io::Error) -> GuestError {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<GuestError>());
        inner.cloned().unwrap_or_else(|| self.fail(error))
    }

    fn refused(&self, refused: Refused) -> GuestError {
        let Target { user, address, login, .. } = &self.target;
        let (why, is_of_guest) = match refused {
            Refused::Lost(error) => return self.fail(error),
            Refused::Here(why) => (why, false),
            Refused::ByServer => {
                (format!("the login of '{user}' was refused"), matches!(login, Login::Key(_)))
            }
        };
        let hint = match is_of_guest {
            true => "the guest's cloud-init log says whether the user was made".into(),
            false => format!(
                "does `ssh -p {} {user}@{}` let you in? `ssh.user` and `ssh.key` of the topology say who logs in",
                address.port(),
                address.ip()
            ),
        };
        // sshd of a guest answers before cloud-init has made the user: worth another try.
        GuestError { code: &code::LOGIN, hint: Some(hint), retry: is_of_guest, ..self.fail(why) }
    }

    /// A command of root's. Who is root already may have no sudo.
    pub(crate) fn as_root(&self, command: &str) -> String {
        match self.target.user.as_str() {
            "root" => command.to_owned(),
            _ => format!("sudo -n {command}"),
        }
    }

    fn wrong_key(&self) -> GuestError {
        let (hint, why) = match self.target.login {
            Login::Key(_) => (
                "another machine answers at this address, or the guest was rebuilt outside lab; \
                 nothing was sent to it",
                "the server shows a host key that is not the one made for this node",
            ),
            Login::File(_) | Login::Person(_) => (
                "another machine answers at this address, or the machine was set up anew: then its new key belongs \
                 into the topology or known_hosts; nothing was sent to it",
                "the server shows a host key that is not the one that `host_key` or known_hosts says",
            ),
        };
        GuestError {
            code: &code::HOST_KEY,
            hint: Some(hint.into()),
            retry: false,
            ..self.fail(why)
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
        self.exec_with(command, std::iter::once(Ok(input.to_owned()))).await
    }

    /// The same with an input that comes in pieces, and is never in memory as a whole. Where a piece cannot be had,
    /// the command is cut.
    ///
    /// # Errors
    /// As [`Ssh::exec`], and when a piece cannot be had.
    pub async fn exec_with(
        &self,
        command: &str,
        input: impl Iterator<Item = std::io::Result<Vec<u8>>>,
    ) -> Result<Output, GuestError> {
        let channel = self.channel().await?;
        channel.exec(true, command).await.map_err(|error| self.fail(error))?;
        let (mut reader, writer) = channel.split();
        // Both ways at once: a command may answer before it has read everything.
        let send = async {
            for piece in input {
                writer.data(piece.map_err(Sent::Piece)?.as_slice()).await.map_err(|_| Sent::Way)?;
            }
            writer.eof().await.map_err(|_| Sent::Way)
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
                () = &mut receive => Ok(()),
                sent = send => match sent {
                    Err(Sent::Piece(error)) => Err(error),
                    _ => {
                        receive.await;
                        Ok(())
                    }
                },
            }
        };
        let in_time = tokio::time::timeout(LONGEST, talk).await;
        let talked =
            in_time.map_err(|_| self.fail(format!("it did not end within {LONGEST:?}")))?;
        talked.map_err(|error| self.fail(error))?;
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

impl Gate for Ssh {
    fn open(
        &self,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Stream>> + Send + '_>> {
        Box::pin(async move {
            let session = self.session().await.map_err(std::io::Error::other)?;
            let (host, port) = (address.ip().to_string(), u32::from(address.port()));
            let opened = session.channel_open_direct_tcpip(host, port, "127.0.0.1", 0).await;
            let channel = opened.map_err(|error| {
                std::io::Error::other(format!("through {}: {error}", self.target.node))
            })?;
            Ok(Box::new(channel.into_stream()) as Stream)
        })
    }
}

impl Guest for Ssh {
    fn run<'a>(&'a self, script: &'a str) -> Answer<'a, Output> {
        Box::pin(async move {
            // Some distributions keep /usr/local out of what sudo searches.
            let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
            let text = format!("set -eu\nexport PATH={path}\n{script}\n");
            self.exec(&self.as_root("/bin/sh -s"), text.as_bytes()).await
        })
    }

    fn talk<'a>(&'a self, script: &'a str, reply: &'a Reply<'a>) -> Answer<'a, Output> {
        Box::pin(async move {
            let channel = self.channel().await?;
            let command = self.as_root(&format!("/bin/sh -euc {}", quote(script)));
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
            let command = self.as_root(&format!("/bin/sh -c {}", quote(RECEIVE)));
            let output = self.exec(&command, &bytes).await?;
            if output.status == 0 {
                return Ok(());
            }
            let why = format!("files could not be written: {}", output.text().trim());
            Err(GuestError { code: &code::STEP, retry: false, ..self.fail(why) })
        })
    }
}

//! The way into the network that nodes are in.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::drivers::provider::private;

/// A connection, whatever it goes through.
pub type Stream = Box<dyn Duplex>;

/// What is read from and written to.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A machine that opens connections for us.
pub trait Gate: Send + Sync {
    /// Opens a TCP connection from there.
    fn open(
        &self,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Stream>> + Send + '_>>;
}

/// How the node's network is reached.
#[derive(Clone)]
pub enum Route {
    /// From this computer's own network.
    Direct,
    /// Through the supervisor of a private provider, at its socket.
    Private(PathBuf),
    /// Through a machine that lets us through.
    Through(Arc<dyn Gate>),
}

impl Route {
    /// Opens a TCP connection.
    ///
    /// # Errors
    /// When nobody listens, or the way there is closed.
    pub async fn dial(&self, address: SocketAddr) -> std::io::Result<Stream> {
        match self {
            Route::Direct => {
                let connect = TcpStream::connect(address);
                let limit = tokio::time::timeout(Duration::from_secs(5), connect);
                let stream =
                    limit.await.map_err(|_| std::io::Error::other("no answer in 5 s"))??;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Route::Private(socket) => {
                let socket = socket.clone();
                let dial = move || private::dial(&socket, address);
                let stream =
                    tokio::task::spawn_blocking(dial).await.map_err(std::io::Error::other)??;
                stream.set_nonblocking(true)?;
                let stream = TcpStream::from_std(stream)?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Route::Through(gate) => gate.open(address).await,
        }
    }
}

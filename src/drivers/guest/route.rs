//! The way into the network that nodes are in.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::drivers::provider::private;

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

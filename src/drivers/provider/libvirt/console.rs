//! A guest's serial console as a stream of libvirt's.

use uuid::Uuid;
use virt::stream::Stream;

use crate::drivers::provider::Result;
use crate::drivers::provider::libvirt::{Libvirt, failed};

/// An open console. Clones speak to the same one.
#[derive(Clone)]
pub struct Console {
    stream: Stream,
    node: String,
}

impl Libvirt {
    /// Opens the serial console of a running domain.
    ///
    /// # Errors
    /// When it does not run, or somebody else has its console.
    pub fn console(&self, uuid: Uuid, node: &str) -> Result<Console> {
        let doing = format!("open the console of {node}");
        let domain = self.connect.lookup_domain_by_uuid_string(&uuid.to_string());
        let domain = domain.map_err(failed(&*doing))?;
        let stream = Stream::new(&self.connect, 0).map_err(failed(&*doing))?;
        domain
            .open_console(None, &stream, virt::sys::VIR_DOMAIN_CONSOLE_SAFE)
            .map_err(failed(&*doing))?;
        Ok(Console { stream, node: node.into() })
    }
}

impl Console {
    /// Waits for output; empty at its end, as when the guest stops.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn receive(&self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let count = self
            .stream
            .recv(&mut buffer)
            .map_err(failed(format!("read the console of {}", self.node)))?;
        buffer.truncate(usize::try_from(count).unwrap_or_default());
        Ok(buffer)
    }

    /// Types.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let count =
                self.stream.send(bytes).map_err(failed(format!("type to {}", self.node)))?;
            bytes = bytes.get(usize::try_from(count).unwrap_or_default()..).unwrap_or_default();
        }
        Ok(())
    }

    /// Closes it; whoever waits for output is told of its end.
    pub fn hang_up(self) {
        let _ = self.stream.abort();
    }
}

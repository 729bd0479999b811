//! A guest's serial console as a stream of libvirt's.

use uuid::Uuid;
use virt::stream::Stream;

use crate::drivers::provider::libvirt::connection::{Libvirt, failed};
use crate::drivers::provider::{Console, Result};

/// An open console.
pub(crate) struct Serial {
    stream: Stream,
    node: String,
}

/// Opens the serial console of a running domain.
///
/// # Errors
/// When it does not run, or somebody else has its console.
pub(crate) fn open(libvirt: &Libvirt, uuid: Uuid, node: &str) -> Result<Serial> {
    let doing = format!("open the console of {node}");
    let domain = libvirt.connect.lookup_domain_by_uuid_string(&uuid.to_string());
    let domain = domain.map_err(failed(&*doing))?;
    let stream = Stream::new(&libvirt.connect, 0).map_err(failed(&*doing))?;
    domain
        .open_console(None, &stream, virt::sys::VIR_DOMAIN_CONSOLE_SAFE)
        .map_err(failed(&*doing))?;
    Ok(Serial { stream, node: node.into() })
}

impl Console for Serial {
    fn receive(&self) -> Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        let count = self
            .stream
            .recv(&mut buffer)
            .map_err(failed(format!("read the console of {}", self.node)))?;
        buffer.truncate(usize::try_from(count).unwrap_or_default());
        Ok(buffer)
    }

    fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let count =
                self.stream.send(bytes).map_err(failed(format!("type to {}", self.node)))?;
            bytes = bytes.get(usize::try_from(count).unwrap_or_default()..).unwrap_or_default();
        }
        Ok(())
    }

    fn hang_up(&self) {
        // One that ended by itself is closed, as it should be.
        let _ = self.stream.clone().abort();
    }
}

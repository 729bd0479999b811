//! User data of several parts: cloud-config, and scripts that reach the node byte for byte (RFC 2046).

use crate::pki::base64;
use crate::render::volume::sha256;

/// What cloud-init reads: cloud-config alone as it is, else a message whose first part it is.
pub(super) fn with_scripts(cloud_config: String, scripts: &[String]) -> String {
    if scripts.is_empty() {
        return cloud_config;
    }
    // Base64 has no hyphens, so that no part can hold it.
    let boundary = format!("--part-{}", &sha256(&cloud_config)[..16]);
    let first = part("text/cloud-config", "cloud-config.yaml", &cloud_config);
    // cloud-init runs them in the order of their names.
    let scripts = scripts
        .iter()
        .enumerate()
        .map(|(at, script)| part("text/x-shellscript", &format!("script-{:03}", at + 1), script));
    let parts: String = std::iter::once(first)
        .chain(scripts)
        .map(|part| format!("--{boundary}\n{part}\n"))
        .collect();
    format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n{parts}--{boundary}--\n"
    )
}

fn part(kind: &str, name: &str, text: &str) -> String {
    // Lines of a message have 76 characters at most.
    let encoded = base64(text.as_bytes());
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(76).filter_map(|line| str::from_utf8(line).ok()).collect();
    format!(
        "Content-Type: {kind}; charset=\"utf-8\"\nContent-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=\"{name}\"\n\n{}\n",
        lines.join("\n")
    )
}

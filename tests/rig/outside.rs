//! Computers that are network namespaces, and an outside that they reach: a web server and a resolver.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::rig::account::tool;

/// The address of the outside on the internet.
pub const SERVER: &str = "198.51.100.1";
/// One that is of a private network next to the computers, with the same pages.
pub const NEIGHBOUR: &str = "10.99.0.1";
/// A name that the outside's resolver knows.
pub const NAME: &str = "outside.example";
const OUTSIDE: &str = "lab-test-outside";

pub struct Outside {
    computers: Vec<String>,
    servers: Vec<Child>,
}

fn ip(arguments: &str) {
    tool("ip", &arguments.split(' ').collect::<Vec<_>>());
}

impl Outside {
    /// An outside whose web server offers `folder`.
    pub fn new(folder: &Path) -> Self {
        let mut outside = Self { computers: vec![OUTSIDE.into()], servers: Vec::new() };
        outside.clear();
        ip(&format!("netns add {OUTSIDE}"));
        ip(&format!("-n {OUTSIDE} address add {SERVER}/32 dev lo"));
        ip(&format!("-n {OUTSIDE} address add {NEIGHBOUR}/32 dev lo"));
        ip(&format!("-n {OUTSIDE} link set lo up"));
        outside.serve_web(OUTSIDE, SERVER, folder);
        outside.serve_web(OUTSIDE, NEIGHBOUR, folder);
        let names = format!(
            "dnsmasq --keep-in-foreground --no-resolv --no-hosts --bind-interfaces --listen-address={SERVER} --local=/{NAME}/ --host-record={NAME},{SERVER}"
        );
        outside.serve(OUTSIDE, &names);
        outside
    }

    fn serve_web(&mut self, space: &str, address: &str, folder: &Path) {
        let folder = folder.display();
        let web = format!("python3 -m http.server 80 --bind {address} --directory {folder}");
        self.serve(space, &web);
    }

    fn serve(&mut self, space: &str, command: &str) {
        let mut server = Command::new("ip");
        server.args(["netns", "exec", space]).args(command.split(' '));
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.servers.push(server.spawn().unwrap());
    }

    /// A computer of its own, from which the outside is reached, with a web server for itself alone. The name
    /// of its namespace.
    pub fn computer(&mut self, name: &str) -> String {
        let (space, at) = (format!("lab-test-{name}"), self.computers.len());
        let (here, there) =
            (format!("203.0.113.{}", 4 * at + 1), format!("203.0.113.{}", 4 * at + 2));
        // One that an earlier run left.
        let _ = Command::new("ip").args(["netns", "delete", &space]).output();
        ip(&format!("netns add {space}"));
        tool("ip", &["netns", "exec", &space, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]);
        ip(&format!(
            "link add name wan netns {space} type veth peer name down{at} netns {OUTSIDE}"
        ));
        for (namespace, link, address) in
            [(&*space, "wan".to_owned(), &here), (OUTSIDE, format!("down{at}"), &there)]
        {
            ip(&format!("-n {namespace} address add {address}/30 dev {link}"));
            ip(&format!("-n {namespace} link set {link} up"));
        }
        ip(&format!("-n {space} link set lo up"));
        ip(&format!("-n {space} route add default via {there}"));
        self.serve_web(&space, "127.0.0.1", Path::new("/usr/share/doc"));
        // One that asks nobody for names: what the computer sends is counted.
        let accept =
            format!("s=__import__('socket').create_server(('{here}',80));list(iter(s.accept,0))");
        self.serve(&space, &format!("python3 -c {accept}"));
        self.computers.push(space.clone());
        space
    }

    /// The address of a computer, at which it has a web server for others.
    pub fn address(&self, space: &str) -> String {
        let at = self.computers.iter().position(|name| name == space).unwrap();
        format!("203.0.113.{}", 4 * at + 1)
    }

    /// Packets that a computer sent.
    pub fn sent(&self, space: &str) -> u64 {
        let links = tool("ip", &["-n", space, "-j", "-s", "link", "show", "wan"]);
        let links: serde_json::Value = serde_json::from_str(&links).unwrap();
        links[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
    }

    fn clear(&self) {
        for space in &self.computers {
            let _ = Command::new("ip").args(["netns", "delete", space]).output();
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        self.clear();
    }
}

//! What tests with real guests share: a home of its own for a lab, and the binary called in it.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Instant;

use crate::rig::screen::{Terminal, is_foot};

/// The binary under test.
pub const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// A home of its own for one lab on a private engine.
pub struct Rig {
    pub home: tempfile::TempDir,
    artifacts: PathBuf,
    start: Instant,
    /// Topology: a shipped name, or a file in the home.
    file: String,
    /// Name of the lab.
    lab: String,
    /// Folder of image archives, when the lab has one.
    images: Option<PathBuf>,
    /// Cache, when the lab has one of its own.
    cache: Option<PathBuf>,
}

impl Rig {
    /// A home for the shipped topology `file`, whose lab has the same name.
    pub fn new(file: &str) -> Self {
        let artifacts = std::env::var_os("LAB_ARTIFACTS").map(PathBuf::from);
        let artifacts =
            artifacts.expect("LAB_ARTIFACTS must name the Kubernetes binaries: run `make test`");
        assert!(
            nix::unistd::geteuid().is_root(),
            "a private libvirt needs root: run `sudo make test`"
        );
        let home = tempfile::Builder::new().prefix("lab").tempdir_in("/tmp").unwrap();
        let (file, lab) = (file.to_owned(), file.to_owned());
        Self { home, artifacts, start: Instant::now(), file, lab, images: None, cache: None }
    }

    /// From now on the topology is this text, in a file of the home.
    pub fn edit(&mut self, text: &str) {
        fs::write(self.home.path().join("edited.yaml"), text).unwrap();
        self.file = "edited.yaml".into();
    }

    /// From now on there is a folder of image archives: this one.
    pub fn images(&mut self) -> PathBuf {
        let images = self.home.path().join("images");
        fs::create_dir_all(&images).unwrap();
        self.images = Some(images.clone());
        images
    }

    /// From now on there is a cache of its own, with the images of the common one.
    pub fn own_cache(&mut self) {
        let common = lab::drivers::host::Dirs::from_environment().cache;
        let cache = self.home.path().join("cache");
        fs::create_dir_all(cache.join("lab")).unwrap();
        for shared in ["images", "artifacts"] {
            // A link to nothing would be in the way of what is to come there.
            fs::create_dir_all(common.join(shared)).unwrap();
            std::os::unix::fs::symlink(common.join(shared), cache.join("lab").join(shared))
                .unwrap();
        }
        self.cache = Some(cache);
    }

    /// Text of the shipped topology.
    pub fn shipped(&self) -> String {
        fs::read_to_string(format!("topologies/{}.yaml", self.lab)).unwrap()
    }

    /// Text of the topology as it is now.
    pub fn topology(&self) -> String {
        fs::read_to_string(self.home.path().join(&self.file)).unwrap_or_else(|_| self.shipped())
    }

    /// From now on the binaries are those of the next patch release: the same, but for what they say of
    /// themselves.
    pub fn newer_kubernetes(&mut self) {
        let newer = self.home.path().join("newer");
        tool("cp", &["--recursive", self.artifacts.to_str().unwrap(), newer.to_str().unwrap()]);
        for entry in fs::read_dir(&newer).unwrap().flatten() {
            let file = entry.path();
            tool("sed", &["-i", r"s/v1\.20\.2/v1.20.3/g", file.to_str().unwrap()]);
        }
        self.artifacts = newer;
    }

    /// The lab of the shipped topology.
    pub fn resolved(&self) -> lab::model::Lab {
        let owner = lab::model::Owner { machine: "test".into(), uid: 0 };
        lab::model::topology::load(&self.shipped(), &owner).unwrap().lab
    }

    /// Where the lab's own libvirt listens, once it runs.
    pub fn uri(&self) -> String {
        let mut engines = fs::read_dir(self.home.path().join("run/lab")).unwrap().flatten();
        let socket = engines.next().unwrap().path().join("libvirt/libvirt-sock");
        format!("qemu+unix:///system?socket={}", socket.display())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(LAB);
        command
            .args(arguments)
            .current_dir(self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_RUNTIME_DIR", self.home.path().join("run"))
            .env("LAB_ARTIFACTS", &self.artifacts)
            .env("LAB_ENGINE", "private")
            .env("LAB_FILE", &self.file)
            .env("NO_COLOR", "1")
            .envs(self.images.iter().map(|images| ("LAB_IMAGES", images)))
            .envs(self.cache.iter().map(|cache| ("XDG_CACHE_HOME", cache)))
            .stdin(Stdio::null());
        command
    }

    pub fn say(&self, text: &str) {
        eprintln!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }

    pub fn lab(&self, arguments: &[&str]) -> Output {
        self.say(&format!("lab {}", arguments.join(" ")));
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "lab {arguments:?} ended with {}\n{out}\n{err}",
            output.status
        );
        out
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    /// Makes every check: all must pass but those in `missing`, which must be missing.
    pub fn verified(&self, missing: &[&str]) -> serde_json::Value {
        let output = self.lab(&["verify", "-o", "json"]);
        let result: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        let checks = result["checks"].as_array().unwrap();
        assert!(checks.len() > 100, "only {} checks", checks.len());
        let other: Vec<_> = checks
            .iter()
            .filter(|check| {
                let absent = missing.iter().any(|name| check["name"] == *name);
                check["verdict"] != if absent { "missing" } else { "passed" }
            })
            .collect();
        assert!(other.is_empty(), "{other:#?}");
        assert_eq!(output.status.success(), missing.is_empty());
        self.say(&format!("{} checks made", checks.len()));
        result
    }

    /// Starts `up` and ends it without warning once an event fits.
    pub fn up_killed_at(&self, wanted: impl Fn(&serde_json::Value) -> bool) {
        let (mut child, _) = self.up_until(wanted);
        self.say("killing lab");
        kill(&mut child);
    }

    /// Starts `up` on a terminal and presses Ctrl-C once its foot shows a step of the stage on the
    /// node: it stops soon, says how to go on, and leaves nothing of the foot behind.
    pub fn up_interrupted_at(&self, node: &str, stage: &str) {
        self.say("lab up, on a terminal");
        let mut terminal = Terminal::run(self.command(&["up"]));
        let at_work = |row: &String| {
            let step = row.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
            is_foot(row) && step.starts_with(&format!("{node} {stage}: "))
        };
        terminal.until(|rows| rows.iter().any(at_work));
        self.say(&format!("on the screen: {:#?}", shown(&terminal.rows())));
        let start = Instant::now();
        terminal.press(b"\x03");
        let (code, rows) = terminal.end();
        self.say(&format!("interrupted: ended after {:.1} s", start.elapsed().as_secs_f64()));
        let has = |text: &str| rows.iter().any(|row| row.contains(text));
        assert_eq!(code, Some(130), "{:#?}", shown(&rows));
        assert!(has("stopping after the current steps"), "{:#?}", shown(&rows));
        assert!(has("stopped as asked; `lab up` goes on from here"), "{:#?}", shown(&rows));
        assert!(!rows.iter().any(|row| is_foot(row)), "{:#?}", shown(&rows));
    }

    /// Starts `up` and interrupts it twice once `task` has begun: it leaves at once, and does not even end
    /// its run.
    pub fn up_left_in(&self, task: &str) {
        let (mut child, lines) =
            self.up_until(|event| event["event"] == "started" && event["task"] == task);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let interrupt = || nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        interrupt();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let heard = said.by_ref().any(|line| line.contains("once more to leave at once"));
        interrupt();
        let rest: Vec<String> = said.collect();
        let code = child.wait().unwrap().code();
        assert!(heard && code == Some(130), "{code:?} {rest:?}");
        assert!(rest.iter().any(|line| line.contains("leaving at once")), "{rest:?}");
        // It did not stop in order: then the last event would say so.
        let events: Vec<String> = lines.map_while(Result::ok).collect();
        let ended = events.iter().find(|event| event.contains("\"ended\""));
        assert_eq!(ended, None);
    }

    /// Starts `up` and reads its events until one fits.
    fn up_until(
        &self,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut command = self.command(&["up", "-o", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            let event = serde_json::from_str(&line.unwrap()).unwrap_or_default();
            if wanted(&event) {
                self.say(&format!("`lab up` is at {event}"));
                return (child, lines);
            }
        }
        panic!("`lab up` ended before: {:?}", child.wait_with_output());
    }
}

impl Rig {
    /// The ends of the guests' consoles.
    pub fn show_last_words(&self) {
        let consoles = self.home.path().join("state/lab").join(&self.lab).join("engine/consoles");
        for entry in fs::read_dir(consoles).into_iter().flatten().flatten() {
            let tail = lab::drivers::provider::tail(&entry.path()).unwrap_or_default();
            eprintln!("--- {}\n{tail}", entry.path().display());
        }
    }
}

fn shown(rows: &[String]) -> Vec<&String> {
    rows.iter().filter(|row| !row.is_empty()).collect()
}

impl Drop for Rig {
    /// A failed test leaves no guests behind, but shows what they last said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_last_words();
        }
        let _ = self.command(&["down"]).output();
    }
}

pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a tool prints.
pub fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    text(&output.unwrap_or_else(|error| panic!("{program}: {error}")).stdout)
}

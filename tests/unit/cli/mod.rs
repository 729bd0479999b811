//! The built binary in a home of its own: what it prints, where, and how it exits.

mod addons;
mod files;
mod images;
mod lessons;
mod looks;
mod oci;
mod refusals;
mod topologies;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn lab(&self, arguments: &[&str]) -> Output {
        self.lab_with(arguments, &[])
    }

    /// The same with variables of the environment.
    fn lab_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        for variable in [
            "LAB_FILE",
            "LAB_NAME",
            "LAB_ENGINE",
            "LAB_PROVIDER",
            "LAB_ARTIFACTS",
            "LAB_OUTPUT",
            "KUBECONFIG",
            "XDG_STATE_HOME",
            "XDG_CACHE_HOME",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(variable);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path().join("run"))
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A lab that was up, as far as its directory tells: keys, topology, record.
fn once_up(home: &Home) {
    let dir = home.path().join(".local/state/lab/three");
    fs::create_dir_all(dir.join("runs")).unwrap();
    let topology = out(&home.lab(&["init", "--from", "three"]));
    fs::write(dir.join("topology.yaml"), &topology).unwrap();
    let text = fs::read_to_string("fuzz/corpus/state/record.json").unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    (record["name"], record["engine"]) = ("three".into(), "private".into());
    let three = lab::model::topology::load(&topology, &lab::drivers::host::owner()).unwrap().lab;
    record["id"] = three.id.to_string().into();
    record["base"] = home.path().to_str().into();
    record["run"] = home.path().join("run/lab/engine").to_str().into();
    fs::write(dir.join("lab.json"), record.to_string()).unwrap();
}

fn with_certificates(home: &Home) {
    let state = home.path().join(".local/state/lab");
    let store = lab::drivers::state::Store::new(&state, "three");
    let owner = lab::drivers::host::owner();
    let text = out(&home.lab(&["init", "--from", "three"]));
    let three = lab::model::topology::load(&text, &owner).unwrap().lab;
    let mut bundle = lab::pki::Bundle::default();
    let made = bundle.ensure(&three, time::OffsetDateTime::now_utc()).unwrap();
    store.save_bundle(&bundle, &made).unwrap();
}

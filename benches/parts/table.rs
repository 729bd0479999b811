//! What was measured: a table of runs and medians, and ratios of medians of one session.
#![allow(clippy::unwrap_used)]

use std::fs;

use crate::rig::guests::{text, tool};

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    if all.len() % 2 == 1 { all[middle] } else { (all[middle - 1] + all[middle]) / 2.0 }
}

/// Rows of the table: what, one column per run, median.
#[derive(Default)]
pub struct Table(Vec<(String, Vec<f64>, &'static str)>);

impl Table {
    /// One more run of something.
    pub fn add(&mut self, what: &str, unit: &'static str, value: f64) {
        eprintln!("{what}: {value:.2} {unit}");
        match self.0.iter_mut().find(|(name, ..)| name == what) {
            Some((_, values, _)) => values.push(value),
            None => self.0.push((what.into(), vec![value], unit)),
        }
    }

    pub fn median(&self, what: &str) -> f64 {
        median(self.0.iter().find(|(name, ..)| name == what).unwrap().1.clone())
    }

    /// How the median of one thing is to that of another.
    pub fn ratio(&self, above: &str, below: &str) -> f64 {
        self.median(above) / self.median(below)
    }

    /// Writes all to `docs/NAME.md`.
    pub fn write(&self, name: &str, title: &str, ratios: &[(&str, f64)]) {
        let mut text = format!(
            "# {title}\n\nWritten by `make bench`: every run, medians, and ratios of medians of one session.\n\nMachine: {}.\n\n{}\n| ratio | |\n| --- | --- |\n",
            machine(),
            self.text()
        );
        for (what, value) in ratios {
            text.push_str(&format!("| {what} | {value:.2} |\n"));
        }
        eprintln!("{text}");
        fs::write(format!("docs/{name}.md"), text).unwrap();
    }

    fn text(&self) -> String {
        let mut text = String::from("| what | runs | median |\n| --- | --- | --- |\n");
        for (what, values, unit) in &self.0 {
            let runs: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
            let middle = median(values.clone());
            text.push_str(&format!("| {what} | {} | {middle:.1} {unit} |\n", runs.join(", ")));
        }
        text
    }
}

fn machine() -> String {
    let field = |file: &str, key: &str| {
        let all = fs::read_to_string(file).unwrap_or_default();
        let line = all.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let memory: u64 = field("/proc/meminfo", "MemTotal").replace(" kB", "").parse().unwrap_or(0);
    let version =
        |program: &str| tool(program, &["--version"]).lines().next().unwrap_or("").to_owned();
    format!(
        "{} processors, {} GiB of memory, guests emulated or not as `lab up` says; {}; {}; {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        memory >> 20,
        version("libvirtd"),
        version("qemu-system-x86_64"),
        text(LAB_VERSION.as_bytes()),
    )
}

const LAB_VERSION: &str = concat!("lab ", env!("CARGO_PKG_VERSION"));

/// How often each thing is measured.
pub fn rounds() -> usize {
    std::env::var("LAB_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3)
}

/// A number of what `lab` said as JSON.
pub fn number(value: &serde_json::Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no {key} in {value}"))
}

//! The command line. One file per command or kin of commands; the only room that prints.

mod args;
mod commands;
mod complete;
mod failure;
mod global;
mod help;
mod output;
mod progress;
mod remote;
mod runtime;
mod session;

use std::process::ExitCode;

use clap::Parser;

use crate::engine::Change;
use args::{AddonsCommand, Args, AssetsCommand, CertsCommand, Command, Form, LessonCommand};
use commands::{
    addons, assets, certs, connect, console, doctor, down, exec, forward, graph, hosts, images,
    init, inspect, inventory, kubeconfig, kubectl, lesson, link, list, logs, man, plan, power,
    repair, runs, schema, shell, snapshot, ssh, stage, status, up, validate, verify,
};
use failure::Failure;
use global::Global;

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    complete::answer();
    if std::env::args_os().len() < 2 {
        // Variables of the environment count as arguments for clap, and would hide its own answer.
        output::info(&help::all());
        return ExitCode::from(failure::USAGE);
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            if let Some((word, here)) = help::meant(&error) {
                let none = format!("there is no command '{word}'");
                return Failure::usage(none).hint(here).report();
            }
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    match dispatch(&args) {
        Ok(code) => code,
        Err(failure) => {
            if args.options.output.is_data() {
                failure.print();
            }
            failure.report()
        }
    }
}

fn dispatch(args: &Args) -> Result<ExitCode, Failure> {
    let form = args.options.output;
    let picture = form != Form::Table && !form.is_data();
    if picture && !matches!(args.command, Command::Graph { .. }) {
        return Err(
            Failure::usage("only `lab graph` draws pictures").hint("-o table, -o json or -o yaml")
        );
    }
    if form == Form::Yaml {
        output::write_yaml();
    }
    let global = &of_topology(args)?;
    match &args.command {
        Command::Init(command) => init::run(command),
        Command::Validate { .. } => validate::run(global),
        Command::Schema { of } => schema::run(*of),
        Command::Plan(command) => plan::run(global, command),
        Command::Up(command) => up::run(global, command),
        Command::Status(command) => status::run(global, command),
        Command::Verify(arguments) => verify::run(global, arguments),
        Command::Ssh(command) => ssh::run(global, command),
        Command::Exec(command) => exec::run(global, command),
        Command::Snapshot(command) => snapshot::run(global, command),
        Command::Stage(command) => stage::run(global, command),
        Command::Certs { command } => {
            certs::run(global, command.as_ref().unwrap_or(&CertsCommand::List))
        }
        Command::Addons { command } => {
            addons::run(global, command.as_ref().unwrap_or(&AddonsCommand::List))
        }
        Command::Lesson { command } => {
            lesson::run(global, command.as_ref().unwrap_or(&LessonCommand::List))
        }
        Command::Assets { command } => {
            assets::run(global, command.as_ref().unwrap_or(&AssetsCommand::List))
        }
        Command::Repair { command } => repair::run(global, command),
        Command::Kubeconfig(asked) => kubeconfig::run(global, asked),
        Command::Forward(command) => forward::run(global, command),
        Command::Shell(command) => shell::run(global, command),
        Command::Kubectl(command) => kubectl::run(global, command),
        Command::Images(command) => images::run(global, command),
        Command::Inspect { nodes } => inspect::run(global, nodes),
        Command::List => list::run(global),
        Command::Logs(command) => logs::run(global, command),
        Command::Console(command) => console::run(global, command),
        Command::Stop(command) => power::run(global, command, Change::Stop),
        Command::Start(command) => power::run(global, command, Change::Start),
        Command::Link(command) => link::run(global, command),
        Command::Restart(command) => power::run(global, command, Change::Restart),
        Command::SshConfig => inventory::ssh_config(global),
        Command::Inventory => inventory::run(global),
        Command::Hosts(command) => hosts::run(global, command),
        Command::Graph { status } => graph::run(global, form, *status),
        Command::Doctor(command) => doctor::run(global, command),
        Command::Runs(command) => runs::run(global, command),
        Command::Down(command) => down::run(global, command),
        Command::Help { words } => help::run(words),
        Command::Completion { shell } => complete::run(shell),
        Command::Man { dir } => man::run(dir),
        Command::Connect { socket, host, port } => connect::run(socket, *host, *port),
    }
}

/// What all commands look at, with the topology that stands behind this one.
fn of_topology(args: &Args) -> Result<Global, Failure> {
    let global = args.options.global();
    let Some(topology) = args.command.topology() else { return Ok(global) };
    match &global.file {
        Some(file) if file != topology && !args.options.is_file_of_environment() => {
            let both = (file.display(), topology.display());
            Err(Failure::usage(format!("two topologies are named: {} and {}", both.0, both.1))
                .hint("one of them is enough"))
        }
        _ => Ok(Global { file: Some(topology.clone()), ..global }),
    }
}

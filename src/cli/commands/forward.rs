//! `lab forward`: ports of the lab on this computer's own 127.0.0.1, for a browser or one's own kubectl.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use tokio::net::{TcpListener, TcpStream};

use crate::cli::args::Forward;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::cli::output::info;
use crate::cli::runtime::runtime;
use crate::cli::session::load;
use crate::drivers::guest::ssh::Route;
use crate::engine::Session;
use crate::model::Lab;

/// A port here, and where it leads.
struct Way {
    local: u16,
    target: SocketAddr,
    shown: String,
}

pub(crate) fn run(global: &Global, arguments: &Forward) -> Result<ExitCode, Failure> {
    let session = load::session(global)?;
    let default = ["api".to_owned()];
    let words = if arguments.ways.is_empty() { &default[..] } else { &arguments.ways };
    let ways: Vec<Way> =
        words.iter().map(|word| parse(&session.lab, word)).collect::<Result<_, _>>()?;
    load::refuse_resting(&session)?;
    runtime()?.block_on(serve_all(global, &session, ways))
}

/// `api`, `LOCAL:api`, `TARGET:PORT` or `LOCAL:TARGET:PORT`; a target is a node or a floating address.
fn parse(lab: &Lab, word: &str) -> Result<Way, Failure> {
    let wrong = || {
        Failure::usage(format!("'{word}' is no way to a port"))
            .hint("api, LOCAL:api, TARGET:PORT or LOCAL:TARGET:PORT; a target is a node or a floating address")
    };
    let number = |text: &str| text.parse::<u16>().map_err(|_| wrong());
    let api = lab.kubernetes.api_port;
    let (local, name, port) = match word.split(':').collect::<Vec<_>>().as_slice() {
        ["api"] => (api, "api", api),
        [local, "api"] => (number(local)?, "api", api),
        [name, port] => (number(port)?, *name, number(port)?),
        [local, name, port] => (number(local)?, *name, number(port)?),
        _ => return Err(wrong()),
    };
    let address = match name {
        "api" => lab.api_endpoint(),
        name => {
            let vip = lab.vips.iter().find(|vip| vip.name == name).map(|vip| vip.address);
            vip.or_else(|| lab.node(name).map(|node| node.address))
        }
    };
    let address = address.ok_or_else(|| {
        let nodes = lab.nodes.iter().map(|node| node.name.as_str());
        let all: Vec<&str> = nodes.chain(lab.vips.iter().map(|vip| vip.name.as_str())).collect();
        Failure::unknown(format!("the lab '{}' has no '{name}'", lab.name))
            .hint(format!("api, {}", all.join(", ")))
    })?;
    Ok(Way { local, target: SocketAddr::from((address, port)), shown: format!("{name}:{port}") })
}

async fn serve_all(
    global: &Global,
    session: &Session,
    ways: Vec<Way>,
) -> Result<ExitCode, Failure> {
    let mut listening = Vec::new();
    // All of them can be had, or none is served.
    for way in ways {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, way.local)).await;
        let listener = bound.map_err(|error| {
            Failure::failed(format!("listen on 127.0.0.1:{}: {error}", way.local))
                .hint(format!("name another port: lab forward 0:{}", way.shown))
        })?;
        listening.push((listener, way));
    }
    for (listener, way) in listening {
        let local = listener.local_addr().map_or(way.local, |address| address.port());
        if !global.quiet {
            info(&format!("127.0.0.1:{local} leads to {} ({})", way.shown, way.target));
            if way.target.port() == session.lab.kubernetes.api_port {
                info(&format!("  kubectl: lab kubeconfig --local {local} > FILE"));
            }
        }
        tokio::spawn(serve(listener, session.route()?, way.target));
    }
    // Until the person has enough of it.
    let _ = tokio::signal::ctrl_c().await;
    Ok(ExitCode::SUCCESS)
}

async fn serve(listener: TcpListener, route: Route, target: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let route = route.clone();
        tokio::spawn(async move {
            if let Err(error) = join(client, &route, target).await {
                info(&format!("{target}: {error}"));
            }
        });
    }
}

async fn join(mut client: TcpStream, route: &Route, target: SocketAddr) -> std::io::Result<()> {
    let mut inside = route.dial(target).await?;
    // How a connection ends is its two ends' business.
    let _ = tokio::io::copy_bidirectional(&mut client, &mut inside).await;
    Ok(())
}

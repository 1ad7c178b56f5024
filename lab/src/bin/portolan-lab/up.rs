//! `portolan-lab up`: an empty cluster to play with.

use std::io::Write;

use portolan_lab::apiserver::Store;
use portolan_lab::net::addresses::CORE_V4;
use portolan_lab::{Lab, PodSpec};

const API_PORT: u16 = 6443;

/// What to make.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// How many nodes.
    #[arg(long, default_value_t = 2)]
    nodes: u8,
    /// How many pods, spread over the nodes.
    #[arg(long, default_value_t = 4)]
    pods: u16,
}

/// Makes it, says where things are, and waits.
pub(crate) fn run(up: &Up, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut lab = Lab::new("up")?;
    let store = Store::new();
    for number in 1..=up.nodes {
        let node = lab.node(&format!("n{number}"))?;
        writeln!(out, "node {} {}  nsenter --net={}", node.name, node.addresses.v4, node.netns.display())?;
    }
    for number in 0..up.pods {
        let node = format!("n{}", number % u16::from(up.nodes.max(1)) + 1);
        let pod = lab.pod(PodSpec::new(&format!("default/pod-{number}")).node(&node).label("app", "pod"))?;
        writeln!(out, "pod {} {}  nsenter --net={}", pod.name, pod.v4(), pod.netns.display())?;
    }
    lab.publish(&store)?;
    let _api = lab.serve_api(&store, API_PORT)?;
    writeln!(out, "API server, from nodes: http://{CORE_V4}:{API_PORT}")?;
    writeln!(out, "API server, from here:  kubectl --server http://{} get pods -A", lab.expose(API_PORT)?)?;
    let end = lab.claim_end();
    writeln!(out, "It stands until Ctrl-C.")?;
    out.flush()?;
    end.wait();
    Ok(())
}

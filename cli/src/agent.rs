//! `portolan agent`: observes the node that it runs on.

use crate::{client::endpoint, collector::size, failure::Failure, manifests};
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use portolan_agent::{
    Config, Output, Source,
    capture::{AttachMode, Wishes, switches},
    connections::Limits,
    stream::SpoolConfig,
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tracing::{debug, warn};

/// Observe the pods of this node: attach to their interfaces, attribute their connections.
#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Take the cluster state from these files or folders (`-` is standard input) instead of the
    /// Kubernetes API.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["kubeconfig", "api_server"])]
    manifests: Vec<PathBuf>,
    /// Print flows as JSON lines to standard output (`-`) or to a file, instead of streaming them to
    /// any collector.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stream to this collector, e.g. `http://portolan-collector.portolan.svc:4245`.
    #[arg(long, env = "PORTOLAN_COLLECTOR", value_name = "URL", value_parser = endpoint)]
    collector: Option<Endpoint>,
    /// Keep what the collector has not acknowledged in this folder, through crashes and restarts; in memory
    /// when absent.
    #[arg(long, env = "PORTOLAN_SPOOL", value_name = "DIR", requires = "collector")]
    spool: Option<PathBuf>,
    /// What it may take there; beyond that the oldest is lost and counted.
    #[arg(long, env = "PORTOLAN_SPOOL_BYTES", value_name = "SIZE", default_value = "256MiB", value_parser = size)]
    spool_bytes: u64,
    /// The cluster's name, told to the collector with every batch.
    #[arg(long, env = "PORTOLAN_CLUSTER", default_value = "default", value_name = "NAME")]
    cluster: String,
    /// This node's name; found by its addresses when absent.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    node_name: Option<String>,
    /// Reach the Kubernetes API as this file says; else as KUBECONFIG says, or from within a pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Reach the Kubernetes API at this URL, without credentials.
    #[arg(long, value_name = "URL", conflicts_with = "kubeconfig")]
    api_server: Option<String>,
    /// Serve gRPC health here.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Serve Prometheus metrics here.
    #[arg(long, value_name = "ADDRESS")]
    metrics_listen: Option<SocketAddr>,
    /// How to hang on the pod interfaces: tcx where the kernel has it (6.6), clsact below.
    #[arg(long, value_enum, default_value_t = Attach::Auto)]
    attach: Attach,
    /// Name the very rule of nftables that let a connection through or dropped it, for at most RATE
    /// openings a second. Adds the table `inet portolan_trace` while it runs, which decides nothing.
    #[arg(long, value_name = "RATE", num_args = 0..=1, require_equals = true, default_missing_value = "10",
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    trace_rules: Option<u32>,
    /// Say of each connection whether netfilter let it pass, by programs before and after its forwarding
    /// rules (Linux 6.4).
    #[arg(long)]
    witness: bool,
    /// Leave out these probes, which a kernel may refuse or make dear; what is not seen then is said at the start.
    #[arg(long, env = "PORTOLAN_WITHOUT", value_name = "PROBE", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(switches()))]
    without: Vec<String>,
    /// A UDP or ICMP conversation is over after this many seconds of silence.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    idle_timeout: u64,
    /// Bytes of the ring between kernel and agent, a power of two from 4096 on; by default 1 MiB for each
    /// processor, up to 4 MiB.
    #[arg(long, env = "PORTOLAN_RING_BYTES", value_name = "BYTES", value_parser = ring_bytes)]
    ring_bytes: Option<u32>,
    /// Attempts that may be open at once; more are lost and counted.
    #[arg(long, env = "PORTOLAN_MAX_ATTEMPTS", value_name = "COUNT", default_value_t = Limits::default().attempts,
        value_parser = attempts)]
    max_attempts: usize,
}

/// What the kernel takes for a ring.
fn ring_bytes(text: &str) -> Result<u32, String> {
    let bytes = text.parse::<u32>().map_err(|error| error.to_string())?;
    if bytes >= 4096 && bytes.is_power_of_two() {
        Ok(bytes)
    } else {
        Err("give a power of two from 4096 on, such as 8388608".to_owned())
    }
}

/// Without room for any, every attempt would be lost.
fn attempts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err(format!("give 1 or more; without the flag it is {}", Limits::default().attempts)),
        Ok(attempts) => Ok(attempts),
        Err(error) => Err(error.to_string()),
    }
}

/// How programs hang on an interface.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Attach {
    Auto,
    Tcx,
    Clsact,
}

impl From<Attach> for AttachMode {
    fn from(attach: Attach) -> Self {
        match attach {
            Attach::Auto => Self::Auto,
            Attach::Tcx => Self::Tcx,
            Attach::Clsact => Self::Clsact,
        }
    }
}

/// Runs the agent until SIGINT or SIGTERM.
pub(crate) async fn run(args: AgentArgs, stop: CancellationToken) -> Result<(), Failure> {
    let config = Config {
        output: output(&args)?,
        source: source(&args).await?,
        probes: Wishes {
            attach: args.attach.into(),
            ring_bytes: args.ring_bytes,
            without: args.without.into_iter().collect(),
        },
        node: args.node_name,
        trace: args.trace_rules,
        witness: args.witness,
        limits: Limits {
            idle: Duration::from_secs(args.idle_timeout),
            attempts: args.max_attempts,
            ..Limits::default()
        },
        metrics: listen(args.metrics_listen).await?,
        health: listen(args.listen).await?,
        ready: Box::new(say_ready),
    };
    Ok(portolan_agent::run(config, stop).await.context("the agent cannot go on")?)
}

/// What scripts wait for; it must not depend on the log's filter or form.
#[expect(clippy::print_stderr, reason = "the readiness line is a contract on standard error")]
fn say_ready() {
    eprintln!("ready");
}

async fn source(args: &AgentArgs) -> anyhow::Result<Source> {
    if !args.manifests.is_empty() {
        let manifests::Manifests { objects, problems, ignored, .. } = manifests::read(&args.manifests)?;
        if objects.is_empty() {
            let mend = "give Pods, Nodes, policies, …".to_owned();
            let why: Vec<String> = problems.iter().map(ToString::to_string).chain([mend]).collect();
            bail!("the manifests hold no object that Portolan knows: {}", why.join("; "));
        }
        for problem in problems {
            warn!(%problem, "A document is left out of the cluster state.");
        }
        for kind in ignored {
            debug!(kind, "Objects of this kind say nothing about connections.");
        }
        return Ok(Source::Objects(objects));
    }
    let config = match (&args.api_server, &args.kubeconfig) {
        (Some(url), _) => {
            let url = url.parse().with_context(|| format!("--api-server {url} is no URL"))?;
            kube::Config::new(url)
        }
        (None, Some(file)) => {
            let kubeconfig = kube::config::Kubeconfig::read_from(file)
                .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
                .await
                .with_context(|| format!("the kubeconfig {} names no usable cluster", file.display()))?
        }
        (None, None) => kube::Config::infer().await.context(
            "no Kubernetes API to take the cluster state from: give --manifests, --kubeconfig or --api-server, \
             or run in a pod",
        )?,
    };
    Ok(Source::Kubernetes(Box::new(config)))
}

fn output(args: &AgentArgs) -> Result<Output, Failure> {
    match (&args.output, &args.collector) {
        (Some(path), _) if path.as_os_str() == "-" => Ok(Output::Lines(Box::new(std::io::stdout()))),
        (Some(path), _) => {
            let file = std::fs::File::create(path)
                .with_context(|| format!("cannot write flows to {}", path.display()))?;
            Ok(Output::Lines(Box::new(file)))
        }
        (None, Some(endpoint)) => {
            let spool = args.spool.clone().map(|folder| SpoolConfig { folder, bytes: args.spool_bytes });
            Ok(Output::Collector {
                endpoint: Box::new(endpoint.clone()),
                cluster: args.cluster.clone(),
                spool,
            })
        }
        (None, None) => Err(Failure::usage(anyhow!(
            "nowhere to put the flows: give --collector URL, or --output - to print them"
        ))),
    }
}

async fn listen(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    Ok(Some(listener))
}

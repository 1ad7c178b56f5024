//! The agent from start to end: what is wired to what.
//!
//! ```text
//! probes -> capture thread -> attempts -> attribution -> sink
//! netlink -> watcher -> attaching thread   ^
//! Kubernetes or objects -> changes -> history
//! ```

use crate::{
    attribute::Attributor,
    attributing::Attributing,
    capture::{
        Attacher, Devices, Ledger, Netlink, ProbeOff, Probes, Taker, Watcher, Worker, chain, handover,
    },
    cluster::{self, News},
    config::{AgentError, Config, Output, Source},
    connections::{Connections, Unwanted},
    kernel::{KernelTypes, Layout, Places},
    memory,
    metrics::{ByKind, Metrics},
    reasons::Reasons,
    serve,
    sink::{Lines, Sink, SinkError, Stream},
    stream::{Identity, Left, Spool, Uplink},
    trace::Trace,
    whereabouts::{named_instead, own_node},
    witness::{Offsets, Witness, WitnessError},
};
use jiff::Timestamp;
use portolan_policy::{Change, History, ObjectKind, Owner};
use std::{
    collections::BTreeSet, net::IpAddr, os::unix::fs::MetadataExt as _, path::Path, sync::Arc,
    thread::JoinHandle, time::Duration,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{
        mpsc::{self, Receiver, Sender},
        watch,
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

/// Attempts that wait for attribution.
const ATTEMPT_QUEUE: usize = 65_536;
const NEWS_QUEUE: usize = 4096;
/// Items of many records each that wait for the uplink.
const STREAM_QUEUE: usize = 16;
const COMMAND_QUEUE: usize = 4096;

/// Runs the agent in the network namespace that it was started in, until told to stop.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), AgentError> {
    let Config {
        node,
        source,
        output,
        probes: wishes,
        limits,
        trace,
        witness,
        metrics: metrics_listener,
        health,
        ready,
    } = config;
    let spool = open_spool(&output)?;
    let metrics = Arc::new(Metrics::default());
    let tasks = TaskTracker::new();
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter.set_service_status(serve::READINESS, tonic_health::ServingStatus::NotServing).await;
    serve_all(&tasks, [metrics_listener, health], &metrics, &reporter, &stop);

    let netns = std::fs::metadata("/proc/self/ns/net").map_err(AgentError::Netns)?.ino() as u32;
    let types = KernelTypes::read(Path::new(KernelTypes::PATH))?;
    let reasons = Reasons::of(&types);
    let layout = Layout::resolve(&types, &reasons, netns);
    let offsets = witness.then(|| Offsets::resolve(&types));
    // They take more than all else, and are read only once.
    drop(types);
    memory::give_back();
    let (probes, reader, off) = Probes::load(&layout, &wishes)?;
    tasks.spawn(memory::give_back_often(stop.clone()));
    report_off(&off);
    let netlink = Netlink::open()?;
    let mut devices = Devices::open(netlink.clone())?;
    let (commands, command_queue) = std::sync::mpsc::sync_channel(COMMAND_QUEUE);
    let (let_go, gone) = std::sync::mpsc::sync_channel(COMMAND_QUEUE);
    let (captured, attempts) = handover(ATTEMPT_QUEUE);
    let ledger = Ledger::new(&metrics);
    let connections = Connections::new(netns, limits, Unwanted::of(&reasons));
    let worker = Worker::new(reader, connections, gone, captured, ledger.clone(), &metrics);
    let capture = spawn("capture", &stop, |stop| worker.run(stop))?;
    let mut attacher = Attacher {
        probes,
        commands: command_queue,
        gone: let_go,
        ledger: ledger.clone(),
        metrics: Arc::clone(&metrics),
    };
    for (ifindex, name) in devices.pod_interfaces().await? {
        attacher.attach(ifindex, &name);
    }
    let attaching = spawn("attach", &stop, |stop| attacher.run(stop))?;
    let (addresses, own_addresses) = watch::channel(netlink.addresses().await?);
    tasks.spawn(Watcher { devices, commands, addresses }.run(stop.clone()));

    let (news, changes) = mpsc::channel(NEWS_QUEUE);
    let mut agent = Agent {
        node,
        reasons,
        output: Some(output),
        spool,
        ready: Some(ready),
        reporter,
        own_addresses,
        awaited: BTreeSet::new(),
        history: History::default(),
        changes,
        attempts,
        netlink,
        tasks: tasks.clone(),
        metrics,
        ledger,
        trace,
        witness: offsets,
        idle: limits.idle,
    };
    agent.start(source, &news)?;
    let result = agent.run(&stop).await;
    stop.cancel();
    drop(agent);
    if capture.join().and(attaching.join()).is_err() {
        return Err(AgentError::CaptureEnded);
    }
    tasks.close();
    tasks.wait().await;
    match result {
        Err(AgentError::Sink(SinkError::Closed)) => Ok(()),
        other => other,
    }
}

/// Starts a thread of capture.
fn spawn(
    name: &str,
    stop: &CancellationToken,
    work: impl FnOnce(&CancellationToken) + Send + 'static,
) -> Result<JoinHandle<()>, AgentError> {
    let stop = stop.clone();
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || work(&stop)).map_err(AgentError::Thread)
}

/// First of all: who cannot have it should not have touched anything else.
fn open_spool(output: &Output) -> Result<Option<(Spool, Left)>, AgentError> {
    match output {
        Output::Collector { spool: Some(config), .. } => Ok(Some(Spool::open(&config.folder)?)),
        _ => Ok(None),
    }
}

fn report_off(off: &[ProbeOff]) {
    for ProbeOff { probe, lost, reason } in off {
        warn!(probe, reason, "A probe is off. Not seen without it: {lost}.");
    }
}

fn serve_all(
    tasks: &TaskTracker,
    [metrics_listener, health_listener]: [Option<TcpListener>; 2],
    metrics: &Arc<Metrics>,
    reporter: &HealthReporter,
    stop: &CancellationToken,
) {
    if let Some(listener) = metrics_listener {
        let served = serve::metrics(listener, Arc::clone(metrics), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                warn!(%error, "Metrics are no longer served.");
            }
        });
    }
    if let Some(listener) = health_listener {
        let served = serve::health(listener, reporter.clone(), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                warn!(error = %chain(&error), "Health is no longer served.");
            }
        });
    }
}

/// The attributing half of the agent: one owner of the history and of the sink.
struct Agent {
    node: Option<String>,
    reasons: Reasons,
    output: Option<Output>,
    spool: Option<(Spool, Left)>,
    ready: Option<Box<dyn FnOnce() + Send>>,
    reporter: HealthReporter,
    own_addresses: watch::Receiver<BTreeSet<IpAddr>>,
    awaited: BTreeSet<ObjectKind>,
    history: History,
    changes: Receiver<News>,
    attempts: Taker,
    netlink: Netlink,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
    ledger: Ledger,
    /// How many openings a second are traced.
    trace: Option<u32>,
    /// What the witness in netfilter needs, where one is asked for.
    witness: Option<Result<Offsets, WitnessError>>,
    /// After what silence a conversation is a new one.
    idle: Duration,
}

impl Agent {
    /// Takes in the objects, or starts the watches and awaits their lists.
    fn start(&mut self, source: Source, news: &Sender<News>) -> Result<(), AgentError> {
        match source {
            Source::Objects(objects) => {
                for object in objects {
                    self.change(Timestamp::now(), Change::Apply(object));
                }
            }
            Source::Kubernetes(config) => {
                let client = kube::Client::try_from(*config)
                    .map_err(|error| AgentError::Kubernetes(Box::new(error)))?;
                self.awaited = cluster::watch(&client, news, &self.metrics, &self.tasks, cluster::LOOK_AGAIN);
            }
        }
        Ok(())
    }

    /// Attributes until told to stop and until the last attempt has been passed on.
    async fn run(&mut self, stop: &CancellationToken) -> Result<(), AgentError> {
        let mut attributing = None;
        let (mut sources_open, mut addresses_open) = (true, true);
        loop {
            if attributing.is_none() && self.awaited.is_empty() {
                attributing = Some(self.begin().await);
            }
            tokio::select! {
                biased;
                news = self.changes.recv(), if sources_open => match news {
                    Some(news) => self.on_news(news),
                    None => sources_open = false,
                },
                // What there is before is told when attribution begins, after the node's name was looked at.
                changed = self.own_addresses.changed(), if addresses_open && attributing.is_some() => match changed {
                    Ok(()) => self.tell_addresses(),
                    Err(_closed) => addresses_open = false,
                },
                captured = self.attempts.take(), if attributing.is_some() => {
                    let (Some(captured), Some(attributing)) = (captured, &mut attributing) else { break };
                    attributing.take(captured, &self.history).await?;
                },
                () = follow(&mut attributing) => {}
                () = stop.cancelled(), if attributing.is_none() => break,
            }
        }
        if let Some(attributing) = &mut attributing {
            attributing.tell_last_losses(&self.ledger).await?;
        }
        if stop.is_cancelled() { Ok(()) } else { Err(AgentError::CaptureEnded) }
    }

    /// The state is complete: from here on, attempts have an owner and a verdict.
    async fn begin(&mut self) -> Attributing {
        self.find_node().await;
        self.tell_addresses();
        self.history.begin();
        let output = self.output.take().expect("begin is called once");
        let sink = self.open_sink(output);
        let places = Self::places();
        let trace = Trace::start(self.trace, self.idle, &self.ledger);
        let witness = Witness::start(self.witness.take(), &self.ledger);
        let attributor = Attributor::new(self.node.clone(), self.reasons.clone(), places);
        let attributing = Attributing::new(attributor, sink, trace, witness, Arc::clone(&self.metrics));
        if let Some(ready) = self.ready.take() {
            ready();
        }
        self.reporter.set_service_status(serve::READINESS, tonic_health::ServingStatus::Serving).await;
        attributing
    }

    /// The name that was given, or else the one that the cluster state tells.
    async fn find_node(&mut self) {
        if let Some(node) = &self.node {
            self.greet(node);
            return;
        }
        let routes = self.netlink.routes().await.unwrap_or_else(|error| {
            warn!(error = %chain(&error), "The routes cannot be listed.");
            Vec::new()
        });
        let addresses = self.own_addresses.borrow_and_update().clone();
        if let Some((node, known)) = own_node(self.history.latest(), &addresses, &routes) {
            info!(node, because = known.as_str(), "This is the node.");
            self.node = Some(node);
        } else {
            warn!(
                ?addresses,
                "No Node object has an address of this network namespace, and no pod hangs on it: no pod \
                 counts as local. Give the node's name with --node-name."
            );
        }
    }

    /// The name was given: it may be a wrong one.
    fn greet(&self, node: &str) {
        let addresses = self.own_addresses.borrow();
        match named_instead(self.history.latest(), node, &addresses) {
            None => info!(node, "This is the node, as was said."),
            Some(known) => warn!(
                node,
                known,
                "No Node object has the name of this node, and no pod says that it is on it: no pod counts as local \
                 until one does. Give the node's name in the cluster with --node-name or NODE_NAME."
            ),
        }
    }

    /// The functions of the kernel, by its symbols.
    fn places() -> Places {
        let places = Places::new(Path::new(Places::PATH));
        if !places.are_shown() {
            warn!(
                "The kernel hides the addresses of its symbols (kernel.kptr_restrict, or no CAP_SYSLOG). Not seen \
                 without them: which part of it dropped a packet, where the reason does not say."
            );
        }
        places
    }

    fn open_sink(&mut self, output: Output) -> Sink {
        match output {
            Output::Lines(out) => Sink::Lines(Lines::new(out)),
            Output::Collector { endpoint, cluster, spool } => {
                let (queue, items) = mpsc::channel(STREAM_QUEUE);
                let node = self.node.clone().unwrap_or_else(|| "unknown".to_owned());
                let identity = Identity { cluster, node, boot: boot_id() };
                let bytes = spool.map_or(0, |spool| spool.bytes);
                let uplink =
                    Uplink::new(*endpoint, identity, self.spool.take(), bytes, Arc::clone(&self.metrics));
                // A thread of its own, since it may wait for the disk.
                let runtime = Handle::current();
                self.tasks.spawn_blocking(move || runtime.block_on(uplink.run(items)));
                Sink::Stream(Stream::new(queue))
            }
        }
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Change { at, change } => self.change(at, change),
            News::Synced(kind) => {
                self.awaited.remove(&kind);
            }
        }
    }

    fn change(&mut self, at: Timestamp, change: Change) {
        if let Err(error) = self.history.apply(at, change) {
            self.metrics.invalid_objects.get_or_create(&ByKind { kind: error.key.kind.as_str() }).inc();
            warn!(error = %chain(&error), "An object is not valid and is left out of the cluster state.");
        }
    }

    fn tell_addresses(&mut self) {
        if let Some(node) = self.node.clone() {
            // Some proxies give every service address to the node: it is the service's all the same.
            let cluster = self.history.latest();
            let is_service = |ip: &IpAddr| matches!(cluster.owner(*ip), Owner::Service(_));
            let known = self.own_addresses.borrow_and_update();
            let addresses = known.iter().copied().filter(|ip| !is_service(ip)).collect();
            drop(known);
            self.change(Timestamp::now(), Change::NodeAddresses { node, addresses });
        }
    }
}

/// Follows the trace and the witness; never comes back.
async fn follow(attributing: &mut Option<Attributing>) {
    match attributing {
        Some(attributing) => attributing.follow().await,
        None => std::future::pending().await,
    }
}

/// A random UUID from the kernel: one for every run of the agent.
fn boot_id() -> String {
    const SOURCE: &str = "/proc/sys/kernel/random/uuid";
    std::fs::read_to_string(SOURCE).map_or_else(
        |_missing| format!("{}-{}", std::process::id(), Timestamp::now().as_nanosecond()),
        |text| text.trim().to_owned(),
    )
}

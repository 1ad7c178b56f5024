//! The agent from start to end: what is wired to what.
//!
//! ```text
//! probes -> worker thread -> attempts -> attribution -> sink
//! netlink -> devices -> worker            ^
//! Kubernetes or objects -> changes -> history
//! ```

use crate::{
    attribute::Attributor,
    capture::{Captured, Command, Conntrack, DeviceChange, Devices, ProbeOff, Probes, Worker, chain},
    clock::Clock,
    cluster::{self, News},
    config::{AgentError, Config, Output, Source},
    connections::{Attempt, Connections},
    kernel::{KernelTypes, Layout, Places},
    metrics::{ByKind, ByVerdict, Cause, Metrics},
    reasons::{ENUMERATIONS, Reasons, SUBSYSTEMS},
    serve,
    sink::{Lines, Sink, SinkError},
    stream::{Identity, Uplink},
    trace::Trace,
    whereabouts::own_node,
    witness::{Offsets, Witness},
};
use jiff::Timestamp;
use portolan_policy::{Change, History, Loss, ObjectKind, Owner};
use std::{
    collections::BTreeSet,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Receiver, Sender},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

/// Attempts that wait for attribution.
const ATTEMPT_QUEUE: usize = 65_536;
const NEWS_QUEUE: usize = 4096;
const STREAM_QUEUE: usize = 8192;
const COMMAND_QUEUE: usize = 4096;
/// How long a full command queue is given to empty.
const BUSY: Duration = Duration::from_millis(5);

/// Runs the agent in the network namespace that it was started in, until told to stop.
pub async fn run(config: Config, stop: CancellationToken) -> Result<(), AgentError> {
    let Config {
        node,
        source,
        output,
        attach,
        limits,
        trace,
        witness,
        metrics: metrics_listener,
        health,
        ready,
    } = config;
    let metrics = Arc::new(Metrics::default());
    let tasks = TaskTracker::new();
    let (reporter, _) = tonic_health::server::health_reporter();
    reporter.set_service_status(serve::READINESS, tonic_health::ServingStatus::NotServing).await;
    serve_all(&tasks, [metrics_listener, health], &metrics, &reporter, &stop);

    let netns = std::fs::metadata("/proc/self/ns/net").map_err(AgentError::Netns)?.ino() as u32;
    let types = KernelTypes::read(Path::new(KernelTypes::PATH))?;
    let reasons = ENUMERATIONS.into_iter().flat_map(|name| types.enumerators(name));
    let reasons = Reasons::new(reasons, types.enumerators(SUBSYSTEMS));
    let (probes, off) = Probes::load(&Layout::resolve(&types, &reasons, netns), attach)?;
    let witness = Witness::start(witness.then(|| Offsets::resolve(&types)));
    drop(types);
    report_off(&off);
    let devices = Devices::open()?;
    let (commands, command_queue) = std::sync::mpsc::sync_channel(COMMAND_QUEUE);
    let (captured, attempts) = mpsc::channel(ATTEMPT_QUEUE);
    let mut worker = Worker::new(probes, Connections::new(netns, limits), command_queue, captured, &metrics);
    for (ifindex, name) in devices.pod_interfaces().await? {
        worker.attach(ifindex, &name);
    }
    let addresses = devices.addresses().await?;
    let capture = spawn_worker(worker, stop.clone()).map_err(AgentError::Thread)?;

    let (news, changes) = mpsc::channel(NEWS_QUEUE);
    let mut agent = Agent {
        node,
        reasons,
        output: Some(output),
        ready: Some(ready),
        reporter,
        addresses,
        awaited: BTreeSet::new(),
        history: History::default(),
        changes,
        attempts,
        devices,
        commands,
        tasks: tasks.clone(),
        metrics,
        conntrack: open_conntrack(),
        trace,
        witness: Some(witness),
        idle: limits.idle,
    };
    agent.start(source, &news)?;
    let result = agent.run(&stop).await;
    stop.cancel();
    drop(agent);
    if capture.join().is_err() {
        return Err(AgentError::CaptureEnded);
    }
    tasks.close();
    tasks.wait().await;
    match result {
        Err(AgentError::Sink(SinkError::Closed)) => Ok(()),
        other => other,
    }
}

fn spawn_worker(worker: Worker, stop: CancellationToken) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("capture".to_owned()).spawn(move || worker.run(&stop))
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
    ready: Option<Box<dyn FnOnce() + Send>>,
    reporter: HealthReporter,
    addresses: BTreeSet<IpAddr>,
    awaited: BTreeSet<ObjectKind>,
    history: History,
    changes: Receiver<News>,
    attempts: Receiver<Captured>,
    devices: Devices,
    commands: SyncSender<Command>,
    tasks: TaskTracker,
    metrics: Arc<Metrics>,
    conntrack: Option<Conntrack>,
    /// How many openings a second are traced.
    trace: Option<u32>,
    witness: Option<Witness>,
    /// After what silence a conversation is a new one.
    idle: Duration,
}

/// What exists once the cluster state is complete.
struct Attributing {
    attributor: Attributor,
    sink: Sink,
    trace: Trace,
    witness: Witness,
}

impl Agent {
    /// Takes in the objects, or starts the watches and awaits their lists.
    fn start(&mut self, source: Source, news: &Sender<News>) -> Result<(), AgentError> {
        match source {
            Source::Objects(objects) => {
                for object in objects {
                    self.change(Change::Apply(object));
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
        let (mut sources_open, mut devices_open) = (true, true);
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
                change = self.devices.next(), if devices_open => if let Some(change) = change {
                    self.on_device(change).await;
                } else {
                    devices_open = false;
                    warn!("Netlink is closed: pod interfaces that come from now on are not seen.");
                },
                captured = self.attempts.recv(), if attributing.is_some() => {
                    let (Some(captured), Some(attributing)) = (captured, &mut attributing) else { break };
                    self.on_captured(captured, attributing).await?;
                },
                lost = next_loss(&mut attributing) => {
                    let Some(attributing) = &mut attributing else { break };
                    self.on_captured(lost, attributing).await?;
                },
                () = stop.cancelled(), if attributing.is_none() => break,
            }
        }
        if let Some(attributing) = &mut attributing {
            self.tell_last_losses(attributing).await?;
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
        let trace = Trace::start(self.trace, self.idle);
        if let Some(ready) = self.ready.take() {
            ready();
        }
        self.reporter.set_service_status(serve::READINESS, tonic_health::ServingStatus::Serving).await;
        Attributing {
            attributor: Attributor { node: self.node.clone(), reasons: self.reasons.clone(), places },
            sink,
            trace,
            witness: self.witness.take().expect("begin is called once"),
        }
    }

    /// What was lost elsewhere while the last attempts were passed on.
    async fn tell_last_losses(&mut self, attributing: &mut Attributing) -> Result<(), AgentError> {
        while let Some(lost) = attributing.trace.take_lost().or_else(|| attributing.witness.take_lost()) {
            self.on_captured(lost, attributing).await?;
        }
        Ok(())
    }

    /// The name that was given, or else the one that the cluster state tells.
    async fn find_node(&mut self) {
        if let Some(node) = &self.node {
            info!(node, "This is the node, as was said.");
            return;
        }
        let routes = self.devices.routes().await.unwrap_or_else(|error| {
            warn!(error = %chain(&error), "The routes cannot be listed.");
            Vec::new()
        });
        if let Some((node, known)) = own_node(self.history.latest(), &self.addresses, &routes) {
            info!(node, because = known.as_str(), "This is the node.");
            self.node = Some(node);
        } else {
            warn!(
                addresses = ?self.addresses,
                "No Node object has an address of this network namespace, and no pod hangs on it: no pod \
                 counts as local. Give the node's name with --node-name."
            );
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

    fn open_sink(&self, output: Output) -> Sink {
        match output {
            Output::Lines(out) => Sink::Lines(Lines::new(out)),
            Output::Collector { endpoint, cluster } => {
                let (queue, items) = mpsc::channel(STREAM_QUEUE);
                let node = self.node.clone().unwrap_or_else(|| "unknown".to_owned());
                let identity = Identity { cluster, node, boot: boot_id() };
                self.tasks.spawn(Uplink::new(*endpoint, identity, Arc::clone(&self.metrics)).run(items));
                Sink::Stream(queue)
            }
        }
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Change(change) => self.change(change),
            News::Synced(kind) => {
                self.awaited.remove(&kind);
            }
        }
    }

    fn change(&mut self, change: Change) {
        if let Err(error) = self.history.apply(Timestamp::now(), change) {
            self.metrics.invalid_objects.get_or_create(&ByKind { kind: error.key.kind.as_str() }).inc();
            warn!(error = %chain(&error), "An object is not valid and is left out of the cluster state.");
        }
    }

    async fn on_device(&mut self, change: DeviceChange) {
        match change {
            DeviceChange::Up { ifindex, name } => self.command(Command::Attach { ifindex, name }).await,
            DeviceChange::Gone { ifindex } => self.command(Command::Gone { ifindex }).await,
            DeviceChange::Addresses => self.refresh_addresses().await,
            DeviceChange::Overrun => self.look_again().await,
        }
    }

    /// The capture thread takes commands at once; only when it is busy may the queue be full. When
    /// it has ended there is nothing left to attach to.
    async fn command(&self, mut command: Command) {
        while let Err(TrySendError::Full(refused)) = self.commands.try_send(command) {
            command = refused;
            tokio::time::sleep(BUSY).await;
        }
    }

    async fn look_again(&mut self) {
        match self.devices.pod_interfaces().await {
            Ok(interfaces) => self.command(Command::Present(interfaces)).await,
            Err(error) => warn!(error = %chain(&error), "The pod interfaces cannot be listed again."),
        }
        self.refresh_addresses().await;
    }

    async fn refresh_addresses(&mut self) {
        match self.devices.addresses().await {
            Ok(addresses) if addresses != self.addresses => {
                self.addresses = addresses;
                self.tell_addresses();
            }
            Ok(_) => {}
            Err(error) => warn!(error = %chain(&error), "The node's own addresses cannot be listed again."),
        }
    }

    fn tell_addresses(&mut self) {
        if let Some(node) = self.node.clone() {
            // Some proxies give every service address to the node: it is the service's all the same.
            let cluster = self.history.latest();
            let is_service = |ip: &IpAddr| matches!(cluster.owner(*ip), Owner::Service(_));
            let addresses = self.addresses.iter().copied().filter(|ip| !is_service(ip)).collect();
            self.change(Change::NodeAddresses { node, addresses });
        }
    }

    /// An opening to a service that was never answered carries no backend: the node's conntrack
    /// table still knows the one it chose.
    fn translate(&mut self, attempt: &mut Attempt) {
        let dialled = attempt.original.destination.ip;
        if attempt.translated.is_some() || !matches!(self.history.latest().owner(dialled), Owner::Service(_))
        {
            return;
        }
        let Some(conntrack) = &mut self.conntrack else { return };
        match conntrack.translated(&attempt.original) {
            Ok(translated) => attempt.translated = translated,
            Err(error) => {
                warn!(%error, "The conntrack table cannot be asked: unanswered attempts show the service only.");
                self.conntrack = None;
            }
        }
    }

    async fn on_captured(
        &mut self,
        captured: Captured,
        Attributing { attributor, sink, trace, witness }: &mut Attributing,
    ) -> Result<(), AgentError> {
        match captured {
            Captured::Attempt(mut attempt) => {
                self.translate(&mut attempt);
                for location in attempt.drops.locations() {
                    attributor.places.learn(location);
                }
                match attributor.attribute(&attempt, &self.history, Clock::now()) {
                    Some(mut observation) => {
                        trace.name(&mut observation.flow, &attempt);
                        observation.flow.passed_netfilter = witness.passed(&attempt);
                        let verdict = ByVerdict { verdict: observation.flow.verdict.as_str() };
                        self.metrics.flows.get_or_create(&verdict).inc();
                        sink.put(observation).await?;
                    }
                    None => {
                        self.metrics.unattributed.inc();
                    }
                }
            }
            Captured::Lost { cause, count, from, to } => {
                self.metrics.lost.get_or_create(&Cause { cause }).inc_by(count);
                warn!(cause, count, "Records were lost.");
                let clock = Clock::now();
                let (from, to) = (clock.timestamp(from), clock.timestamp(to));
                sink.lose(Loss { cause: cause.to_owned(), count, from, to }).await?;
            }
        }
        Ok(())
    }
}

/// Waits until the trace or the witness has lost something.
async fn next_loss(attributing: &mut Option<Attributing>) -> Captured {
    match attributing {
        Some(Attributing { trace, witness, .. }) => tokio::select! {
            lost = trace.next() => lost,
            lost = witness.next() => lost,
        },
        None => std::future::pending().await,
    }
}

fn open_conntrack() -> Option<Conntrack> {
    match Conntrack::open() {
        Ok(conntrack) => Some(conntrack),
        Err(error) => {
            warn!(%error, "No conntrack table here: unanswered attempts to a service show no backend.");
            None
        }
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

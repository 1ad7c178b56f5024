//! What the agent counts about itself.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// Where something was lost.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Cause {
    /// The ring, map or queue that was full.
    pub cause: &'static str,
}

/// A verdict as label.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByVerdict {
    /// The verdict.
    pub verdict: &'static str,
}

/// A probe.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByProbe {
    /// Its name.
    pub probe: String,
}

/// A kind of Kubernetes object.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByKind {
    /// The kind.
    pub kind: &'static str,
}

/// The agent's metrics.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Events read from the ring.
    pub events: Counter,
    /// Events of a kind that this version does not know.
    pub unknown_events: Counter,
    /// Devices that could not be attached to.
    pub attach_failures: Counter,
    /// Packets that crossed new devices before they were attached to, at the most.
    pub packets_before_attach: Counter,
    /// Devices attached to.
    pub devices: Gauge,
    /// Attempts open or remembered.
    pub open_attempts: Gauge,
    /// Flows made.
    pub flows: Family<ByVerdict, Counter>,
    /// Attempts that were no business of this node's pods.
    pub unattributed: Counter,
    /// Records lost.
    pub lost: Family<Cause, Counter>,
    /// Kubernetes objects that could not be understood.
    pub invalid_objects: Family<ByKind, Counter>,
    /// Watches that had to be started again.
    pub watch_failures: Family<ByKind, Counter>,
    /// Runs of each probe, while the kernel counts them.
    pub probe_runs: Family<ByProbe, Counter>,
    /// Time that each probe ran, in seconds; only the kernel moves it, and only up.
    pub probe_run_seconds: Family<ByProbe, Gauge<f64, AtomicU64>>,
    /// Runs that each probe missed.
    pub probe_missed: Family<ByProbe, Counter>,
    /// Batches that the collector acknowledged.
    pub batches_acked: Counter,
    /// Batches waiting for the collector.
    pub batches_waiting: Gauge,
    /// Batches that were given up or damaged.
    pub batches_lost: Counter,
    /// Batches in the spool.
    pub spool_batches: Gauge,
    /// What they take on disk.
    pub spool_bytes: Gauge,
    /// Batches that could not be written to the spool.
    pub spool_write_errors: Counter,
    /// Streams to the collector that failed.
    pub stream_failures: Counter,
}

impl Metrics {
    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut registry = Registry::with_prefix("portolan_agent");
        registry.register("events", "Events read from the kernel", self.events.clone());
        registry.register("unknown_events", "Events of an unknown kind", self.unknown_events.clone());
        registry.register(
            "attach_failures",
            "Devices that could not be attached to",
            self.attach_failures.clone(),
        );
        registry.register(
            "packets_before_attach",
            "Packets that crossed new devices before they were attached to, at the most",
            self.packets_before_attach.clone(),
        );
        registry.register("devices", "Devices attached to", self.devices.clone());
        registry.register("open_attempts", "Attempts open or remembered", self.open_attempts.clone());
        registry.register("flows", "Flows made, by verdict", self.flows.clone());
        registry.register("unattributed", "Attempts without a pod of this node", self.unattributed.clone());
        registry.register("lost_records", "Records lost, by cause", self.lost.clone());
        registry.register(
            "invalid_objects",
            "Kubernetes objects not understood",
            self.invalid_objects.clone(),
        );
        registry.register("watch_failures", "Watches started again", self.watch_failures.clone());
        registry.register(
            "probe_runs",
            "Runs of each probe, with kernel.bpf_stats_enabled",
            self.probe_runs.clone(),
        );
        registry.register(
            "probe_run_seconds_total",
            "Time that each probe ran, with kernel.bpf_stats_enabled",
            self.probe_run_seconds.clone(),
        );
        registry.register("probe_missed", "Runs that each probe missed", self.probe_missed.clone());
        registry.register(
            "batches_acked",
            "Batches acknowledged by the collector",
            self.batches_acked.clone(),
        );
        registry.register(
            "batches_waiting",
            "Batches waiting for the collector",
            self.batches_waiting.clone(),
        );
        registry.register("batches_lost", "Batches given up or damaged", self.batches_lost.clone());
        registry.register("spool_batches", "Batches in the spool", self.spool_batches.clone());
        registry.register(
            "spool_bytes",
            "What the batches in the spool take on disk",
            self.spool_bytes.clone(),
        );
        registry.register(
            "spool_write_errors",
            "Batches that could not be written to the spool",
            self.spool_write_errors.clone(),
        );
        registry.register(
            "stream_failures",
            "Streams to the collector that failed",
            self.stream_failures.clone(),
        );
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a string cannot fail");
        text
    }
}

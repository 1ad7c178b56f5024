//! What the graph counts.

use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Shared with the metrics endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Counters {
    /// Flows of which an end was one external address too many.
    pub(crate) other_addresses: Counter,
    /// Flows of one edge too many.
    pub(crate) other_edges: Counter,
    /// Flows whose time cannot be: counted when they came, or up to then.
    pub(crate) clamped: Counter,
    /// Chunks and rows that are not what was written.
    pub(crate) damaged: Counter,
    /// Flows that were gone when the graph wanted them.
    pub(crate) missed: Counter,
    /// Chunks written.
    pub(crate) chunks: Counter,
    /// Checkpoints.
    pub(crate) checkpoints: Counter,
    /// How long they took.
    pub(crate) checkpoint_seconds: Histogram,
    /// Hours and days that were made of finer buckets.
    pub(crate) rolled: Counter,
    /// Levels of days and minutes of hours that went before their time.
    pub(crate) crowded_out: Counter,
    /// Chunks that were put together with others.
    pub(crate) merged: Counter,
    /// Flows that are kept and not counted yet.
    pub(crate) behind: Gauge,
    /// Bytes of chunks and words.
    pub(crate) bytes: Gauge,
    /// Edges of the newest day.
    pub(crate) edges: Gauge,
    /// Cells of the newest day.
    pub(crate) cells: Gauge,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            other_addresses: Counter::default(),
            other_edges: Counter::default(),
            clamped: Counter::default(),
            damaged: Counter::default(),
            missed: Counter::default(),
            chunks: Counter::default(),
            checkpoints: Counter::default(),
            checkpoint_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            rolled: Counter::default(),
            crowded_out: Counter::default(),
            merged: Counter::default(),
            behind: Gauge::default(),
            bytes: Gauge::default(),
            edges: Gauge::default(),
            cells: Gauge::default(),
        }
    }
}

impl Counters {
    /// Has everything shown to whoever looks at metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Self { other_addresses, other_edges, clamped, damaged, missed, .. } = self;
        let mut counter = |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        counter(
            "graph_other_addresses",
            "Flows of an external address beyond the bound of a day",
            other_addresses,
        );
        counter("graph_other_edges", "Flows of an edge beyond the bound of a day", other_edges);
        counter(
            "graph_clamped",
            "Flows whose time cannot be, counted when they came, or up to then",
            clamped,
        );
        counter("graph_damaged", "Rows and chunks of the graph that are not what was written", damaged);
        counter("graph_missed", "Flows that were gone before the graph had counted them", missed);
        let Self { chunks, checkpoints, rolled, crowded_out, merged, .. } = self;
        counter("graph_chunks", "Chunks of the graph written", chunks);
        counter("graph_checkpoints", "Checkpoints of the graph", checkpoints);
        counter("graph_rolled", "Hours and days of the graph made of finer buckets", rolled);
        counter(
            "graph_crowded_out",
            "Minutes of hours, and levels of days, that went before their time for want of room",
            crowded_out,
        );
        counter("graph_merged", "Chunks of the graph that were put together with others", merged);
        let Self { checkpoint_seconds, behind, bytes, edges, cells, .. } = self;
        let mut gauge = |name, help, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("graph_behind", "Flows that are kept and that the graph has not counted yet", behind);
        gauge("graph_bytes", "Bytes of the graph, compressed", bytes);
        gauge("graph_edges", "Edges of the newest day", edges);
        gauge("graph_cells", "Edges by outcome, verdict and decision of the newest day", cells);
        registry.register("graph_checkpoint_seconds", "Time of a checkpoint", checkpoint_seconds.clone());
    }
}

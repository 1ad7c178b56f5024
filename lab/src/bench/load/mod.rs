//! The traffic of the benchmark: six workloads between two pods, each a client on one processor against a server on
//! another, over non-blocking sockets. They know nothing of what watches them.

mod bulk;
mod churn;
mod flood;
mod ping_pong;
mod ready;
mod server;
mod syns;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::BenchError;
use super::cpu::Usage;
use super::scene::{CLIENT, DENIED, SERVER, Scene};
use crate::error::LabError;

/// Bytes of a message, each way.
const MESSAGE: usize = 64;

/// Bytes that a stream is given at once.
const BLOCK: usize = 256 << 10;

/// Connections in flight (churn) or open (ping-pong).
const CONNECTIONS: usize = 32;

const PORT: u16 = 8080;

/// A kind of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Workload {
    /// Connect, 64 bytes each way, close in order; 32 in flight.
    Churn,
    /// 64 bytes to and fro on 32 connections.
    PingPong,
    /// Datagrams of 64 bytes to a sink, as fast as one thread can.
    Flood,
    /// One stream, as fast as it goes.
    Bulk,
    /// Connections that a firewall drops, each given up at once.
    DeniedSyns,
    /// Datagrams that a firewall drops, as fast as one thread can.
    DeniedDatagrams,
}

impl Workload {
    /// In the order in which they are run.
    pub(super) const ALL: [Self; 6] =
        [Self::Churn, Self::PingPong, Self::Flood, Self::Bulk, Self::DeniedSyns, Self::DeniedDatagrams];

    /// Its name in the tables.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Churn => "churn",
            Self::PingPong => "rr",
            Self::Flood => "udp",
            Self::Bulk => "bulk",
            Self::DeniedSyns => "deny-tcp",
            Self::DeniedDatagrams => "deny-udp",
        }
    }

    /// What one operation is.
    pub(super) const fn operation(self) -> &'static str {
        match self {
            Self::Churn => "connection",
            Self::PingPong => "round trip",
            Self::Flood | Self::DeniedDatagrams => "datagram",
            Self::Bulk => "mebibyte",
            Self::DeniedSyns => "SYN",
        }
    }

    /// Whether a firewall drops it.
    pub(super) const fn is_denied(self) -> bool {
        matches!(self, Self::DeniedSyns | Self::DeniedDatagrams)
    }

    /// Whether its operations are counted where they arrive.
    const fn is_counted_by_server(self) -> bool {
        matches!(self, Self::Flood | Self::Bulk)
    }
}

/// What a client did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Connections or conversations that it tried to open.
    pub(super) attempts: u64,
    /// Operations that came to their end, or were sent; none where the server counts them.
    pub(super) operations: u64,
    /// Nanoseconds that each took, where it takes a time.
    pub(super) latencies: Vec<u32>,
}

impl Tally {
    fn ended(&mut self, since: Instant) {
        self.operations += 1;
        self.latencies.push(since.elapsed().as_nanos().try_into().unwrap_or(u32::MAX));
    }
}

/// A measured run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Connections or conversations that the client tried to open.
    pub(super) attempts: u64,
    /// Operations that came to their end, or arrived; of what is denied, those that were sent.
    pub(super) operations: u64,
    /// How long it took.
    pub(super) elapsed: Duration,
    /// The latency that one operation in a hundred exceeds.
    pub(super) p99: Option<Duration>,
    /// What the processors did meanwhile.
    pub(super) usage: Usage,
}

impl Run {
    /// Operations per second.
    pub(super) fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }
}

/// When a run is over.
#[derive(Debug, Clone, Copy)]
enum Limit {
    After(Duration),
    /// So many connections of a churn, or as many as are in flight at once.
    Connections(u64),
}

/// Runs a workload for `length`, between the two pods of the scene.
pub(super) fn run(scene: &Scene, workload: Workload, length: Duration) -> Result<Run, BenchError> {
    if workload.is_denied() {
        scene.denying(|| run_until(scene, workload, Limit::After(length)))?
    } else {
        run_until(scene, workload, Limit::After(length))
    }
}

/// Opens so many connections and closes them in order.
pub(super) fn churn(scene: &Scene, connections: u64) -> Result<Run, BenchError> {
    run_until(scene, Workload::Churn, Limit::Connections(connections))
}

fn run_until(scene: &Scene, workload: Workload, limit: Limit) -> Result<Run, BenchError> {
    let processors = processors();
    let failed = |doing: &str| {
        let doing = format!("{doing} of {}", workload.name());
        move |err: io::Error| BenchError::Lab(LabError::socket(doing, err))
    };
    let address = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), PORT);
    let bound = scene.lab.within(SERVER, || server::bind(workload, address))?;
    let sink = bound.map_err(failed("open the server"))?;
    let (over, received) = (AtomicBool::new(false), AtomicU64::new(0));
    let (tally, elapsed, usage) = thread::scope(|scope| {
        let serving = scope.spawn(|| {
            pin(processors[1]);
            sink.serve(&over, &received)
        });
        let before = Usage::read();
        let begun = Instant::now();
        let tally = scene.lab.within(CLIENT, || {
            pin(processors[0]);
            let port = if workload.is_denied() { DENIED } else { PORT };
            drive(workload, SocketAddr::new(scene.server, port), limit)
        });
        let elapsed = begun.elapsed();
        let usage = Usage::read().and_then(|after| Ok(after.since(&before?)));
        over.store(true, Ordering::Relaxed);
        let served = serving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        served.map_err(failed("run the server"))?;
        Ok::<_, BenchError>((tally?.map_err(failed("run the client"))?, elapsed, usage?))
    })?;
    let Tally { attempts, operations, latencies } = tally;
    let operations = if workload.is_counted_by_server() { received.into_inner() } else { operations };
    Ok(Run { attempts, operations, elapsed, p99: percentile(latencies, 99), usage })
}

/// The client's side.
fn drive(workload: Workload, peer: SocketAddr, limit: Limit) -> io::Result<Tally> {
    let length = match limit {
        Limit::After(length) => length,
        Limit::Connections(count) => return churn::run(peer, |begun| begun < count),
    };
    let begun = Instant::now();
    match workload {
        Workload::Churn => churn::run(peer, |_| begun.elapsed() < length),
        Workload::PingPong => ping_pong::run(peer, length),
        Workload::Flood | Workload::DeniedDatagrams => flood::run(peer, length),
        Workload::Bulk => bulk::run(peer, length),
        Workload::DeniedSyns => syns::run(peer, length),
    }
}

/// The processors of client and server: two different ones where there are two.
fn processors() -> [usize; 2] {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    let mut usable = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let first = usable.next().unwrap_or(0);
    [first, usable.next().unwrap_or(first)]
}

/// Keeps this thread on one processor; a machine that does not allow it is measured without.
fn pin(processor: usize) {
    let mut set = CpuSet::new();
    let pinned = set.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
    if let Err(err) = pinned {
        tracing::warn!(processor, %err, "A thread of the workload is not pinned.");
    }
}

fn percentile(mut latencies: Vec<u32>, percent: usize) -> Option<Duration> {
    let index = (latencies.len() * percent / 100).min(latencies.len().checked_sub(1)?);
    let (_, nanos, _) = latencies.select_nth_unstable(index);
    Some(Duration::from_nanos(u64::from(*nanos)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_is_slower_than_the_percentile() {
        let latencies: Vec<u32> = (1..=200).rev().collect();
        assert_eq!(percentile(latencies, 99), Some(Duration::from_nanos(199)));
        assert_eq!(percentile(vec![7], 99), Some(Duration::from_nanos(7)));
        assert_eq!(percentile(Vec::new(), 99), None);
    }
}

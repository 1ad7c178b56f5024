//! Attempts along the edges of a cluster, as the agents of its nodes tell of them, in batches that are encoded.

use crate::{
    chance::Chance,
    cluster::{Call, Cluster, Fate, NODES, node},
};
use jiff::{SignedDuration, Timestamp};
use portolan_policy::{Outcome, Protocol, Reporter, Verdict};
use portolan_proto::{Connection, Header, View, Witness, encode};
use prost::{Message as _, bytes::Bytes};
use std::{collections::VecDeque, net::SocketAddr};

/// Records of a batch; agents make none with more.
const BATCH: usize = 4096;
/// Attempts in a second of the cluster's time.
const RATE: i64 = 200_000;

/// What is to be sent in one go, and what it comes to.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// The batches of each node, in order, with their numbers.
    pub(crate) batches: Vec<VecDeque<(u64, Bytes)>>,
    /// What the agents tell: a view is a record.
    pub(crate) records: u64,
    /// Attempts, each of which is to become one flow.
    pub(crate) attempts: u64,
    /// Bytes of all batches, each with gRPC's five.
    pub(crate) bytes: u64,
}

/// Makes attempts and batches, as eight agents would.
pub(crate) struct Traffic<'a> {
    cluster: &'a Cluster,
    chance: Chance,
    /// The number of each node's last batch.
    sequences: [u64; NODES],
    /// How long ago attempts end.
    hours_ago: i64,
}

impl<'a> Traffic<'a> {
    pub(crate) const fn new(cluster: &'a Cluster) -> Self {
        Self { cluster, chance: Chance::new(7), sequences: [0; NODES], hours_ago: 0 }
    }

    /// An attempt along every edge, so many hours ago.
    pub(crate) fn every_edge(&mut self, hours_ago: i64) -> Load {
        self.hours_ago = hours_ago;
        let load = self.load(self.cluster.edges(), |_, number| number);
        self.hours_ago = 0;
        load
    }

    /// So many attempts, few of the edges very frequent.
    pub(crate) fn attempts(&mut self, count: usize) -> Load {
        let edges = self.cluster.edges();
        self.load(count, |chance, _| chance.skewed(edges))
    }

    fn load(&mut self, count: usize, mut edge: impl FnMut(&mut Chance, usize) -> usize) -> Load {
        let mut load = Load { batches: vec![VecDeque::new(); NODES], ..Load::default() };
        let mut waiting: [Vec<View<'a>>; NODES] = std::array::from_fn(|_| Vec::with_capacity(BATCH));
        for (number, clock) in clock(count, self.hours_ago).enumerate() {
            let edge = edge(&mut self.chance, number);
            let (node, view, other) = self.attempt(edge, clock);
            load.attempts += 1;
            for (node, view) in [Some((node, view)), other].into_iter().flatten() {
                waiting[node].push(view);
                if waiting[node].len() == BATCH {
                    self.seal(node, &mut waiting[node], &mut load);
                }
            }
        }
        for (node, views) in waiting.iter_mut().enumerate() {
            self.seal(node, views, &mut load);
        }
        load
    }

    fn seal(&mut self, number: usize, views: &mut Vec<View<'a>>, load: &mut Load) {
        if views.is_empty() {
            return;
        }
        self.sequences[number] += 1;
        let sequence = self.sequences[number];
        let name = node(number);
        let header = Header { cluster: "bench", node: &name, boot: "b3e1c7f0-bench", sequence };
        load.records += views.len() as u64;
        let bytes = Bytes::from(encode(header, views.drain(..), &[]).encode_to_vec());
        load.bytes += bytes.len() as u64 + 5;
        load.batches[number].push_back((sequence, bytes));
    }

    /// The view of the source's node and, where another one saw it too, that one's.
    fn attempt(&mut self, edge: usize, end: i64) -> (usize, View<'a>, Option<(usize, View<'a>)>) {
        let call = self.cluster.call(edge, &mut self.chance);
        let is_far = call.far.is_some_and(|far| far != call.near);
        let view = self.view(&call, end);
        let Some(far) = call.far.filter(|_| is_far && call.fate != Fate::DeniedHere) else {
            return (call.near, view, None);
        };
        let there = Witness { source_local: false, destination_local: true, ..view.witness };
        // What is dropped over there stays without an answer here.
        let here = if call.fate == Fate::DeniedThere { Outcome::NoReply } else { view.outcome };
        let other = View { witness: there, reporter: Reporter::Destination, ..view };
        let silent = here == Outcome::NoReply;
        let seen = |word| if silent { None } else { word };
        let view = View {
            outcome: here,
            drop_reason: seen(view.drop_reason),
            drop_location: seen(view.drop_location),
            inferred: silent,
            ..view
        };
        (call.near, view, Some((far, other)))
    }

    fn view(&mut self, call: &Call<'a>, end: i64) -> View<'a> {
        let chance = &mut self.chance;
        let denied = call.fate != Fate::Admitted;
        let outcome = match chance.below(100) {
            _ if denied => Outcome::Dropped,
            0..2 if !call.is_question => Outcome::Refused,
            2 => Outcome::NoReply,
            _ => Outcome::Established,
        };
        let established = outcome == Outcome::Established;
        let tcp = !call.is_question;
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let latency = chance.about(180.0, 0.7);
        let exchanged = if established { 1 + chance.about(3.0, 0.8) } else { 0 };
        let duration = if established { chance.about(25_000.0, 1.5) } else { 3_000_000 };
        let time = at(end - duration as i64);
        let source_port = 32_768 + chance.below(28_232) as u16;
        let socket = |ip, port| SocketAddr::new(ip, port);
        let (here, there) = (call.far == Some(call.near), established);
        View {
            time,
            end_time: at(end),
            source: call.source,
            source_port: Some(source_port),
            destination: call.destination,
            service: call.service,
            protocol,
            outcome,
            drop_reason: denied.then_some("NETFILTER_DROP"),
            drop_location: denied.then_some("netfilter"),
            enforced_by: None,
            revises: None,
            passed_netfilter: None,
            verdict: match outcome {
                Outcome::Dropped => Verdict::Denied,
                Outcome::Established => Verdict::Allowed,
                _ => Verdict::Failed,
            },
            inferred: false,
            egress: call.egress,
            ingress: call.ingress,
            reporter: if here { Reporter::Both } else { Reporter::Source },
            attempts: 1,
            tries: if established { 1 } else { 2 },
            packets: 2 + 4 * exchanged,
            bytes: if established { chance.about(1500.0, 1.3) } else { 0 },
            latency_us: established.then_some(latency),
            latencies: None,
            retransmits: (tcp && established).then(|| u64::from(chance.percent(2))),
            srtt_us: (tcp && established).then(|| latency + chance.below(90) as u64),
            connection: Connection {
                protocol,
                source: socket(call.source.ip(), source_port),
                destination: socket(call.destination.ip(), call.destination.port().unwrap_or(0)),
                tcp_isn: if tcp { chance.next() as u32 } else { 0 },
                start: time,
            },
            witness: Witness {
                source_local: true,
                destination_local: here,
                reached_pod: there,
                ..Witness::default()
            },
        }
    }
}

/// The ends of so many attempts, the last of them now or so many hours ago.
fn clock(count: usize, hours_ago: i64) -> impl Iterator<Item = i64> {
    let now = Timestamp::now().as_microsecond() - hours_ago * 3_600_000_000;
    (0..count as i64).map(move |number| now - (count as i64 - number) * 1_000_000 / RATE)
}

fn at(micros: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_micros(micros)
}

//! Adds up flows one by one, with no buckets but minutes and nothing shared with the real one.

use super::Answer;
use crate::{
    graph::answer::{Count, Decided, Direction, Edge, Party},
    made::Made,
};
use jiff::{SignedDuration, Timestamp};
use portolan_policy::{End, Outcome, SideDecision, Verdict, Who};
use std::{collections::BTreeMap, sync::Arc};

/// Older flows are not believed.
pub(super) const PAST: SignedDuration = SignedDuration::from_hours(4 * 24);

/// The flows by ordinal, each with the times at which it begins and ends.
#[derive(Default)]
pub(super) struct Naive(BTreeMap<u64, (Timestamp, Timestamp, Arc<Made>)>);

#[derive(Default)]
struct Sum {
    attempts: u64,
    packets: u64,
    bytes: u64,
    retransmits: u64,
    revised: u64,
    times: Vec<Timestamp>,
    micros: Vec<u64>,
    counts: BTreeMap<(Outcome, Verdict, Option<String>), u64>,
    decisions: BTreeMap<(Direction, SideDecision), (u64, Vec<Timestamp>)>,
}

impl Naive {
    pub(super) fn put(&mut self, made: &Arc<Made>, now: Timestamp) {
        let ahead = now + SignedDuration::from_mins(5);
        let (time, end) = (made.flow.time, made.flow.end_time.max(made.flow.time));
        let is_believed =
            time <= ahead && end >= now - PAST && time >= now - SignedDuration::from_hours(24_000);
        let (time, end) = if is_believed { (time, end.min(ahead)) } else { (now, now) };
        self.0.insert(made.ordinal, (time, end, Arc::clone(made)));
    }

    /// All attempts.
    pub(super) fn attempts(&self) -> u64 {
        self.0.values().map(|(_, _, made)| made.flow.attempts).sum()
    }

    fn sums(&self, from: Timestamp, to: Timestamp) -> BTreeMap<Edge, Sum> {
        let mut sums: BTreeMap<Edge, Sum> = BTreeMap::new();
        for (time, end, made) in self.0.values().filter(|(time, ..)| *time >= from && *time < to) {
            sums.entry(edge(made)).or_default().add(*time, *end, made);
        }
        sums
    }

    /// Whether the answer is what flows of the time that it says it covers come to.
    pub(super) fn compare(&self, answer: &Answer) {
        let sums = self.sums(answer.from, answer.to);
        let told = answer.edges.iter().map(|edge| Some(&edge.edge)).chain([None]);
        told.zip(sums.keys().map(Some).chain([None])).for_each(|(told, edge)| assert_eq!(told, edge));
        for (told, sum) in answer.edges.iter().zip(sums.into_values()) {
            let tally = &told.tally;
            assert_eq!(
                (tally.attempts, tally.packets, tally.bytes, tally.retransmits, tally.revised),
                (sum.attempts, sum.packets, sum.bytes, sum.retransmits, sum.revised)
            );
            assert_eq!((tally.first, tally.last), ends(&sum.times));
            let counts = sum.counts.into_iter().map(|((outcome, verdict, drop_reason), attempts)| Count {
                outcome,
                verdict,
                drop_reason,
                attempts,
            });
            assert_eq!(told.counts, counts.collect::<Vec<_>>());
            let decisions = sum.decisions.into_iter().map(|((direction, decision), (attempts, times))| {
                let (first, last) = ends(&times);
                Decided { direction, decision, attempts, first, last }
            });
            assert_eq!(told.decisions, decisions.collect::<Vec<_>>());
            let mut micros = sum.micros;
            micros.sort_unstable();
            assert_eq!(tally.latencies.len(), micros.len() as u64);
            for per_mille in [0, 500, 900, 990, 1000] {
                let rank = (micros.len() * per_mille).div_ceil(1000).max(1);
                let exact = micros.get(rank - 1).copied();
                let told = tally.latencies.per_mille(per_mille as u64);
                let near = |(told, exact): (u64, u64)| told <= exact && exact - told <= exact / 100;
                assert!(told.zip(exact).is_none_or(near), "{told:?} for {exact:?}");
                assert_eq!(told.is_some(), exact.is_some());
            }
        }
    }
}

impl Sum {
    fn add(&mut self, time: Timestamp, end: Timestamp, Made { flow, latencies, .. }: &Made) {
        self.attempts += flow.attempts;
        self.packets += flow.packets;
        self.bytes += flow.bytes;
        self.retransmits += flow.retransmits.unwrap_or(0);
        self.revised += if flow.revises.is_some() { flow.attempts } else { 0 };
        self.times.extend([time, end]);
        match latencies {
            Some(latencies) => {
                let each = latencies.counts().iter().map(|(micros, count)| (*micros, *count as usize));
                self.micros.extend(each.flat_map(|(micros, count)| std::iter::repeat_n(micros, count)));
            }
            None => self.micros.extend(flow.latency_us.map(|latency| latency.p50)),
        }
        *self
            .counts
            .entry((flow.outcome, flow.verdict, flow.drop_reason.as_deref().map(str::to_owned)))
            .or_default() += flow.attempts;
        for (direction, side) in [(Direction::Egress, &flow.egress), (Direction::Ingress, &flow.ingress)] {
            let side = SideDecision { reason: None, ..side.as_ref().clone() };
            let (attempts, times) = self.decisions.entry((direction, side)).or_default();
            *attempts += flow.attempts;
            times.extend([time, end]);
        }
    }
}

/// The first and the last, in whole microseconds.
fn ends(times: &[Timestamp]) -> (Timestamp, Timestamp) {
    let micros = |time: &Timestamp| Timestamp::from_microsecond(time.as_microsecond()).unwrap();
    (micros(times.iter().min().unwrap()), micros(times.iter().max().unwrap()))
}

fn edge(Made { flow, .. }: &Made) -> Edge {
    Edge {
        source: party(&flow.source),
        destination: party(&flow.destination),
        service: flow.service.as_ref().map(|service| (service.namespace.clone(), service.name.clone())),
        port: flow.destination.port(),
        protocol: flow.protocol,
    }
}

fn party(end: &End) -> Party {
    match end.who().clone() {
        Who::Pod(pod) => {
            Party::Workload { namespace: pod.namespace, kind: pod.workload.kind, name: pod.workload.name }
        }
        Who::Node { node, .. } => Party::Node { name: node },
        Who::Service { namespace, name, .. } => Party::Service { namespace, name },
        Who::External { ip } => Party::External { ip },
    }
}

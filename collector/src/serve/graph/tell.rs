//! The engine's answers as the records of the protocol.

use crate::graph::{
    answer::{self, Count, Decided, EdgeAnswer, Tally},
    latencies::Latencies,
};
use portolan_policy::Workload;
use portolan_proto::graph::{
    DecisionCount, Direction, Edge, Latency, OutcomeCount, Party, Service, by_verdict,
};

/// An edge, with the histogram of its latencies where it is wanted.
pub(super) fn edge(told: EdgeAnswer, histograms: bool) -> Edge {
    let EdgeAnswer { edge, tally, counts, decisions } = told;
    let answer::Edge { source, destination, service, port, protocol } = edge;
    let Tally { attempts, packets, bytes, retransmits, revised, first, last, latencies } = tally;
    let outcomes: Vec<_> = counts.into_iter().map(outcome).collect();
    Edge {
        source: party(source),
        destination: party(destination),
        service: service.map(|(namespace, name)| Service { namespace, name }),
        port,
        protocol,
        attempts,
        revised,
        verdicts: by_verdict(&outcomes),
        outcomes,
        packets,
        bytes,
        retransmits,
        first,
        last,
        latency_us: latency(&latencies, histograms),
        decisions: decisions.into_iter().map(decision).collect(),
    }
}

/// The side that a decision is about.
pub(super) const fn direction(direction: answer::Direction) -> Direction {
    match direction {
        answer::Direction::Egress => Direction::Egress,
        answer::Direction::Ingress => Direction::Ingress,
    }
}

fn party(party: answer::Party) -> Party {
    match party {
        answer::Party::Workload { namespace, kind, name } => {
            Party::Workload { namespace, workload: Workload { kind, name } }
        }
        answer::Party::Node { name } => Party::Node { node: name },
        answer::Party::Service { namespace, name } => Party::Service { namespace, name },
        answer::Party::External { ip } => Party::External { ip },
        answer::Party::Other => Party::Other,
    }
}

fn outcome(Count { outcome, verdict, drop_reason, attempts }: Count) -> OutcomeCount {
    OutcomeCount { outcome, verdict, drop_reason, attempts }
}

fn decision(Decided { direction: side, decision, attempts, first, last }: Decided) -> DecisionCount {
    DecisionCount { direction: direction(side), decision, attempts, first, last }
}

fn latency(latencies: &Latencies, histogram: bool) -> Option<Latency> {
    let at = |per_mille| latencies.per_mille(per_mille);
    Some(Latency {
        count: latencies.len(),
        min: latencies.min()?,
        p50: at(500)?,
        p90: at(900)?,
        p99: at(990)?,
        max: latencies.max()?,
        histogram: if histogram { latencies.counts().collect() } else { Vec::new() },
    })
}

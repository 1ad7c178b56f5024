//! What the ledger holds at the end, against what the agents had to tell.

use crate::{
    agent::{BLOCK, HASTY, block, hasty},
    process::{Process, free_port, send_all},
    scene::{Count, PATIENT, all_told},
    support::build::at,
    world::{Dice, NODES},
};
use portolan_policy::{End, Flow, Reporter, Who};
use portolan_proto::{
    Header, Observation, View, encode,
    v1::{self, party::Party},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

/// Number of a connection, and whether it is told again.
type Number = (u64, bool);

#[derive(Debug, Default)]
pub(crate) struct Told {
    flows: Vec<Flow>,
    /// Which connections each node has told of.
    views: BTreeMap<&'static str, BTreeSet<Number>>,
    hasty: BTreeSet<Number>,
    /// What the hasty node lost, and what the others did, by cause.
    lost: u64,
    others_lost: BTreeMap<String, u64>,
}

impl Told {
    pub(crate) fn of(flows: &[v1::Flow]) -> Self {
        let mut told = Self::default();
        for flow in flows {
            told.add(Flow::try_from(flow.clone()).unwrap());
        }
        told
    }

    fn add(&mut self, flow: Flow) {
        let number = number(&flow);
        let is_hasty = node_of(&flow.source) == Some(HASTY);
        for loss in &flow.losses {
            if is_hasty {
                self.lost += loss.count;
            } else {
                *self.others_lost.entry(loss.cause.clone()).or_default() += loss.count;
            }
        }
        let once = |views: &mut BTreeSet<Number>| assert!(views.insert(number), "told twice: {flow:?}");
        if is_hasty {
            once(&mut self.hasty);
        } else {
            for end in tellers(&flow) {
                once(self.views.entry(end).or_default());
            }
        }
        self.flows.push(flow);
    }

    /// What a run of an agent told begins with its first record and has no gap; all that was safe is there. What the
    /// hasty one told and what was counted as lost is all that it had to tell.
    pub(crate) fn check(&self, count: &Count) {
        for ((node, run), safe) in &count.safe {
            let seen = self.views.get(node).cloned().unwrap_or_default();
            let numbers: Vec<Number> = block(count.seed, *run)[node].iter().map(number_of).collect();
            let told = numbers.iter().filter(|number| seen.contains(number)).count();
            let prefix = numbers.iter().take_while(|number| seen.contains(number)).count();
            let gap = numbers.get(prefix).filter(|_| told > prefix);
            let others = self.flows.iter().filter(|flow| node_of(&flow.source) != Some(HASTY));
            let instead = others.map(|flow| (number(flow), flow)).find(|(number, _)| gap == Some(number));
            assert_eq!(
                gap, None,
                "{node} run {run}: missing in the middle, {prefix} of {told}; there is {instead:?}"
            );
            assert!(told as u64 >= *safe, "{node} run {run}: {told} told, {safe} were safe");
        }
        assert_eq!(self.hasty.len() as u64 + self.lost, count.hasty, "told and lost is all there was");
        assert!(self.lost > 0, "its spool was never full");
        let causes: Vec<&String> =
            self.others_lost.keys().filter(|cause| *cause != "spool-damaged").collect();
        assert!(causes.is_empty(), "no bound was hit: {:?}", self.others_lost);
    }

    /// A collector that nothing befalls makes the same flows of the same views, field by field.
    pub(crate) async fn same_as_undisturbed(&self, seed: u64) {
        let (data, port) = (tempfile::tempdir().unwrap(), free_port());
        let collector = Process::start(data.path(), port, PATIENT).await;
        for (node, batches) in self.batches(seed) {
            send_all(port, batches, Dice::new(seed ^ node.len() as u64), Duration::ZERO).await;
        }
        collector.stop();
        let collector = all_told(data.path(), port).await;
        let expected = texts(collector.kept().await.into_iter().map(|flow| Flow::try_from(flow).unwrap()));
        let told = texts(self.flows.iter().cloned());
        let first = told.iter().zip(&expected).find(|(told, expected)| told != expected);
        assert_eq!((first, told.len()), (None, expected.len()));
        collector.stop();
    }

    /// The graph adds up to the flows, edge by edge and verdict by verdict.
    pub(crate) fn check_graph(&self, edges: &[v1::Edge]) {
        let mut expected = Counts::new();
        for flow in &self.flows {
            let edge =
                format!("{} {} {:?}", party(&flow.source), party(&flow.destination), flow.destination.port());
            let key = (edge, v1::Outcome::from(flow.outcome).into(), v1::Verdict::from(flow.verdict).into());
            *expected.entry(key).or_default() += flow.attempts;
        }
        let mut told = Counts::new();
        let revised: u64 = edges.iter().map(|edge| edge.revised).sum();
        let again = self.flows.iter().filter(|flow| flow.revises.is_some());
        assert_eq!(revised, again.map(|flow| flow.attempts).sum::<u64>());
        assert!(revised > 0, "some attempts were told again");
        for edge in edges {
            let ends =
                [&edge.source, &edge.destination].map(|end| end.clone().and_then(|end| end.party).unwrap());
            let [source, destination] = ends.map(party_of);
            let name = format!("{source} {destination} {:?}", edge.port.map(|port| port as u16));
            for count in &edge.outcomes {
                let key = (name.clone(), count.outcome, count.verdict);
                *told.entry(key).or_default() += count.attempts;
            }
        }
        assert_eq!(told, expected);
    }

    /// What was told, in batches of agents that nothing befalls.
    fn batches(&self, seed: u64) -> BTreeMap<&'static str, Vec<v1::Batch>> {
        let views = |node: &'static str| -> Vec<Observation> {
            let numbers = &self.views[node];
            let blocks: BTreeSet<u64> = numbers.iter().map(|(number, _)| number / BLOCK).collect();
            let all = blocks.into_iter().flat_map(|number| block(seed, number).remove(node).unwrap());
            all.filter(|view| numbers.contains(&number_of(view))).collect()
        };
        let hasty = self.hasty.iter().map(|(number, _)| hasty(*number)).collect();
        let nodes = NODES.into_iter().map(|node| (node, views(node))).chain([(HASTY, hasty)]);
        nodes.map(|(node, views)| (node, batches(node, &views))).collect()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views: usize = self.views.values().map(BTreeSet::len).sum();
        let Self { flows, hasty, lost, others_lost, .. } = self;
        write!(
            f,
            "{} flows of {views} views and {} of the hasty node, which lost {lost}; others lost {others_lost:?}",
            flows.len(),
            hasty.len()
        )
    }
}

/// Attempts by edge, outcome and verdict.
type Counts = BTreeMap<(String, i32, i32), u64>;

fn party(end: &End) -> String {
    match end.who() {
        Who::Pod(pod) => format!("{}/{}", pod.namespace, pod.workload.name),
        other => other.ip().to_string(),
    }
}

fn party_of(party: Party) -> String {
    match party {
        Party::Workload(workload) => format!("{}/{}", workload.namespace, workload.workload.unwrap().name),
        Party::External(octets) => IpAddr::from(<[u8; 4]>::try_from(octets.as_slice()).unwrap()).to_string(),
        other => panic!("{other:?} is in no flow"),
    }
}

fn batches(node: &str, views: &[Observation]) -> Vec<v1::Batch> {
    let header = |sequence| Header { cluster: "test", node, boot: "undisturbed", sequence };
    let pieces = views.chunks(500).zip(1..);
    pieces.map(|(piece, sequence)| encode(header(sequence), piece.iter().map(View::from), &[])).collect()
}

/// Flows to be compared: which of them tells of a loss hangs on what befell.
fn texts(flows: impl Iterator<Item = Flow>) -> Vec<String> {
    let mut texts: Vec<String> =
        flows.map(|flow| format!("{:?}", Flow { lost: 0, losses: Vec::new(), ..flow })).collect();
    texts.sort_unstable();
    texts
}

/// The number of the connection that a view is of.
fn number_of(view: &Observation) -> Number {
    number(&view.flow)
}

fn number(flow: &Flow) -> Number {
    (flow.time.duration_since(at(0)).as_millis() as u64 / 7, flow.revises.is_some())
}

fn node_of(end: &End) -> Option<&'static str> {
    let Who::Pod(pod) = end.who() else { return None };
    NODES.into_iter().chain([HASTY]).find(|node| pod.node == *node)
}

/// The nodes whose views are in a flow.
fn tellers(flow: &Flow) -> BTreeSet<&'static str> {
    let ends: &[&End] = match flow.reporter {
        Reporter::Source => &[&flow.source],
        Reporter::Destination => &[&flow.destination],
        Reporter::Both => &[&flow.source, &flow.destination],
    };
    ends.iter().map(|end| node_of(end).expect("a pod of a node told of it")).collect()
}

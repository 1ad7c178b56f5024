//! What several agents have to tell, drawn from a seed: the same seed, the same batches.
#![allow(dead_code, reason = "each test crate needs its own part")]

use crate::support::build::{FlowExt as _, at, by_destination, by_source, external, flow, pod, view};
use portolan_policy::{Flow, Loss, Outcome};
use portolan_proto::{Header, Observation, View, Witness, encode, v1};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

/// Nodes of the world.
pub(crate) const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Numbers that look random.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The batches of each node, in the order in which its agent sends them.
pub(crate) type World = BTreeMap<&'static str, Vec<v1::Batch>>;

/// What the agent of each node sees of connections, in order.
pub(crate) type Views = BTreeMap<&'static str, Vec<Observation>>;

/// A world of so many connections.
pub(crate) fn world(seed: u64, connections: u64) -> World {
    let mut dice = Dice::new(seed);
    let views = views(&mut dice, 0..connections);
    views.into_iter().map(|(node, views)| (node, batches(&mut dice, node, views))).collect()
}

/// How many flows its connections are: one each, and one more of each that is told again.
pub(crate) fn flows_of(seed: u64, connections: u64) -> u64 {
    let views = views(&mut Dice::new(seed), 0..connections);
    let again = views.values().flatten().filter(|view| view.flow.revises.is_some()).count() as u64;
    assert!(again > 0, "some got through after they were told");
    connections + again
}

/// The views of the connections with these numbers.
pub(crate) fn views(dice: &mut Dice, numbers: Range<u64>) -> Views {
    let mut views = Views::new();
    // What got through later is told later.
    let mut later: VecDeque<(u64, &'static str, Observation)> = VecDeque::new();
    for number in numbers {
        while let Some((_, node, again)) = later.pop_front_if(|(when, ..)| *when <= number) {
            views.entry(node).or_default().push(again);
        }
        let connection = connection(dice, number);
        let teller = dice.below(6) as usize;
        let again =
            connection.get(teller).and_then(|(node, view)| Some((number + 20, *node, got_through(view)?)));
        later.extend(again);
        for (node, observation) in connection {
            views.entry(node).or_default().push(observation);
        }
    }
    for (_, node, again) in later {
        views.entry(node).or_default().push(again);
    }
    views
}

/// The second telling of what did not get through at first.
fn got_through(told: &Observation) -> Option<Observation> {
    let revises = told.flow.outcome;
    let again = told.flow.clone().ended(Outcome::Established).change(|flow| flow.revises = Some(revises));
    (revises != Outcome::Established).then(|| Observation { flow: again, ..told.clone() })
}

fn at_node(node: usize, number: u64) -> portolan_policy::End {
    let name = format!("shop/app{}-{}", number % 7, node);
    pod(&name, &format!("10.0.{node}.{}", 1 + number % 7), NODES[node])
}

/// One connection: both its views, or the only one.
fn connection(dice: &mut Dice, number: u64) -> Vec<(&'static str, Observation)> {
    let (from, to) = (dice.below(3) as usize, dice.below(3) as usize);
    let outcome = Outcome::ALL[dice.below(Outcome::ALL.len() as u64) as usize];
    let port = 1024 + (number % 60_000) as u16;
    let made = |flow: Flow| flow.source_port(port).started(at(number as i64 * 7)).ended(outcome);
    let observations = if dice.below(4) == 0 {
        vec![(NODES[from], by_source(made(flow(at_node(from, number), external("192.0.2.1")))))]
    } else if from == to {
        let both = Witness { source_local: true, destination_local: true, ..Witness::default() };
        vec![(NODES[from], view(made(flow(at_node(from, number), at_node(to, number + 1))), 0, both))]
    } else {
        let told = made(flow(at_node(from, number), at_node(to, number + 1)));
        vec![(NODES[from], by_source(told.clone())), (NODES[to], by_destination(told))]
    };
    let isn = 1 + number as u32;
    let with_isn = |(node, mut observation): (_, Observation)| {
        observation.connection.tcp_isn = isn;
        (node, observation)
    };
    observations.into_iter().map(with_isn).collect()
}

/// An agent that started several times: what old runs could not send comes between.
fn batches(dice: &mut Dice, node: &'static str, views: Vec<Observation>) -> Vec<v1::Batch> {
    let mut batches: Vec<v1::Batch> = Vec::new();
    let mut sequences: BTreeMap<u64, u64> = BTreeMap::new();
    let mut views = views.into_iter().peekable();
    let mut boot = 0;
    while views.peek().is_some() {
        boot += u64::from(dice.below(20) == 0);
        let told_by = boot - dice.below(boot.min(2) + 1);
        let sequence = sequences.entry(told_by).or_default();
        *sequence += 1;
        let count = dice.below(12) as usize;
        let observations: Vec<_> = views.by_ref().take(count).collect();
        let lost = Loss { cause: "ring-full".to_owned(), count: 1 + dice.below(9), from: at(0), to: at(1) };
        let losses = if dice.below(5) == 0 { vec![lost] } else { Vec::new() };
        let boot = format!("{node}-{told_by}");
        let header = Header { cluster: "test", node, boot: &boot, sequence: *sequence };
        batches.push(encode(header, observations.iter().map(View::from), &losses));
    }
    batches
}

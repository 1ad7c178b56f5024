//! The engine says what the naive evaluator says, in random clusters and after random changes.
//!
//! Every property runs 100 to 200 cases by default. To run many:
//! `PORTOLAN_CASES=5000 cargo test --release -p portolan-policy --test equivalence`.
//! A failure prints the shrunken cluster and the seed; `PORTOLAN_SEED` runs the same cases again.
#![expect(clippy::unwrap_used, reason = "what a test takes for granted should end it when it fails")]
#![expect(clippy::print_stdout, reason = "a failed property tells its seed")]

mod history;
mod metamorphic;
mod model;
#[path = "../naive/mod.rs"]
mod naive;
mod policies;
mod scenery;

use model::{Event, Model};
use portolan_policy::{BaselineReading, Connection, Decision, Object, Protocol};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::RngSeed};
use scenery::{address, dns_answers, gateways, labels};
use std::hash::{BuildHasher, RandomState};

/// How many cases each property runs, and from which seed.
fn cases(default: u32) -> ProptestConfig {
    let told = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = told("PORTOLAN_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("PORTOLAN_SEED={seed}");
    ProptestConfig {
        cases: told("PORTOLAN_CASES").map_or(default, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..ProptestConfig::default()
    }
}

fn question() -> impl Strategy<Value = Connection> {
    let ports = prop_oneof![
        6 => select(vec![53, 80, 80, 80, 81, 8080, 8080]),
        1 => select(vec![30_080, 30_081, 30_082]),
        1 => select(vec![0, 79, 65_535]),
    ];
    let service = prop_oneof![
        8 => (ports, select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp]))
            .prop_map(|(port, protocol)| (Some(port), protocol)),
        1 => select(Protocol::ALL.to_vec()).prop_map(|protocol| (None, protocol)),
    ];
    (address(), address(), service).prop_map(|(source, destination, (port, protocol))| Connection {
        source,
        destination,
        port,
        protocol,
    })
}

fn any_policy() -> impl Strategy<Value = Object> {
    prop_oneof![
        4 => policies::network_policy(),
        4 => policies::cluster_network_policy(),
        2 => policies::admin_network_policy(),
        2 => policies::baseline_admin_network_policy(),
    ]
}

fn any_object() -> impl Strategy<Value = Object> {
    prop_oneof![
        3 => scenery::namespace(),
        2 => scenery::node(),
        8 => scenery::pod(),
        1 => scenery::service(),
        2 => scenery::slice(),
        9 => any_policy(),
    ]
}

/// What there is before anything is asked.
fn beginning() -> impl Strategy<Value = Vec<Event>> {
    let objects = (
        vec(scenery::namespace(), 1..5),
        vec(scenery::node(), 0..4),
        vec(scenery::pod(), 3..9),
        vec(scenery::service(), 0..4),
        vec(scenery::slice(), 0..5),
        vec(any_policy(), 0..7),
    );
    (objects, vec(told(), 0..4)).prop_map(
        |((namespaces, nodes, pods, services, slices, policies), mut told)| {
            let lists = [namespaces, nodes, pods, services, slices, policies];
            told.extend(lists.into_iter().flatten().map(Event::Apply));
            told
        },
    )
}

/// What is told beside the objects.
fn told() -> impl Strategy<Value = Event> {
    let readings = vec![BaselineReading::PerDirection, BaselineReading::AnyDirection];
    prop_oneof![
        (select(&scenery::NODES[..]), gateways()).prop_map(|(node, ips)| Event::NodeAddresses(node, ips)),
        dns_answers().prop_map(|(name, ips)| Event::DnsAnswers(name, ips)),
        select(readings).prop_map(Event::Reading),
    ]
}

/// A change: an object of a name that may be there already comes, goes or gets other labels.
fn change() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any_object().prop_map(Event::Apply),
        4 => any_object().prop_map(|object| Event::Delete(object.key())),
        3 => (any_object(), labels()).prop_map(|(object, labels)| Event::Relabel(object.key(), labels)),
        1 => told(),
    ]
}

fn compare(model: &Model, questions: &[Connection]) -> Result<(), TestCaseError> {
    let difference = questions.iter().find_map(|question| model.difference(question));
    difference.map_or(Ok(()), |difference| Err(TestCaseError::fail(difference)))
}

fn answers(model: &Model, questions: &[Connection]) -> Vec<Decision> {
    questions.iter().map(|question| model.answer(question)).collect()
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn the_engine_says_what_the_texts_say(events in beginning(), questions in vec(question(), 64)) {
        compare(&Model::after(&events), &questions)?;
    }

    #[test]
    fn it_does_so_after_any_changes_and_older_versions_stay_as_they_were(
        events in beginning(),
        changes in vec(change(), 1..32),
        questions in vec(question(), 24),
    ) {
        let mut model = Model::after(&events);
        let mut versions = Vec::new();
        for few in changes.chunks(4) {
            versions.push((model.clone(), answers(&model, &questions)));
            for event in few {
                model.tell(event);
            }
            compare(&model, &questions)?;
        }
        for (version, then) in versions {
            prop_assert_eq!(answers(&version, &questions), then);
        }
    }
}

//! A ledger and the queries on it, against a plain list of flows.

mod passing;

use super::{
    Ledger, Step, Tail, keys,
    memory::MemoryStore,
    restore::restore,
    store::{Change, SharedStore, Space},
};
use crate::{
    build::{FlowExt as _, at, web_to_db},
    config::Config,
    intake::Effects,
    made::{Joined, Made},
    metrics::Metrics,
    query::{Place, Query},
    subscribe::Wanted,
};
use portolan_policy::Flow;
use proptest::prelude::*;
use std::{ops::ControlFlow, sync::Arc};

/// Goes on with what is in a store, with blocks of so many flows.
fn open(store: &SharedStore, flows: usize) -> Ledger {
    let metrics = Arc::new(Metrics::new());
    let (mut ledger, _) = restore(Arc::clone(store), &Config::default(), metrics, at(0));
    ledger.segments.full.flows = flows;
    ledger
}

/// Flows as they were made; some have the same time.
fn made(times: &[i64], number: &mut i64) -> Vec<Flow> {
    let flow = |millis: &i64| {
        *number += 1;
        let time = at(*millis);
        let flow = web_to_db().started(time).source_port(1000 + (*number % 7) as u16);
        flow.change(|flow| flow.bytes = *number as u64)
    };
    times.iter().map(flow).collect()
}

fn commit(ledger: &mut Ledger, flows: Vec<Flow>) {
    let flows = flows.into_iter().map(|flow| Joined { flow, latencies: None }).collect();
    ledger.commit(Effects { flows, ..Effects::default() }, at(0)).unwrap();
}

fn ask(ledger: &Ledger, wanted: Wanted, last: Option<u64>) -> Vec<Flow> {
    let kept = ledger.shelf().catalog();
    let mut flows = Vec::new();
    let before = kept.next;
    Query { shelf: ledger.shelf(), kept, wanted, last, before, after: None }
        .run(|made| {
            flows.push(made.flow.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    flows
}

/// All wanted flows, asked for anew after every few; between two questions more flows are made.
fn ask_in_parts(ledger: &mut Ledger, wanted: &Wanted, last: Option<u64>, most: usize) -> Vec<Flow> {
    let before = ledger.shelf().catalog().next;
    let (mut flows, mut after, mut number) = (Vec::new(), None, 10_000);
    loop {
        let (shelf, kept, last) =
            (ledger.shelf(), ledger.shelf().catalog(), last.filter(|_| after.is_none()));
        let mut part = Vec::new();
        Query { shelf, kept, wanted: wanted.clone(), last, before, after }
            .run(|made| {
                part.push(made);
                if part.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .unwrap();
        let Some(end) = part.last() else { return flows };
        after = Some(Place::of(end));
        flows.extend(part.iter().map(|made| made.flow.clone()));
        commit(ledger, made(&[0, 700_000], &mut number));
    }
}

fn port(port: u16) -> crate::filter::Filters {
    let filter =
        portolan_proto::v1::Filter { ports: vec![u32::from(port)], ..portolan_proto::v1::Filter::default() };
    crate::filter::Filters::new(vec![filter]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_query_gives_what_a_plain_list_gives(
        commits in prop::collection::vec(prop::collection::vec(0_i64..2_000, 0..12), 0..40),
        block in 1_usize..8,
        restart in any::<prop::sample::Index>(),
        since in prop::option::of(0_i64..2_000_000),
        until in prop::option::of(0_i64..2_000_000),
        last in prop::option::of(0_u64..60),
        filtered in any::<bool>(),
        part in 1_usize..20,
    ) {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let (mut ledger, mut number, mut all) = (open(&store, block), 0, Vec::new());
        for (index, times) in commits.iter().enumerate() {
            let flows = made(times, &mut number);
            all.extend(flows.clone());
            commit(&mut ledger, flows);
            if index == restart.index(commits.len()) {
                ledger = open(&store, block);
            }
        }
        let filters = if filtered { port(1003) } else { crate::filter::Filters::default() };
        let wanted = Wanted { filters, since: since.map(at), until: until.map(at) };
        let mut expected: Vec<_> = all.into_iter().filter(|flow| wanted.matches(flow)).collect();
        expected.sort_by_key(|flow| flow.time);
        let surplus = expected.len().saturating_sub(last.map_or(usize::MAX, |last| last as usize));
        let expected = expected.split_off(surplus);
        prop_assert_eq!(&ask(&ledger, wanted.clone(), last), &expected);
        prop_assert_eq!(ask_in_parts(&mut ledger, &wanted, last, part), expected, "in parts");
    }
}

#[test]
fn flows_of_late_become_blocks_and_leave_nothing_behind() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number) = (open(&store, 10), 0);
    for _ in 0..3 {
        commit(&mut ledger, made(&[1, 2, 3], &mut number));
    }
    let catalog = ledger.shelf().catalog();
    assert_eq!((catalog.fresh.len(), catalog.blocks.len(), catalog.len()), (3, 0, 9));
    commit(&mut ledger, made(&[1, 2, 700_000], &mut number));
    let catalog = ledger.shelf().catalog();
    assert_eq!((catalog.fresh.len(), catalog.len()), (0, 12));
    assert_eq!(catalog.blocks.values().map(|facts| facts.flows).collect::<Vec<_>>(), [10, 1, 1]);
    assert_eq!(store.scan(Space::State, keys::FRESH, 9).len(), 0);
}

#[test]
fn a_damaged_block_costs_its_flows_and_is_counted() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number) = (open(&store, 5), 0);
    commit(&mut ledger, made(&(0..15).collect::<Vec<_>>(), &mut number));
    let (spoilt, facts) = ledger.shelf().catalog().blocks.iter().nth(1).map(|(n, f)| (*n, *f)).unwrap();
    let block = keys::number(keys::BLOCK, spoilt);
    store.commit(vec![Change::Put(Space::Segment(facts.segment), block, vec![1; 40])]).unwrap();
    let flows = ask(&ledger, Wanted::default(), None);
    assert_eq!((flows.len(), ledger.metrics.damaged.get()), (10, 1));
    assert_eq!(ask(&ledger, Wanted::default(), Some(7)).len(), 7);
}

#[test]
fn blocks_are_read_once_or_twice_however_many_overlap_and_the_last_flows_cost_few() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number, blocks, flows) = (open(&store, 2048), 0, 36, 2048);
    for block in 0..blocks {
        // All of them span the same ten minutes.
        commit(
            &mut ledger,
            made(&(0..flows).map(|place| place * 250 + block).collect::<Vec<_>>(), &mut number),
        );
    }
    let reads = |last| {
        let before = ledger.metrics.blocks_read.get();
        let found = ask(&ledger, Wanted::default(), last).len() as u64;
        (found, ledger.metrics.blocks_read.get() - before)
    };
    let kept = ledger.shelf().catalog().blocks.len() as u64;
    let (found, all) = reads(None);
    assert_eq!(found, (blocks * flows) as u64);
    println!("{kept} blocks, {all} reads");
    assert!(all <= 2 * kept, "{all} reads of {kept} blocks");
    let (found, few) = reads(Some(10));
    assert!(found == 10 && few <= 2 * kept, "{few} reads");
    // More than are held on the way back.
    let (every, last) =
        (ask(&ledger, Wanted::default(), None), ask(&ledger, Wanted::default(), Some(50_000)));
    assert!(last == every[every.len() - 50_000..], "the last of them, in their order");

    let (mut ledger, mut number) = (open(&(Arc::new(MemoryStore::default()) as SharedStore), 20), 0);
    commit(&mut ledger, made(&(0..2000).map(|second| second * 1000).collect::<Vec<_>>(), &mut number));
    assert_eq!(ask(&ledger, Wanted::default(), Some(5)).len(), 5);
    assert!(ledger.metrics.blocks_read.get() <= 4, "{} reads", ledger.metrics.blocks_read.get());
}

#[test]
fn what_is_dropped_is_gone_from_queries_and_from_the_store() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number) = (open(&store, 5), 0);
    ledger.segments.full.bytes = 1;
    commit(&mut ledger, made(&(0..50).map(|second| second * 1000).collect::<Vec<_>>(), &mut number));
    let reader = ledger.shelf().catalog();
    ledger.retention.bytes = ledger.catalog.bytes / 2;
    ledger.clean(at(0), 0).unwrap();
    assert_eq!(ledger.metrics.segments_dropped.get(), 0, "somebody still wants all flows");
    ledger.clean(at(0), u64::MAX).unwrap();
    let flows = ask(&ledger, Wanted::default(), None);
    assert!((1..=25).contains(&flows.len()) && flows[0].time > at(20_000), "{} are left", flows.len());
    assert_eq!(ledger.metrics.evicted.get(), 50 - flows.len() as u64);
    assert_eq!(store.segments().len() as u64, 10 - ledger.metrics.segments_dropped.get());
    let mut late = 0;
    let before = reader.next;
    let query = Query {
        shelf: ledger.shelf(),
        kept: reader,
        wanted: Wanted::default(),
        last: None,
        before,
        after: None,
    };
    let run = query.run(|_| {
        late += 1;
        ControlFlow::Continue(())
    });
    run.unwrap();
    assert_eq!(late, flows.len(), "who asked before finds what is left");
    assert_eq!(ledger.metrics.damaged.get(), 0);
    assert_eq!(open(&store, 5).shelf().catalog().len(), flows.len() as u64);
}

/// What a reader finds from an ordinal on: flows as they were made, and how many are gone.
fn tail(ledger: &Ledger, from: u64) -> (Vec<Arc<Made>>, u64) {
    let (mut flows, mut gone) = (Vec::new(), 0);
    let mut tail = Tail::new(ledger.shelf(), &ledger.shelf().catalog(), from);
    while let Some(step) = tail.next().unwrap() {
        match step {
            Step::Made(made) => flows.push(made),
            Step::Gone(count) => gone += count,
        }
    }
    assert_eq!(tail.position(), from.max(ledger.shelf().catalog().next));
    (flows, gone)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn flows_are_read_in_the_order_in_which_they_were_made_whoever_restarts(
        commits in prop::collection::vec(prop::collection::vec(0_i64..2_000_000, 0..12), 1..40),
        block in 1_usize..8,
        restarts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        from in any::<prop::sample::Index>(),
    ) {
        let store: SharedStore = Arc::new(MemoryStore::default());
        let (mut ledger, mut number, mut all) = (open(&store, block), 0, Vec::new());
        let mut following = Tail::new(ledger.shelf(), &ledger.shelf().catalog(), 0);
        let mut followed = Vec::new();
        for (index, times) in commits.iter().enumerate() {
            let flows = made(times, &mut number);
            all.extend(flows.clone());
            commit(&mut ledger, flows);
            if restarts.iter().any(|restart| restart.index(commits.len()) == index) {
                ledger = open(&store, block);
                following = Tail::new(ledger.shelf(), &ledger.shelf().catalog(), following.position());
            }
            following.go_on();
            followed.extend(std::iter::from_fn(|| following.next().unwrap()));
        }
        let expected: Vec<_> = (0..).zip(all).map(|(ordinal, flow)| Arc::new(Made { ordinal, flow, latencies: None })).collect();
        prop_assert_eq!(followed, expected.iter().cloned().map(Step::Made).collect::<Vec<_>>());
        let from = from.index(expected.len() + 1);
        prop_assert_eq!(tail(&ledger, from as u64), (expected[from..].to_vec(), 0));
    }
}

#[test]
fn flows_that_are_gone_are_counted_where_they_were_and_their_ordinals_never_given_again() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number) = (open(&store, 5), 0);
    ledger.segments.full.bytes = 1;
    commit(&mut ledger, made(&(0..20).collect::<Vec<_>>(), &mut number));
    let (number_of_third, facts) =
        ledger.shelf().catalog().blocks.iter().nth(2).map(|(n, f)| (*n, *f)).unwrap();
    let block = Change::Delete(Space::Segment(facts.segment), keys::number(keys::BLOCK, number_of_third));
    store.commit(vec![block]).unwrap();
    let mut reader = Tail::new(ledger.shelf(), &ledger.shelf().catalog(), 8);
    let steps: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
    let told: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Made(made) => made.ordinal,
            Step::Gone(count) => 1000 + count,
        })
        .collect();
    assert_eq!(told, [8, 9, 1005, 15, 16, 17, 18, 19]);

    for segment in store.segments() {
        store.drop_segment(segment).unwrap();
    }
    let mut ledger = open(&store, 5);
    assert_eq!(tail(&ledger, 7), (Vec::new(), 13), "all are gone");
    commit(&mut ledger, made(&[0], &mut number));
    assert_eq!(tail(&ledger, 0).0[0].ordinal, 20);
    store.commit(vec![Change::Delete(Space::State, keys::MADE.to_vec())]).unwrap();
    assert_eq!(open(&store, 5).shelf().catalog().next, 21, "what is kept says so too");
}

#[test]
fn a_store_keeps_its_name_and_no_other_has_it() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let name = open(&store, 5).shelf().name();
    assert_eq!(open(&store, 5).shelf().name(), name);
    assert_ne!(open(&(Arc::new(MemoryStore::default()) as SharedStore), 5).shelf().name(), name);
}

#[test]
fn a_segment_grows_old_also_after_the_clock_jumped_back() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let (mut ledger, mut number) = (open(&store, 1), 0);
    ledger.segments.full.age = jiff::SignedDuration::from_hours(1);
    let hour = 3_600_000;
    let mut commit_at = |now| {
        let flows =
            made(&[0], &mut number).into_iter().map(|flow| Joined { flow, latencies: None }).collect();
        ledger.commit(Effects { flows, ..Effects::default() }, at(now)).unwrap();
        ledger.segments.current
    };
    assert_eq!([9000 * hour, 0, hour / 2, hour, 2 * hour].map(&mut commit_at), [0, 0, 0, 1, 2]);
}

#[test]
fn the_number_of_a_view_in_a_row_that_cannot_be_read_is_not_given_again() {
    let store: SharedStore = Arc::new(MemoryStore::default());
    let row = |key, value| Change::Put(Space::State, key, value);
    let rows =
        vec![row(keys::number(keys::WAITING, 7), vec![1]), row(keys::number(keys::RESOLVED, 9), vec![])];
    store.commit(rows).unwrap();
    let (ledger, restored) = restore(store, &Config::default(), Arc::new(Metrics::new()), at(0));
    assert_eq!((restored.next_wait, ledger.metrics.damaged.get()), (10, 1));
}

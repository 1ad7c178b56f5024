//! A folder with very much in it is found again as it was, and answers rightly; what that takes of a processor is
//! printed.
//!
//! `PORTOLAN_BLOCKS=250000 PORTOLAN_TOLD=1000000 PORTOLAN_FLOWS=3000000` make it large.

use super::{
    Facts, Ledger,
    disk::DiskStore,
    keys,
    store::{Change, Space, Store as _},
    told::ToldHours,
};
use crate::{
    build::{FlowExt as _, at, connection, denied, external, flow, pod, web_to_db},
    config::Config,
    filter::Filters,
    intake::Effects,
    join::{Side, Telling, Told},
    made::Joined,
    metrics::Metrics,
    query::Query,
    subscribe::Wanted,
};
use portolan_policy::{End, Flow, Outcome, Verdict};
use portolan_proto::{
    Connection,
    v1::{self, EndFilter, Filter},
};
use std::{
    fs,
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

const SEGMENTS: u64 = 16;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The time that this thread has run: on a machine that others use, it says more than the time of day.
fn ran() -> Duration {
    let numbers = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(numbers.split_whitespace().next().unwrap().parse().unwrap())
}

/// How long this thread has run since then.
fn ran_since(begin: Duration) -> Duration {
    ran().saturating_sub(begin)
}

/// Blocks that nobody could read; at the start nobody does.
fn with_blocks(store: &DiskStore, blocks: u64) {
    for first in (0..blocks).step_by(1000) {
        let mut changes = Vec::new();
        for number in first..blocks.min(first + 1000) {
            let (segment, time) = (number * SEGMENTS / blocks, at(number as i64 * 1000));
            let least = number * 2000;
            let facts = Facts {
                segment,
                first: time,
                last: time,
                least,
                greatest: least + 1999,
                flows: 2000,
                bytes: 16_000,
            };
            let space = Space::Segment(segment);
            changes.push(Change::Put(space, keys::number(keys::FACTS, number), facts.encode()));
            changes.push(Change::Put(space, keys::number(keys::BLOCK, number), vec![number as u8; 1500]));
        }
        store.commit(changes).unwrap();
    }
}

fn numbered(number: u64) -> Connection {
    let flow = web_to_db().started(at(number as i64 % 60_000)).source_port(number as u16);
    connection(&flow, (number * 2_654_435_761) as u32)
}

/// Connections of the last hour that were told alone.
fn with_told(store: &DiskStore, told: u64) {
    let mut hours = ToldHours::restored([], u64::MAX, Metrics::new().told_forgotten);
    for first in (0..told).step_by(10_000) {
        let told = (first..told.min(first + 10_000)).map(numbered);
        let told = told.map(|connection| Told { connection, side: Side::Source, telling: Telling::First });
        let told: Vec<_> = told.collect();
        let mut changes = Vec::new();
        hours.write(&told, &[], &mut changes);
        store.commit(changes).unwrap();
    }
}

/// Microseconds for the look-up of each of many connections that nobody told.
fn look_up(ledger: &Ledger, told: u64) -> f64 {
    let begin = ran();
    let count = told.clamp(100, 20_000);
    let found: usize = (0..count).map(|number| ledger.told(&numbered(told + number)).len()).sum();
    assert_eq!(found, 0);
    ran_since(begin).as_secs_f64() * 1e6 / count as f64
}

fn open(data: &Path) -> Ledger {
    let config = Config { data: Some(data.to_owned()), keep_bytes: u64::MAX, ..Config::default() };
    let (begin, before) = (Instant::now(), ran());
    let (ledger, _) = Ledger::open(&config, Arc::new(Metrics::new()), at(0)).unwrap();
    println!("opened in {:?}, of which this thread ran {:?}", begin.elapsed(), ran_since(before));
    ledger
}

#[test]
fn a_large_folder_is_found_again_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    let (blocks, told) = (from_environment("PORTOLAN_BLOCKS", 400), from_environment("PORTOLAN_TOLD", 300));
    {
        let store = DiskStore::open(&data.path().join("ledger")).unwrap();
        with_blocks(&store, blocks);
        with_told(&store, told);
    }
    for _ in 0..2 {
        let mut ledger = open(data.path());
        let catalog = ledger.shelf().catalog();
        assert_eq!((catalog.blocks.len() as u64, catalog.segments.len() as u64), (blocks, SEGMENTS));
        assert_eq!((catalog.flows, catalog.next), (blocks * 2000, blocks * 2000));
        println!("a look-up of a stranger takes {:.1} µs while nothing is learnt", look_up(&ledger, told));
        let begin = Instant::now();
        while ledger.told.asks(&numbered(told)) {
            assert!(begin.elapsed().as_secs() < 120, "it never learnt");
            std::thread::yield_now();
            ledger.told.learn();
        }
        println!("{told} connections learnt in {:?}", begin.elapsed());
        println!("and then {:.2} µs", look_up(&ledger, told));
        assert_eq!(ledger.told(&numbered(told / 2)).len(), 1);
        let begin = ran();
        ledger.clean(at(0), 0).unwrap();
        println!("cleaned in {:?}", ran_since(begin));
    }
}

#[test]
fn the_store_is_free_when_who_learns_from_it_is_gone() {
    let data = tempfile::tempdir().unwrap();
    with_told(&DiskStore::open(&data.path().join("ledger")).unwrap(), 3000);
    for _ in 0..5 {
        drop(open(data.path()));
    }
}

/// A number that looks random.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

/// Pods of forty namespaces, ten each.
fn pods() -> Vec<End> {
    let one = |number: u64| {
        let (space, place) = (number % 40, number / 40);
        let name = format!("team-{space}/app{place}-5f7c9d-{number}");
        pod(&name, &format!("10.{space}.{place}.7"), &format!("n{}", number % 20))
    };
    (0..400).map(one).collect()
}

/// One flow in a hundred is denied, one in three goes outside.
fn traffic(pods: &[End], number: u64) -> Flow {
    let dice = mixed(number);
    let source = pods[(dice % 400) as usize].clone();
    let destination = match dice / 400 % 3 {
        0 => external(&format!("203.0.{}.{}", dice / 1200 % 4, dice / 4800 % 256)),
        _ => pods[(dice / 1200 % 400) as usize].clone(),
    };
    let flow = flow(source, destination).source_port(30_000 + (dice % 20_000) as u16);
    let flow = flow.started(at((number / 10) as i64));
    if !number.is_multiple_of(100) {
        return flow;
    }
    let flow = flow.ended(Outcome::Dropped).because("NETFILTER_DROP").ingress(denied(&["team/default-deny"]));
    flow.change(|flow| flow.verdict = Verdict::Denied)
}

fn with_flows(ledger: &mut Ledger, flows: u64) {
    let pods = pods();
    for first in (0..flows).step_by(4096) {
        let flows = (first..flows.min(first + 4096)).map(|number| traffic(&pods, number));
        let flows = flows.map(|flow| Joined { flow, latencies: None }).collect();
        ledger.commit(Effects { flows, ..Effects::default() }, at(0)).unwrap();
    }
}

/// What a query gives, and what a reader gives who looks at every flow.
fn compare(ledger: &Ledger, name: &str, filter: Filter, last: Option<u64>) {
    let wanted = Wanted { filters: Filters::new(vec![filter]).unwrap(), ..Wanted::default() };
    let (shelf, kept) = (ledger.shelf(), ledger.shelf().catalog());
    let begin = ran();
    let mut given = Vec::new();
    Query { shelf, before: kept.next, kept: kept.clone(), wanted: wanted.clone(), last, after: None }
        .run(|made| {
            given.push(made.ordinal);
            ControlFlow::Continue(())
        })
        .unwrap();
    let (took, begin) = (ran_since(begin), ran());
    let blocks =
        kept.blocks.iter().map(|(number, facts)| ledger.shelf().block(facts.segment, *number).unwrap());
    let flows =
        blocks.flatten().map(Arc::new).chain(kept.fresh.iter().flat_map(|fresh| fresh.flows.to_vec()));
    let mut all: Vec<_> = flows.filter(|made| wanted.matches(&made.flow)).map(|made| made.ordinal).collect();
    let naive = ran_since(begin);
    let surplus = all.len().saturating_sub(last.map_or(usize::MAX, |last| last as usize));
    all.sort_unstable();
    assert!(given == all[surplus..], "{name}");
    println!("{name}: {} of {} flows in {took:?}, one by one in {naive:?}", given.len(), kept.len());
}

#[test]
fn a_filter_over_much_history_gives_what_it_takes_one_by_one() {
    let data = tempfile::tempdir().unwrap();
    let mut ledger = open(data.path());
    with_flows(&mut ledger, from_environment("PORTOLAN_FLOWS", 10_000));
    let denied = || Filter { verdicts: vec![v1::Verdict::Denied.into()], ..Filter::default() };
    let namespace = EndFilter { namespaces: vec!["team-7".to_owned()], ..EndFilter::default() };
    let unknown = EndFilter { namespaces: vec!["nobody".to_owned()], ..EndFilter::default() };
    let either = |end| Filter { either: Some(end), ..Filter::default() };
    compare(&ledger, "the last 1000 denied", denied(), Some(1000));
    compare(&ledger, "the last 100000 denied", denied(), Some(100_000));
    compare(&ledger, "the last 100000", Filter::default(), Some(100_000));
    compare(&ledger, "a namespace", either(namespace), None);
    compare(&ledger, "a namespace that is not there", either(unknown), None);
    compare(&ledger, "a source port", Filter { ports: vec![31_234], ..Filter::default() }, None);
    compare(&ledger, "the last 1000", Filter::default(), Some(1000));
}

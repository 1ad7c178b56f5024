//! A folder with very much in it is found again as it was; what that takes is printed.
//!
//! `PORTOLAN_BLOCKS=250000 PORTOLAN_TOLD=1000000` make it large.

use super::{
    Facts, Ledger,
    disk::DiskStore,
    keys,
    store::{Change, Space, Store as _},
    told::ToldHours,
};
use crate::{
    build::{FlowExt as _, at, connection, web_to_db},
    config::Config,
    join::{Side, Told},
    metrics::Metrics,
};
use portolan_proto::Connection;
use std::{path::Path, sync::Arc, time::Instant};

const SEGMENTS: u64 = 16;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
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
        let told: Vec<_> = told.map(|connection| Told { connection, side: Side::Source }).collect();
        let mut changes = Vec::new();
        hours.write(&told, &[], &mut changes);
        store.commit(changes).unwrap();
    }
}

/// Microseconds for the look-up of each of many connections that nobody told.
fn look_up(ledger: &Ledger, told: u64) -> f64 {
    let begin = Instant::now();
    let count = told.clamp(100, 20_000);
    let found: usize = (0..count).map(|number| ledger.told(&numbered(told + number)).len()).sum();
    assert_eq!(found, 0);
    begin.elapsed().as_secs_f64() * 1e6 / count as f64
}

fn open(data: &Path) -> Ledger {
    let config = Config { data: Some(data.to_owned()), keep_bytes: u64::MAX, ..Config::default() };
    let begin = Instant::now();
    let (ledger, _) = Ledger::open(&config, Arc::new(Metrics::new()), at(0)).unwrap();
    println!("opened in {:?}", begin.elapsed());
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
        let begin = Instant::now();
        ledger.clean(at(0), 0).unwrap();
        println!("cleaned in {:?}", begin.elapsed());
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

//! Damage costs what is damaged, and is told.

use super::{Rig, settings};
use crate::{
    build::{FlowExt as _, web_to_db},
    graph::{
        addition::Addition,
        answer::{Party, Question},
        state::State,
        window::Plan,
        words::{Sizes, Words},
    },
    ledger::{Change, Space, unpack},
};
use jiff::{SignedDuration, Timestamp};
use proptest::{collection::vec, prelude::*};

/// Three minutes with two attempts each, to ports of their own.
fn three() -> Rig {
    let mut rig = Rig::new(settings());
    for port in 0..3 {
        let flow = web_to_db().started(rig.now).destination_port(port);
        rig.add(vec![(flow, None); 2]);
        rig.keeper.checkpoint().unwrap();
        rig.now += SignedDuration::from_mins(1);
    }
    rig
}

/// Keys of a space, in order.
fn keys(rig: &Rig, space: Space, prefix: &[u8]) -> Vec<Vec<u8>> {
    rig.store.scan(space, prefix, 99).into_iter().map(|row| row.unwrap().0).collect()
}

fn attempts(rig: &Rig) -> (u64, u64) {
    let answer = rig.ask(None, None);
    (answer.edges.iter().map(|edge| edge.tally.attempts).sum(), answer.damaged)
}

#[test]
fn a_damaged_chunk_costs_itself() {
    let mut rig = three();
    let minutes = Space::Minutes(rig.store.minutes()[0]);
    let key = keys(&rig, minutes, b"m").remove(1);
    rig.store.commit(vec![Change::Put(minutes, key, vec![7; 30])]).unwrap();
    assert_eq!(attempts(&rig), (4, 1));
    rig.kill();
    assert_eq!((attempts(&rig), rig.counters.damaged.get()), ((4, 1), 2));
    rig.pass(120, 0);
    rig.add(vec![(web_to_db().started(rig.now), None)]);
    rig.pass(0, 500);
    rig.keeper.checkpoint().unwrap();
    assert_eq!(attempts(&rig), (5, 1), "the hour has what was left");
}

#[test]
fn damaged_names_cost_names_and_no_counts() {
    for spoilt in 0..3 {
        let mut rig = three();
        let key = keys(&rig, Space::Graph, b"d").remove(spoilt);
        rig.store.commit(vec![Change::Put(Space::Graph, key, vec![1; 30])]).unwrap();
        rig.kill();
        assert_eq!(attempts(&rig), (6, 1));
        // New ones do not take the places of those that are gone.
        rig.add(vec![(web_to_db().destination_port(77), None)]);
        let answer = rig.ask(None, None);
        let new = answer.edges.iter().find(|edge| edge.edge.port == Some(77)).unwrap();
        assert_eq!(new.tally.attempts, 1);
        let others = answer.edges.iter().filter(|edge| edge.edge.source == Party::Other);
        assert!(others.map(|edge| edge.tally.attempts).sum::<u64>() >= 2);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_state_or_an_error(bytes in vec(any::<u8>(), 0..60), since in any::<u32>(), until in any::<u32>(), complete in any::<u32>()) {
        if let Ok(state) = State::decode(&bytes) {
            let [since, until] = [since, until].map(|second| Timestamp::from_second(i64::from(second)).ok());
            let question = Question { since: since.min(until), until: since.max(until) };
            let plan = Plan::new(&question, &state, state.progress, complete).unwrap();
            prop_assert!(plan.from <= plan.until);
        }
    }

    #[test]
    fn any_bytes_are_words_or_an_error(bytes in vec(any::<u8>(), 0..300)) {
        let addition: Result<Addition, _> = postcard::from_bytes(&bytes);
        let room = Sizes { parties: 9, services: 9, kinds: 9, sides: 9, edges: 9, cells: 9 };
        if let Ok(addition) = addition {
            let mut words = Words::default();
            words.add(addition, room).ok();
            prop_assert!(words.cells.iter().all(|cell| (cell.edge as usize) < words.edges.len()));
        }
    }

    #[test]
    fn changed_words_are_words_or_an_error(at in any::<prop::sample::Index>(), bytes in vec(any::<u8>(), 1..4)) {
        let rig = three();
        let row = rig.store.scan(Space::Graph, b"d", 1).remove(0).unwrap().1;
        let addition: Addition = unpack(&row).unwrap();
        let mut plain = postcard::to_stdvec(&addition).unwrap();
        let at = at.index(plain.len());
        plain.splice(at..(at + 1).min(plain.len()), bytes);
        let room = Sizes { parties: 9, services: 9, kinds: 9, sides: 9, edges: 9, cells: 9 };
        let mut words = Words::default();
        if let Ok(addition) = postcard::from_bytes::<Addition>(&plain) && words.add(addition, room).is_ok() {
            words.fill(room);
            for edge in words.cells.iter().map(|cell| words.edges[cell.edge]) {
                prop_assert!((edge.source as usize) < words.parties.len());
                prop_assert!(edge.service.is_none_or(|service| (service as usize) < words.services.len()));
            }
        }
    }
}

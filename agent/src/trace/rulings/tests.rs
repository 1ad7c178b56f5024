//! Steps of made-up packets, and the rule that an attempt is given.

use super::*;
use crate::{
    connections::tests::{
        scene::{CLIENT, SERVER, Scene},
        talk::{Talk, tcp, udp},
    },
    event::FiveTuple,
    trace::event::{Fate, Place},
};
use portolan_policy::RuleVerdict;

const SECOND: Nanos = 1_000_000_000;

/// A trace that is fed by hand.
struct Trace {
    rulings: Rulings,
    id: u32,
}

impl Default for Trace {
    fn default() -> Self {
        Self { rulings: Rulings::new(Duration::from_secs(10)), id: 0 }
    }
}

impl Trace {
    /// A packet is traced, and meets rules of these chains.
    fn packet(mut self, at: Nanos, tuple: FiveTuple, sequence: u32, rules: &[(&str, RuleVerdict)]) -> Self {
        self.id += 1;
        self.step(at, table::NAME, Some(Packet { tuple, sequence }), None);
        for (chain, verdict) in rules {
            self.step(at, chain, None, Some(*verdict));
        }
        self
    }

    fn step(&mut self, at: Nanos, table: &str, packet: Option<Packet>, verdict: Option<RuleVerdict>) {
        let place = Place { family: 1, table: table.to_owned(), chain: "c".to_owned(), handle: Some(1) };
        let step = Step { id: self.id, place, fate: Fate::GoesOn, packet };
        self.rulings
            .on_step(at, &step, |step| verdict.map(|verdict| Arc::new(rule(&step.place.table, verdict))));
    }

    fn table(&self, attempt: &Attempt, outcome: Outcome) -> Option<String> {
        self.rulings.of(attempt, outcome).map(|rule| rule.table)
    }
}

fn rule(table: &str, verdict: RuleVerdict) -> Enforcer {
    let family = "inet".to_owned();
    Enforcer {
        family,
        table: table.to_owned(),
        chain: "c".to_owned(),
        handle: Some(1),
        comment: None,
        verdict,
    }
}

const ACCEPT: RuleVerdict = RuleVerdict::Accept;
const DROP: RuleVerdict = RuleVerdict::Drop;

fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:8080")
}

/// An attempt whose opening was seen, with this number.
fn attempt(talk: Talk, number: u32) -> Attempt {
    Scene::new().sees([talk.syn(number).left(CLIENT), talk.syn(number).reached(SERVER)]).flush().only()
}

fn datagram() -> (FiveTuple, Attempt) {
    let talk = udp("10.0.0.2:5000", "10.0.0.3:53");
    (
        talk.tuple(),
        Scene::new().sees([talk.first().left(CLIENT), talk.first().reached(SERVER)]).flush().only(),
    )
}

#[test]
fn the_last_rule_that_let_it_pass_and_the_one_that_stopped_it_are_told_by_the_outcome() {
    let seen = attempt(web(), 7);
    let passed = Trace::default().packet(0, web().tuple(), 7, &[("first", ACCEPT), ("second", ACCEPT)]);
    assert_eq!(passed.table(&seen, Outcome::Established).as_deref(), Some("second"));
    assert_eq!(passed.table(&seen, Outcome::Dropped), None, "something else dropped it");
    let stopped = Trace::default().packet(0, web().tuple(), 7, &[("first", ACCEPT), ("second", DROP)]);
    assert_eq!(stopped.table(&seen, Outcome::Dropped).as_deref(), Some("second"));
    let again = stopped.packet(SECOND, web().tuple(), 7, &[("third", ACCEPT)]);
    assert_eq!(again.table(&seen, Outcome::Established).as_deref(), Some("third"), "a later try got through");
}

#[test]
fn a_connection_that_uses_the_tuple_again_has_its_own_rule() {
    let trace = Trace::default().packet(0, web().tuple(), 7, &[("old", DROP)]).packet(
        SECOND,
        web().tuple(),
        8,
        &[("new", DROP)],
    );
    assert_eq!(trace.table(&attempt(web(), 7), Outcome::Dropped).as_deref(), Some("old"));
    assert_eq!(trace.table(&attempt(web(), 8), Outcome::Dropped).as_deref(), Some("new"));
    assert_eq!(trace.table(&attempt(web(), 9), Outcome::Dropped), None, "it was not in the sample");
}

#[test]
fn an_answer_that_was_dropped_names_its_rule_and_one_that_passed_names_none() {
    let answer =
        FiveTuple { protocol: Protocol::Tcp, source: seen_backend(), destination: web().tuple().source };
    let seen = attempt(web(), 7);
    let dropped = Trace::default().packet(0, answer, 7, &[("back", DROP)]);
    assert_eq!(dropped.table(&seen, Outcome::Dropped).as_deref(), Some("back"));
    let passed = Trace::default().packet(0, answer, 7, &[("established", ACCEPT)]);
    assert_eq!(passed.table(&seen, Outcome::Established), None, "it says nothing about the opening");
}

fn seen_backend() -> crate::event::Address {
    attempt(web(), 7).effective().destination
}

#[test]
fn a_conversation_is_told_from_the_next_by_its_time() {
    let (tuple, seen) = datagram();
    let rules = [("dns", ACCEPT)];
    let named = |at| Trace::default().packet(at, tuple, 0, &rules).table(&seen, Outcome::Delivered);
    assert_eq!(named(seen.started).as_deref(), Some("dns"));
    assert_eq!(named(seen.last + 9 * SECOND).as_deref(), Some("dns"), "read late");
    assert_eq!(named(seen.last + 11 * SECOND), None, "a later one");
    let mut late = seen.clone();
    late.started += SECOND;
    late.last += SECOND;
    assert_eq!(
        Trace::default().packet(0, tuple, 0, &rules).table(&late, Outcome::Delivered),
        None,
        "an earlier one"
    );
    let again = Trace::default().packet(0, tuple, 0, &[("old", DROP)]).packet(seen.started, tuple, 0, &rules);
    assert_eq!(again.table(&seen, Outcome::NoReply).as_deref(), Some("dns"), "what was before is forgotten");
}

#[test]
fn packets_that_others_trace_and_ways_with_a_gap_name_nothing() {
    let seen = attempt(web(), 7);
    let mut strange = Trace::default();
    strange.step(0, "first", Some(Packet { tuple: web().tuple(), sequence: 7 }), Some(DROP));
    assert_eq!(strange.table(&seen, Outcome::Dropped), None);
    let mut gap = Trace::default().packet(0, web().tuple(), 7, &[("first", ACCEPT)]);
    gap.rulings.on_gap();
    gap.step(0, "second", None, Some(DROP));
    assert_eq!(gap.table(&seen, Outcome::Dropped), None);
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_too_early_is_counted() {
    const MORE: u32 = 100;
    let mut trace = Trace::default();
    for number in 0..REMEMBERED as u32 + MORE {
        trace = trace.packet(u64::from(number), web().tuple(), number, &[("first", DROP)]);
    }
    assert!(trace.rulings.ways.len() <= WAYS && trace.rulings.begun.len() <= WAYS);
    assert_eq!(trace.rulings.take_forgotten(), u64::from(MORE));
    assert_eq!(trace.table(&attempt(web(), MORE - 1), Outcome::Dropped), None, "the oldest are forgotten");
    assert_eq!(trace.table(&attempt(web(), MORE), Outcome::Dropped).as_deref(), Some("first"));
}

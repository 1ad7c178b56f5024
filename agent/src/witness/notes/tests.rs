//! Notes of made-up packets, and the word about an attempt.

use super::*;
use crate::connections::tests::{
    scene::{CLIENT, Scene, ms},
    talk::{Talk, tcp},
};
use portolan_ebpf_types::ConntrackTuple;
use proptest::prelude::*;

/// Half an hour after the kernel's start.
const NOON: Nanos = 1_800_000_000_000;

fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:8080")
}

/// An attempt to the web that was seen at these times.
fn attempt(started: Nanos, last: Nanos) -> Attempt {
    let mut attempt = Scene::new().sees([web().syn(7).left(CLIENT)]).flush().only();
    (attempt.started, attempt.last) = (started, last);
    attempt
}

fn notes(all: &[(Nanos, Point)]) -> Notes {
    let mut notes = Notes::new();
    for &(at, point) in all {
        notes.take(Note { at, tuple: web().tuple(), point });
    }
    notes
}

fn bytes(at: Nanos, tuple: &ConntrackTuple, point: u8) -> Vec<u8> {
    let mut bytes = at.to_ne_bytes().to_vec();
    bytes.extend(bytemuck::bytes_of(tuple));
    bytes.extend([point, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn raw(protocol: u8) -> ConntrackTuple {
    let mut tuple = ConntrackTuple { family: 2, protocol, ..ConntrackTuple::default() };
    tuple.source[..4].copy_from_slice(&[10, 0, 0, 2]);
    tuple.destination[..4].copy_from_slice(&[10, 96, 0, 7]);
    tuple.source_port = 40000_u16.to_be_bytes();
    tuple.destination_port = 80_u16.to_be_bytes();
    tuple
}

#[test]
fn what_came_and_left_passed_and_what_only_came_did_not() {
    let seen = attempt(NOON, NOON + ms(5));
    let both = [(NOON + ms(1), Point::Before), (NOON + ms(2), Point::After)];
    assert_eq!(notes(&both).passed(&seen), Some(true));
    assert_eq!(notes(&both[..1]).passed(&seen), Some(false));
    assert_eq!(notes(&[]).passed(&seen), None);
}

#[test]
fn a_later_try_that_passes_counts_for_the_attempt() {
    let tries = [(NOON, Point::Before), (NOON + ms(1000), Point::Before), (NOON + ms(1001), Point::After)];
    assert_eq!(notes(&tries).passed(&attempt(NOON, NOON + ms(1002))), Some(true));
}

#[test]
fn an_attempt_that_uses_the_tuple_again_has_notes_of_its_own() {
    let (first, second) = (attempt(NOON, NOON + ms(5)), attempt(NOON + ms(9000), NOON + ms(9005)));
    let again =
        notes(&[(NOON, Point::Before), (NOON + ms(1), Point::After), (NOON + ms(9001), Point::Before)]);
    assert_eq!((again.passed(&first), again.passed(&second)), (None, Some(false)));
    let later =
        notes(&[(NOON, Point::Before), (NOON + ms(9001), Point::Before), (NOON + ms(9002), Point::After)]);
    assert_eq!((later.passed(&first), later.passed(&second)), (Some(false), Some(true)));
}

#[test]
fn an_attempt_in_whose_time_notes_were_lost_is_not_said_to_be_stopped() {
    let seen = attempt(NOON, NOON + ms(5));
    let word = |all: &[(Nanos, Point)], from: u64, to: u64| {
        let mut notes = notes(all);
        notes.lose(NOON - ms(5000) + ms(from), NOON - ms(5000) + ms(to));
        notes.passed(&seen)
    };
    let both = [(NOON + ms(1), Point::Before), (NOON + ms(2), Point::After)];
    assert_eq!(word(&both[..1], 4900, 5100), None, "the note may be among those");
    assert_eq!(word(&both, 4900, 5100), Some(true), "what was seen stays true");
    assert_eq!(word(&both[1..], 4900, 5100), Some(true));
    assert_eq!(word(&both[..1], 3000, 3900), Some(false), "they were lost before it");
    assert_eq!(word(&both[..1], 6100, 7000), Some(false), "they were lost after it");
}

#[test]
fn times_of_loss_that_are_too_many_to_be_told_apart_become_one() {
    let mut notes = notes(&[(NOON, Point::Before)]);
    for round in 0..2 * GAPS as u64 {
        notes.lose(ms(10 * round), ms(10 * round + 1));
    }
    assert_eq!(notes.gaps.len(), GAPS);
    assert_eq!(notes.gaps[0], [0, ms(10 * GAPS as u64 + 1)], "the oldest ones");
    notes.lose(ms(20 * GAPS as u64 - 9), NOON);
    assert_eq!((notes.gaps.len(), notes.gaps[GAPS - 1][1]), (GAPS, NOON), "what touches is one");
}

#[test]
fn a_note_is_read_as_the_program_writes_it() {
    let note = Note::read(&bytes(NOON, &raw(6), 1)).unwrap();
    assert_eq!(note, Note { at: NOON, tuple: web().tuple(), point: Point::After });
    let echo = Note::read(&bytes(NOON, &raw(1), 0)).unwrap();
    assert_eq!((echo.tuple.source.port, echo.tuple.destination.port), (40000, 0), "the identifier");
    assert_eq!(Note::read(&bytes(NOON, &raw(47), 0)), None, "a protocol of no interest");
    assert_eq!(Note::read(&bytes(NOON, &ConntrackTuple::default(), 0)), None, "what could not be read");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
        Note::read(&bytes);
    }
}

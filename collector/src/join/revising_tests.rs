//! What was told as one that did not get through, and got through later.

use super::{
    Join, Side, Telling, Told,
    tests::{PATIENCE, flows, join, nothing, seconds, take},
};
use crate::build::{FlowExt as _, at, by_destination, by_source, view, web_to_db};
use portolan_policy::{Flow, Loss, Outcome, Protocol, Reporter};
use portolan_proto::{Observation, Witness};
use std::time::Duration;

use Outcome::{Dropped, Established, NoReply};

/// The second telling of a view.
fn again(view: &Observation) -> Observation {
    let mut again = view.clone();
    (again.flow.outcome, again.flow.revises) = (Established, Some(view.flow.outcome));
    again
}

fn near(outcome: Outcome) -> Observation {
    by_source(web_to_db().ended(outcome))
}

fn far(outcome: Outcome) -> Observation {
    by_destination(web_to_db().ended(outcome))
}

type Line = (Outcome, Option<Outcome>, Reporter);

fn lines(flows: &[Flow]) -> Vec<Line> {
    flows.iter().map(|flow| (flow.outcome, flow.revises, flow.reporter)).collect()
}

/// What is told of these views, one a second, and of those that wait in the end.
fn told(join: &mut Join, views: &[Observation]) -> Vec<Line> {
    let mut told = Vec::new();
    for (view, second) in views.iter().zip(0..) {
        told.extend(lines(&take(join, seconds(second), view)));
    }
    told.extend(lines(&flows(join.tick(PATIENCE * 2))));
    told
}

#[test]
fn the_first_view_that_revises_makes_a_second_flow_and_no_other_view_does() {
    let (dropped, silent) = (far(Dropped), near(NoReply));
    let (first, second) = ((Dropped, None, Reporter::Both), |by| (Established, Some(Dropped), by));
    for (revising, by) in
        [([&dropped, &silent], Reporter::Destination), ([&silent, &dropped], Reporter::Source)]
    {
        let [one, other] = revising.map(again);
        let views = [dropped.clone(), silent.clone(), one.clone(), other, one];
        let mut join = join();
        // What the flow told counts, whatever each side had told.
        assert_eq!(told(&mut join, &views), [first, second(by)]);
        assert_eq!((join.counters.late.get(), join.counters.repeated.get()), (1, 1));
    }
}

#[test]
fn what_is_still_to_be_told_goes_first_alone_or_with_the_other_side() {
    let dropped = near(Dropped);
    let second = (Established, Some(Dropped), Reporter::Source);
    let mut alone = join();
    assert_eq!(
        told(&mut alone, &[dropped.clone(), again(&dropped)]),
        [(Dropped, None, Reporter::Source), second]
    );
    let views = [dropped.clone(), again(&dropped), far(Established), far(Established)];
    let mut both = join();
    assert_eq!(told(&mut both, &views), [(Dropped, None, Reporter::Both), second]);
    let mut at_once = join();
    take(&mut at_once, seconds(0), &dropped);
    take(&mut at_once, seconds(0), &again(&dropped));
    assert_eq!(take(&mut at_once, seconds(0), &far(NoReply)).len(), 2, "as soon as the first is told");
    assert_eq!((both.counters.repeated.get(), both.pending()), (1, 0));
}

#[test]
fn one_that_waits_with_what_it_revises_is_told_only_where_that_was_wrong() {
    let dropped = far(Dropped);
    let mut join = join();
    let views = [dropped.clone(), again(&dropped), near(Established)];
    assert_eq!(told(&mut join, &views), [(Established, None, Reporter::Both)]);
    assert_eq!(join.counters.late.get(), 1);
}

#[test]
fn one_that_waits_is_found_by_a_restart_with_what_it_revises() {
    let dropped = near(Dropped);
    let mut first = join();
    for view in [dropped.clone(), again(&dropped)] {
        assert_eq!(take(&mut first, seconds(0), &view), []);
    }
    let mut second = join();
    first.take_changes().waits.into_values().for_each(|waits| second.restore(seconds(0), waits));
    let expected = [(Dropped, None, Reporter::Source), (Established, Some(Dropped), Reporter::Source)];
    assert_eq!(told(&mut second, &[again(&near(Dropped))]), expected);
    assert_eq!(second.counters.repeated.get(), 1);
}

#[test]
fn one_that_waits_is_told_by_its_side_and_known_to_have_come_from_both() {
    let dropped = near(Dropped);
    let mut join = join();
    let views = [dropped.clone(), again(&dropped), again(&far(NoReply))];
    let expected = [(Dropped, None, Reporter::Source), (Established, Some(Dropped), Reporter::Source)];
    assert_eq!(told(&mut join, &views), expected);
    let changes = join.take_changes();
    let first = Told { connection: dropped.connection, side: Side::Source, telling: Telling::First };
    assert_eq!((changes.told, changes.untold), (vec![first], vec![]), "nobody else can tell it again");
}

#[test]
fn what_was_told_right_because_the_other_side_knew_is_not_told_again() {
    let dropped = far(Dropped);
    for views in [[dropped.clone(), near(Established)], [near(Established), dropped.clone()]] {
        let [one, other] = views;
        let mut join = join();
        let flows = told(&mut join, &[one, other, again(&dropped)]);
        assert_eq!(flows, [(Established, None, Reporter::Both)]);
    }
}

#[test]
fn a_view_that_revises_what_nobody_remembers_says_itself_what_it_revises() {
    let dropped = far(Dropped);
    let mut join = join();
    // What it revises comes behind it, from a spool say, and is told as ever.
    let flows = told(&mut join, &[again(&dropped), dropped, near(NoReply)]);
    let second = (Established, Some(Dropped), Reporter::Destination);
    assert_eq!(flows, [second, (Dropped, None, Reporter::Both)]);
    assert!(join.memory.is_empty() || !join.expiries.is_empty());
    join.tick(Duration::from_hours(1));
    assert!(join.memory.is_empty(), "nothing is remembered for ever");
}

#[test]
fn conversations_without_a_sequence_number_are_known_by_their_start() {
    let udp = |millis, by: fn(Flow) -> Observation| {
        let mut view = by(web_to_db().over(Protocol::Udp).ended(Dropped).started(at(millis)));
        view.connection.tcp_isn = 0;
        view
    };
    let (first, second) = (udp(0, by_source), udp(60_000, by_source));
    let mut join = join();
    let views = [first.clone(), second.clone(), again(&second), again(&udp(60_040, by_destination))];
    let lines = told(&mut join, &views);
    assert_eq!(lines.iter().filter(|(_, revises, _)| revises.is_none()).count(), 2);
    assert_eq!(lines.iter().filter(|(_, revises, _)| revises.is_some()).count(), 1);
    assert_eq!(lines_of(&mut join, &again(&first)).len(), 1, "the other one is another");
}

fn lines_of(join: &mut Join, view: &Observation) -> Vec<Line> {
    lines(&take(join, PATIENCE * 3, view))
}

#[test]
fn losses_beside_a_view_that_makes_no_flow_are_kept() {
    let dropped = far(Dropped);
    let mut revising = again(&dropped);
    let loss = Loss { cause: "outbox".to_owned(), count: 3, from: at(0), to: at(1) };
    revising.flow.lose(loss.clone());
    let mut join = join();
    told(&mut join, &[dropped, near(Established), revising]);
    assert_eq!(join.take_unplaced(), [loss]);
}

#[test]
fn several_attempts_that_became_one_record_revise_as_one() {
    let folded = web_to_db().change(|flow| {
        flow.source = flow.source.clone().with_port(None);
        (flow.attempts, flow.revises) = (40, Some(Dropped));
    });
    let witness = Witness { source_local: true, destination_local: true, ..Witness::default() };
    let flows = take(&mut join(), seconds(0), &view(folded, 0, witness));
    assert_eq!(
        flows.iter().map(|flow| (flow.attempts, flow.revises)).collect::<Vec<_>>(),
        [(40, Some(Dropped))]
    );
}

#[test]
fn a_restart_remembers_who_revised_and_tells_it_once() {
    let (dropped, silent) = (far(Dropped), near(NoReply));
    let mut first = join();
    told(&mut first, &[dropped.clone(), silent.clone()]);
    first.take_changes();
    take(&mut first, PATIENCE * 2, &again(&dropped));
    let known = first.take_changes().told;
    let expected = Told { connection: dropped.connection, side: Side::Destination, telling: Telling::Again };
    assert_eq!(known, [expected]);

    let later = || {
        let mut join = join();
        join.begin_after(at(60_000));
        join
    };
    let asked = |join: &mut Join, view: &Observation, known: &[Told]| {
        let node = if view.witness.source_local { "n1" } else { "n2" };
        lines(&flows(join.on_observation(seconds(0), node, view.clone(), |_| true, |_| known.to_vec())))
    };
    let mut second = later();
    assert_eq!(asked(&mut second, &again(&silent), &known), []);
    assert_eq!(second.counters.late.get(), 1);
    assert_eq!(second.take_changes().untold, known);
    // Where the ledger knows of a first telling alone, it is revised.
    let alone = [Told { telling: Telling::First, ..expected }];
    let by_source = (Established, Some(NoReply), Reporter::Source);
    assert_eq!(asked(&mut later(), &again(&silent), &alone), [by_source]);
    let mut third = later();
    assert_eq!(flows(third.on_observation(seconds(0), "n1", again(&silent), |_| true, nothing)).len(), 1);
}

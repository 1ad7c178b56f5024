//! What a join that forgot, or began anew, still knows.

use super::{
    Join, Side, Telling, Told,
    tests::{PATIENCE, join, nothing, seconds, take},
};
use crate::build::{FlowExt as _, at, by_destination, by_source, web_to_db};
use portolan_policy::Protocol;
use portolan_proto::Connection;

/// A join that began when everything it once told was forgotten.
fn later() -> Join {
    let mut join = join();
    join.begin_after(at(0));
    join
}

#[test]
fn a_second_view_of_a_connection_told_long_ago_makes_no_second_flow() {
    let (near, far) = (by_source(web_to_db()), by_destination(web_to_db().started(at(40_000))));
    let told = |_: &Connection| {
        vec![Told { connection: near.connection, side: Side::Source, telling: Telling::First }]
    };
    let mut join = later();
    assert_eq!(join.on_observation(seconds(0), "n2", far.clone(), |_| true, told), []);
    assert_eq!(join.counters.late.get(), 1, "the sequence number says so, however late it began");
    let changes = join.take_changes();
    assert_eq!((changes.untold, changes.waits.len()), (told(&near.connection), 0));
    assert_eq!(join.on_observation(seconds(0), "n2", far, |_| true, nothing), []);
    assert_eq!(join.counters.repeated.get(), 1, "from now on both are known here");
    let mut join = later();
    assert_eq!(join.on_observation(seconds(0), "n1", near.clone(), |_| true, told), []);
    assert_eq!(join.counters.repeated.get(), 1, "the same view again");
}

#[test]
fn what_was_told_long_ago_and_is_another_connection_hinders_nobody() {
    let udp = |millis| web_to_db().over(Protocol::Udp).started(at(millis));
    let mut near = by_source(udp(0));
    near.connection.tcp_isn = 0;
    let mut far = by_destination(udp(4_000));
    far.connection.tcp_isn = 0;
    let told = |_: &Connection| {
        vec![Told { connection: near.connection, side: Side::Source, telling: Telling::First }]
    };
    let mut join = later();
    assert_eq!(join.on_observation(seconds(0), "n2", far, |_| false, told).len(), 1);
    let fresh = by_destination(web_to_db().started(at(400_000)));
    let never = |_: &Connection| panic!("what began after all that is forgotten needs no look");
    assert_eq!(join.on_observation(seconds(0), "n2", fresh, |_| false, never).len(), 1);
}

#[test]
fn the_changes_of_a_join_are_what_another_needs_to_go_on() {
    let mut first = join();
    let (near, far) = (by_source(web_to_db()), by_destination(web_to_db()));
    assert_eq!(take(&mut first, seconds(0), &near), []);
    let changes = first.take_changes();
    assert_eq!(changes.waits.len(), 1);
    let mut second = join();
    changes.waits.into_values().for_each(|waits| second.restore(seconds(0), waits));
    assert_eq!(take(&mut second, seconds(1), &near), [], "it is known to wait");
    assert_eq!(take(&mut second, seconds(1), &far).len(), 1);
    assert_eq!(second.take_changes().resolved.len(), 1);
    assert!(second.take_changes().is_empty());

    assert_eq!(first.tick(PATIENCE).len(), 1);
    let changes = first.take_changes();
    assert_eq!((changes.resolved.len(), changes.told.len()), (1, 1));
    assert_eq!(
        changes.told[0],
        Told { connection: near.connection, side: Side::Source, telling: Telling::First }
    );
}

#[test]
fn what_comes_and_goes_between_two_commits_leaves_nothing_behind() {
    let mut join = join();
    take(&mut join, seconds(0), &by_source(web_to_db()));
    take(&mut join, seconds(0), &by_destination(web_to_db()));
    assert!(join.take_changes().is_empty());
}

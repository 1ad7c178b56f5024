//! Openings that come to light late: held in a queue or by a router, when their client has gone on.

use super::{
    scene::*,
    talk::{Talk, tcp},
};
use crate::{connections::Limits, event::Event};
use portolan_policy::Outcome;

fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.0.0.3:80")
}

fn given_up_at(ms: u64) -> Scene {
    let mut scene = Scene::with(Limits::default());
    scene.at(1, web().syn(1).left(CLIENT)).at(ms, web().client_gives_up());
    scene
}

fn handshake_and_end() -> [Event; 5] {
    [
        web().syn(1).reached(SERVER),
        web().syn_ack().left(SERVER),
        web().syn_ack().reached(CLIENT),
        web().fin().left(CLIENT),
        web().fin_back().left(SERVER),
    ]
}

#[test]
fn an_opening_that_is_dropped_after_its_client_gave_up_is_dropped() {
    for patience in [300, 1000, 2000, 2900] {
        let mut scene = given_up_at(patience);
        scene.until(3070);
        assert!(scene.reported().is_empty(), "a router may still look for its neighbour");
        scene.at(3070, web().syn(1).dropped(NEIGH_FAILED));
        let conclusion = concluded(&scene.waits(200).only(), BOTH);
        assert_eq!(conclusion.outcome, Outcome::Dropped);
        assert_eq!(conclusion.drop_reason.as_deref(), Some("NEIGH_FAILED"));
        scene.assert_forgets_everything();
        assert!(scene.reported().is_empty());
    }
}

#[test]
fn an_opening_that_was_given_up_and_never_heard_of_is_told_after_three_and_a_half_seconds() {
    let mut scene = given_up_at(300);
    scene.until(3450);
    assert!(scene.reported().is_empty());
    assert_eq!(outcome(&scene.until(3550).only(), SOURCE), Outcome::NoReply);
    scene.assert_forgets_everything();
}

#[test]
fn what_is_known_of_an_opening_that_was_given_up_is_told_at_once() {
    let known = [
        (web().syn(1).dropped(NETFILTER_DROP), Outcome::Dropped),
        (web().syn(1).reached(SERVER), Outcome::NoReply),
        (web().unreachable("10.0.0.1").reached(CLIENT), Outcome::Rejected),
    ];
    for (event, expected) in known {
        let mut scene = Scene::with(Limits::default());
        scene.at(1, web().syn(1).left(CLIENT)).at(2, event).at(100, web().client_gives_up());
        assert_eq!(outcome(&scene.until(300).only(), BOTH), expected);
    }
}

#[test]
fn an_opening_that_reaches_a_server_whose_client_has_gone_is_told_once() {
    for told_before in [false, true] {
        let mut scene = given_up_at(300);
        scene.until(if told_before { 4000 } else { 800 });
        let [reached, answer, answered, ..] = handshake_and_end();
        scene.sees([reached, answer, answered, web().syn_ack().dropped_behind(CLIENT, NO_SOCKET)]);
        scene.sees([web().reset().left(CLIENT), web().reset().reached(SERVER)]);
        assert_eq!(outcome(&scene.waits(5000).only(), BOTH), Outcome::NoReply);
        scene.assert_forgets_everything();
        assert!(scene.reported().is_empty());
    }
}

#[test]
fn a_repeated_opening_that_is_dropped_after_the_connection_has_ended_is_no_attempt_of_its_own() {
    let mut scene = Scene::new();
    scene.at(1, web().syn(1).left(CLIENT)).at(1001, web().syn(1).left(CLIENT)).until(1500);
    let attempt = scene.sees(handshake_and_end()).waits(200).only();
    assert_eq!((outcome(&attempt, BOTH), attempt.tries()), (Outcome::Established, 2));
    scene.until(3000).sees([web().syn(1).dropped(NETFILTER_DROP)]);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn a_connection_of_the_node_whose_opening_was_repeated_leaves_no_second_attempt_either() {
    let mut scene = Scene::new();
    let [reached, answer, ..] = handshake_and_end();
    scene.sees([reached, answer, web().client_closes(9, 90)]);
    assert_eq!(outcome(&scene.waits(200).only(), DESTINATION), Outcome::Established);
    scene.waits(1500).sees([web().syn(1).dropped(NETFILTER_DROP)]);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn a_port_that_is_used_again_after_a_repeated_opening_is_a_new_attempt() {
    let mut scene = Scene::new();
    scene.at(1, web().syn(1).left(CLIENT)).at(1001, web().syn(1).left(CLIENT));
    scene.sees(handshake_and_end()).waits(200).only();
    scene.sees([web().syn(2).left(CLIENT), web().syn(2).dropped(NETFILTER_DROP)]);
    let again = scene.waits(4000).only();
    assert_eq!((again.sequence, outcome(&again, BOTH)), (2, Outcome::Dropped));
    scene.assert_forgets_everything();
}

#[test]
fn an_opening_that_a_bridge_floods_was_sent_once() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT)]);
    scene.sees([UPLINK, SERVER, 7, 8].map(|device| web().syn(1).reached(device)));
    scene.sees(handshake_and_end()[1..].to_vec());
    let attempt = scene.waits(200).only();
    assert_eq!((outcome(&attempt, BOTH), attempt.tries()), (Outcome::Established, 1));
}

//! TCP: answers and refusals that are lost on their way back.

use super::{
    connections::{answer_through, goodbye, syn_through, web},
    scene::*,
};
use portolan_policy::Outcome;

#[test]
fn a_dropped_answer_belongs_to_the_attempt() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1));
    scene.sees([web().syn_ack().left(SERVER), web().syn_ack().dropped(NETFILTER_DROP)]);
    scene.sees([web().client_gives_up()]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.original, web().tuple());
    let conclusion = concluded(&attempt, BOTH);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert!(conclusion.reached_pod && !conclusion.dropped_in_pod);
    assert_eq!(outcome(&attempt, DESTINATION), Outcome::Dropped);
    scene.assert_forgets_everything();
}

#[test]
fn an_answer_that_gets_through_on_a_later_try_makes_a_connection_for_both_nodes() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).reached(SERVER), web().syn_ack().left(SERVER)]);
    scene.sees([web().syn_ack().dropped(NETFILTER_DROP)]).until(1000);
    scene.sees([web().syn_ack().left(SERVER), web().fin().reached(SERVER), web().fin_back().left(SERVER)]);
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, DESTINATION), Outcome::Established, "nobody finishes what is not open");
}

#[test]
fn an_answer_that_was_lost_once_does_not_unmake_what_the_server_saw_completed() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(UPLINK), web().syn(1).reached(SERVER), web().syn_ack().left(SERVER)]);
    scene.sees([web().syn_ack().dropped(NETFILTER_DROP)]).waits(1000);
    scene.sees([web().syn_ack().left(SERVER), web().server_opens()]).waits(60_000);
    assert!(scene.reported().is_empty(), "it lives");
    scene.sees([web().server_closes(9, 900)]);
    assert_eq!(outcome(&scene.waits(200).only(), DESTINATION), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn an_answer_that_never_gets_through_ends_the_attempt_wherever_its_initiator_is() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).reached(SERVER), web().syn_ack().left(SERVER)]);
    scene.sees([web().syn_ack().dropped(NETFILTER_DROP)]);
    assert_eq!(outcome(&scene.waits(2000).only(), DESTINATION), Outcome::Dropped);
    scene.sees([web().syn_ack().left(SERVER), web().syn_ack().dropped(NETFILTER_DROP)]).waits(2000);
    assert!(scene.reported().is_empty(), "the same attempt");
    scene.assert_forgets_everything();
}

#[test]
fn a_refusal_that_is_lost_on_its_way_back_is_one_attempt_with_all_its_tries() {
    let mut scene = Scene::new();
    for at in [1, 1001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.at(at, web().syn(1).reached(SERVER));
        scene.at(at, web().reset_back().left(SERVER));
    }
    let attempt = scene.until(1600).only();
    assert_eq!((outcome(&attempt, BOTH), attempt.tries()), (Outcome::NoReply, 2));
    for at in [3001, 7001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.sees([web().reset_back().left(SERVER), web().reset_back().dropped(NETFILTER_DROP)]);
    }
    scene.at(9000, web().client_gives_up());
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty(), "later tries of the same opening are no attempts of their own");
}

#[test]
fn a_refusal_that_was_seen_dropped_is_told_with_the_reason() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees([web().reset_back().left(SERVER)]);
    scene.sees([web().reset_back().dropped(NETFILTER_DROP)]);
    let conclusion = concluded(&scene.waits(1600).only(), BOTH);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert_eq!(conclusion.drop_reason.as_deref(), Some("NETFILTER_DROP"));
}

#[test]
fn a_dropped_reset_that_nobody_knows_is_no_attempt() {
    let mut scene = Scene::new();
    scene.sees([web().reset_back().dropped(NETFILTER_DROP), web().reset().dropped(NETFILTER_DROP)]);
    assert!(scene.waits(11_000).reported().is_empty());
}

#[test]
fn an_answer_that_is_dropped_inside_the_initiator_never_came() {
    let mut scene = Scene::new();
    for at in [1, 1001, 3001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.sees([web().syn(1).reached(SERVER)]).sees(answer_through());
        scene.sees([web().syn_ack().dropped_behind(CLIENT, NETFILTER_DROP)]);
    }
    let attempt = scene.only();
    let conclusion = concluded(&attempt, BOTH);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert_eq!(conclusion.drop_reason.as_deref(), Some("NETFILTER_DROP"));
    assert!(conclusion.reached_pod && !conclusion.dropped_in_pod);
    scene.at(4000, web().client_gives_up());
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty(), "the later answers were dropped as well");
}

#[test]
fn an_answer_that_comes_again_after_one_was_dropped_inside_the_initiator_establishes() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees(answer_through());
    scene.sees([web().syn_ack().dropped_behind(CLIENT, NETFILTER_DROP)]).until(1000);
    scene.sees(answer_through()).sees(goodbye());
    assert_eq!(outcome(&scene.waits(200).only(), SOURCE), Outcome::Established);
}

#[test]
fn an_answer_that_the_initiator_refuses_again_and_again_is_one_attempt() {
    let mut scene = Scene::new();
    for at in [1, 1001, 3001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.sees([web().syn(1).reached(SERVER)]).sees(answer_through());
        scene.sees([web().reset().left(CLIENT), web().reset().reached(SERVER)]);
    }
    scene.at(5000, web().client_gives_up());
    assert_eq!(scene.reported().len(), 1);
    scene.assert_forgets_everything();
}

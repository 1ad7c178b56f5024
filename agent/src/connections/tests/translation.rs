//! Address translation: one attempt under several names.

use super::{
    scene::*,
    talk::{Talk, address, ping, tcp},
};
use crate::event::Address;
use portolan_policy::Outcome;
use std::net::IpAddr;

/// A client that dials a ClusterIP and gets a backend.
fn service() -> Talk {
    tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:8080")
}

#[test]
fn the_backend_is_known_by_conntrack_at_the_servers_device_on_the_same_node() {
    let mut scene = Scene::new();
    scene.sees([service().syn(1).left(CLIENT), service().syn(1).reached(SERVER)]);
    scene.sees([service().syn_ack().left(SERVER), service().syn_ack().reached(CLIENT)]);
    scene.sees([service().fin().left(CLIENT), service().fin().reached(SERVER)]);
    scene.sees([service().fin_back().left(SERVER), service().fin_back().reached(CLIENT)]);
    scene.sees([service().client_closes(10, 600), service().server_closes(11, 600)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.original, service().tuple());
    assert_eq!(attempt.effective(), service().translated());
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.tries(), 1, "seen twice, tried once");
    assert_eq!(attempt.traffic(), (11, 600), "each socket by its own tuple");
    assert!(attempt.left.is_some() && attempt.arrived.is_some());
    assert!(attempt.answer_sent.is_some() && attempt.answer_received.is_some());
    scene.assert_forgets_everything();
}

#[test]
fn the_backend_on_another_node_is_known_by_its_answer() {
    let mut scene = Scene::new();
    scene.sees([service().syn(1).left(CLIENT), service().syn_ack().reached(CLIENT)]);
    scene.sees([service().fin().left(CLIENT), service().fin_back().reached(CLIENT)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.effective(), service().translated());
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn the_backend_of_a_dropped_opening_is_known_by_the_drop() {
    let mut scene = Scene::new();
    scene.sees([service().syn(1).left(CLIENT), service().syn(1).dropped(NETFILTER_DROP)]);
    let attempt = scene.waits(4000).only();
    assert_eq!(attempt.original, service().tuple());
    assert_eq!(attempt.effective(), service().translated());
    assert_eq!(outcome(&attempt, BOTH), Outcome::Dropped);
    scene.assert_forgets_everything();
}

#[test]
fn a_drop_ahead_of_translation_shows_the_service_only() {
    let mut scene = Scene::new();
    let ahead = tcp("10.0.0.2:40000", "10.96.0.7:80").untracked();
    scene.sees([ahead.syn(1).left(CLIENT), ahead.syn(1).dropped(NETFILTER_DROP)]);
    let attempt = scene.waits(4000).only();
    assert_eq!((attempt.translated, attempt.effective()), (None, ahead.tuple()));
}

#[test]
fn without_conntrack_the_two_ends_of_an_untranslated_connection_still_meet() {
    let direct = tcp("10.0.0.2:40000", "10.0.0.3:80").untracked();
    let mut scene = Scene::new();
    scene.sees([direct.syn(1).left(CLIENT), direct.syn(1).reached(SERVER)]);
    scene.sees([direct.syn_ack().left(SERVER), direct.syn_ack().reached(CLIENT)]);
    scene.sees([direct.fin().left(CLIENT), direct.fin_back().left(SERVER)]);
    assert_eq!(outcome(&scene.waits(200).only(), BOTH), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_pod_that_reaches_itself_through_its_service_is_one_attempt_on_one_device() {
    let hairpin = tcp("10.0.0.3:40000", "10.96.0.7:80").through_to("10.0.0.3:8080").seen_as("10.0.0.1:61000");
    let mut scene = Scene::new();
    scene.sees([hairpin.syn(1).left(SERVER), hairpin.syn(1).reached(SERVER)]);
    scene.sees([hairpin.syn_ack().left(SERVER), hairpin.syn_ack().reached(SERVER)]);
    scene.sees([hairpin.fin().left(SERVER), hairpin.fin().reached(SERVER)]);
    scene.sees([hairpin.fin_back().left(SERVER), hairpin.fin_back().reached(SERVER)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.original, hairpin.tuple());
    assert_eq!(attempt.effective(), hairpin.translated());
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.latency(), Some(ms(3)));
    scene.assert_forgets_everything();
}

#[test]
fn a_masqueraded_client_from_outside_keeps_its_own_address() {
    let outside =
        tcp("192.0.2.9:50000", "10.0.0.1:30080").through_to("10.0.0.3:8080").seen_as("10.0.0.1:61000");
    let mut scene = Scene::new();
    scene.sees([outside.syn(1).reached(SERVER), outside.syn_ack().left(SERVER)]);
    scene.sees([outside.fin().reached(SERVER), outside.fin_back().left(SERVER)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.original.source.ip, "192.0.2.9".parse::<IpAddr>().unwrap());
    assert_eq!(attempt.effective().source, address("10.0.0.1:61000"));
    assert_eq!(outcome(&attempt, DESTINATION), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_later_try_may_be_given_another_backend_and_every_name_is_forgotten() {
    let mut scene = Scene::new();
    for (at, backend) in [(1, "10.0.0.3:8080"), (1001, "10.0.0.4:8080")] {
        let tried = service().through_to(backend);
        scene.at(at, tried.syn(1).left(CLIENT));
        scene.at(at, tried.syn(1).dropped(NETFILTER_DROP));
    }
    let attempt = scene.waits(1000).only();
    assert_eq!(attempt.tries(), 2);
    assert_eq!(attempt.effective().destination, address("10.0.0.4:8080"));
    assert_eq!(scene.table.held_beside()[0], 3, "the service and two backends");
    scene.assert_forgets_everything();
}

#[test]
fn half_translated_packets_leave_no_names_behind() {
    // Dropped between destination NAT and source NAT, then let through on the next try.
    let half = service();
    let whole = half.seen_as("10.0.0.1:61000");
    let mut scene = Scene::new();
    scene.sees([half.syn(1).left(CLIENT), half.syn(1).dropped(NETFILTER_DROP)]).until(1000);
    scene.sees([whole.syn(1).left(CLIENT), whole.syn(1).reached(SERVER)]);
    scene.sees([whole.syn_ack().left(SERVER), whole.syn_ack().reached(CLIENT)]);
    scene.sees([whole.fin().left(CLIENT), whole.fin_back().left(SERVER)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.effective(), whole.translated());
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_service_and_its_backend_dialled_from_one_port_one_after_the_other_are_two_attempts() {
    let direct = tcp("10.0.0.2:40000", "10.0.0.3:8080");
    let mut scene = Scene::new();
    scene.sees([service().syn(1).left(CLIENT), service().syn(1).reached(SERVER)]);
    scene.sees([direct.syn(2).left(CLIENT)]);
    assert_eq!(scene.only().original, service().tuple());
    scene.sees([direct.syn(2).reached(SERVER), direct.syn_ack().left(SERVER)]);
    scene.sees([direct.syn_ack().reached(CLIENT), direct.fin().left(CLIENT), direct.fin_back().left(SERVER)]);
    assert_eq!(scene.waits(200).only().original, direct.tuple());
    scene.assert_forgets_everything();
}

#[test]
fn an_error_in_the_name_of_the_service_does_not_turn_the_attempt_round() {
    let mut scene = Scene::new();
    scene.sees([service().syn(1).left(CLIENT), service().unreachable("10.96.0.7").reached(CLIENT)]);
    scene.sees([service().syn(1).reached(SERVER), service().reset_back().left(SERVER)]);
    let attempt = scene.waits(1600).only();
    assert!(attempt.reset_sent, "the reset is the server's");
    assert_eq!(outcome(&attempt, BOTH), Outcome::Refused);
    scene.assert_forgets_everything();
}

#[test]
fn an_echo_whose_identifier_was_translated_is_one_attempt() {
    let mut echo = ping("10.0.0.2", "192.0.2.9", 7).seen_as("10.0.0.1:900");
    echo = echo.through_to("192.0.2.9:0");
    let mut scene = Scene::new();
    scene.sees([echo.first().left(CLIENT), echo.answer().reached(CLIENT)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(attempt.original.source, Address { ip: "10.0.0.2".parse().unwrap(), port: 7 });
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_drop_that_comes_after_its_client_gave_up_is_no_attempt_of_its_own() {
    let web = tcp("10.0.0.2:40000", "10.0.0.3:80");
    let mut scene = Scene::new();
    scene.at(1, web.syn(1).left(CLIENT));
    scene.at(1000, web.client_gives_up());
    let attempt = scene.until(1700).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::NoReply);
    scene.at(3100, web.syn(1).dropped(NETFILTER_DROP));
    assert!(scene.until(4000).reported().is_empty(), "the router found no neighbour long after");
}

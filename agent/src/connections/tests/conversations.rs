//! UDP and ICMP echo: conversations that nobody opens or closes.

use super::{
    scene::*,
    talk::{Talk, ping, udp},
};
use crate::connections::{Counters, Limits};
use portolan_policy::Outcome;

fn dns() -> Talk {
    udp("10.0.0.2:40000", "10.0.0.3:53")
}

/// A request and its answer, seen on both devices.
fn exchange(talk: Talk) -> [crate::event::Event; 4] {
    [
        talk.first().left(CLIENT),
        talk.first().reached(SERVER),
        talk.answer().left(SERVER),
        talk.answer().reached(CLIENT),
    ]
}

#[test]
fn an_answered_conversation_is_established_when_it_has_fallen_silent() {
    for talk in [dns(), udp("10.0.0.2:40000", "10.96.0.10:53").through_to("10.0.0.3:53")] {
        let mut scene = Scene::new();
        scene.sees(exchange(talk)).waits(9000);
        assert!(scene.reported().is_empty());
        let attempt = scene.waits(2000).only();
        assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
        assert_eq!(attempt.effective(), talk.translated());
        assert_eq!(attempt.latency(), Some(ms(3)));
        scene.assert_forgets_everything();
    }
}

#[test]
fn a_silent_one_is_delivered_where_it_was_seen_arriving() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Delivered);
    assert!(concluded(&attempt, BOTH).reached_pod);
    scene.assert_forgets_everything();
}

#[test]
fn one_that_never_showed_at_the_device_of_its_pod_has_no_reply() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::NoReply);
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Delivered, "where the pod is elsewhere nobody here knows");
}

#[test]
fn behind_one_device_an_answer_that_came_out_of_it_is_the_answer() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().answer().left(CLIENT)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.latency(), Some(ms(1)));
    scene.sees([
        dns().first().left(CLIENT),
        dns().answer().left(CLIENT),
        dns().answer().dropped(NETFILTER_DROP),
    ]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Dropped, "the node was to hand it back");
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER), dns().answer().left(SERVER)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Delivered, "it was to come by another device");
    scene.assert_forgets_everything();
}

#[test]
fn the_kernels_counters_keep_it_open_and_are_its_traffic() {
    let mut scene = Scene::new();
    scene.sees(exchange(dns())).until(8000);
    scene.kernel.counted(CLIENT, dns().tuple(), Counters { packets: 90, bytes: 7000, last: ms(8000) });
    scene.kernel.counted(SERVER, dns().tuple(), Counters { packets: 91, bytes: 7100, last: ms(8001) });
    scene.until(17_900);
    assert!(scene.reported().is_empty(), "it talked until eight seconds");
    let attempt = scene.until(18_200).only();
    assert_eq!(attempt.traffic(), (91, 7100));
    assert_eq!(attempt.last, ms(8001));
    scene.assert_forgets_everything();
}

#[test]
fn after_silence_the_same_ends_make_a_new_attempt() {
    let mut scene = Scene::new();
    scene.sees(exchange(dns())).waits(11_000);
    assert_eq!(scene.reported().len(), 1);
    assert_eq!(scene.kernel.len(), 0, "the kernel was told to forget it");
    scene.sees(exchange(dns())).waits(11_000);
    assert_eq!(scene.reported().len(), 1);
    scene.assert_forgets_everything();
}

#[test]
fn an_echo_is_a_conversation() {
    let echo = ping("10.0.0.2", "10.0.0.3", 77);
    let mut scene = Scene::new();
    scene.sees(exchange(echo));
    assert_eq!(outcome(&scene.waits(11_000).only(), BOTH), Outcome::Established);
    scene.sees([echo.first().left(CLIENT), echo.first().dropped(NETFILTER_DROP)]);
    assert_eq!(outcome(&scene.waits(4000).only(), BOTH), Outcome::Dropped);
    scene.assert_forgets_everything();
}

#[test]
fn two_that_ping_each_other_with_one_identifier_make_an_attempt_each() {
    let (there, back) = (ping("10.0.0.2", "10.0.0.3", 7), ping("10.0.0.3", "10.0.0.2", 7).untracked());
    let mut scene = Scene::new();
    scene.sees(exchange(there.untracked()));
    scene.sees([back.first().left(SERVER), back.first().dropped(NETFILTER_DROP)]);
    let attempts = scene.waits(11_000).reported();
    let told = attempts.iter().map(|attempt| (attempt.original, outcome(attempt, BOTH)));
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.contains(&(there.tuple(), Outcome::Established)), "{told:#?}");
    assert!(told.contains(&(back.tuple(), Outcome::Dropped)), "{told:#?}");
}

#[test]
fn a_dropped_answer_to_an_echo_that_nobody_knows_is_no_attempt() {
    let echo = ping("10.0.0.2", "10.0.0.3", 7).untracked();
    let mut scene = Scene::new();
    scene.sees([echo.answer().dropped(NETFILTER_DROP)]);
    assert!(scene.waits(11_000).reported().is_empty());
    scene.assert_forgets_everything();
}

#[test]
fn a_closed_port_refuses_and_a_node_rejects() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER)]);
    scene.sees([dns().first().dropped_behind(SERVER, NO_SOCKET)]);
    scene.sees([dns().unreachable("10.0.0.3").left(SERVER), dns().unreachable("10.0.0.3").reached(CLIENT)]);
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Refused);
    assert!(concluded(&attempt, BOTH).reached_pod);
    scene.assert_forgets_everything();

    scene.sees([dns().first().left(CLIENT), dns().first().dropped(NETFILTER_DROP)]);
    scene.sees([dns().unreachable("10.0.0.1").reached(CLIENT)]);
    assert_eq!(outcome(&scene.waits(200).only(), BOTH), Outcome::Rejected);
    scene.assert_forgets_everything();
}

#[test]
fn errors_about_a_reported_conversation_are_no_new_attempts() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER)]);
    for at in (10..2000).step_by(100) {
        scene.at(at, dns().unreachable("10.0.0.3").left(SERVER));
    }
    assert_eq!(outcome(&scene.waits(200).only(), BOTH), Outcome::Refused);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn a_client_that_is_gone_when_the_answer_comes_was_answered() {
    let mut scene = Scene::new();
    scene.sees(exchange(dns()));
    let gone = dns().answer_unreachable("10.0.0.2");
    scene.sees([gone.left(CLIENT), gone.reached(SERVER)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(attempt.unreachable, None);
    for locality in [BOTH, SOURCE, DESTINATION] {
        assert_eq!(outcome(&attempt, locality), Outcome::Established);
    }
    scene.assert_forgets_everything();
}

#[test]
fn a_dropped_one_that_is_let_through_later_is_told_again() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().dropped(NETFILTER_DROP)]);
    assert_eq!(outcome(&scene.until(4000).only(), BOTH), Outcome::Dropped);
    scene.sees([dns().first().reached(SERVER), dns().answer().left(SERVER), dns().answer().reached(CLIENT)]);
    assert_eq!(outcome(&scene.waits(11_000).only(), BOTH), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn an_answer_without_its_request_opens_nothing_and_is_not_left_in_the_kernel() {
    let mut scene = Scene::new();
    scene.sees([dns().answer().left(SERVER), dns().answer().reached(CLIENT)]);
    assert!(scene.table.is_empty());
    assert_eq!(scene.kernel.len(), 2);
    scene.until(5000);
    scene.kernel.counted(CLIENT, dns().tuple(), Counters { packets: 9, bytes: 90, last: ms(5000) });
    scene.until(14_900);
    assert_eq!(scene.kernel.len(), 1, "one device still hears of it");
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn an_older_conversation_that_is_met_at_an_answer_is_not_turned_round() {
    // The server's device takes the answer for an opening; at the client's device conntrack knows.
    let mut scene = Scene::new();
    scene.sees([dns().taken_for_the_first().left(SERVER), dns().answer().reached(CLIENT)]);
    assert!(scene.table.is_empty());
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn an_older_conversation_goes_the_way_that_conntrack_says() {
    let mut scene = Scene::new();
    scene.sees([dns().taken_for_the_first().left(SERVER)]);
    scene.sees([dns().first().left(CLIENT), dns().taken_for_an_answer().reached(SERVER)]);
    scene.sees([dns().answer().reached(CLIENT)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(attempt.original, dns().tuple());
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn an_answer_that_its_device_takes_for_an_opening_is_an_answer() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().taken_for_the_first().left(SERVER)]);
    let attempt = scene.waits(11_000).only();
    assert_eq!(attempt.original, dns().tuple());
    assert!(attempt.answer_sent.is_some());
    scene.assert_forgets_everything();
}

#[test]
fn two_that_call_each_other_on_one_port_pair_are_judged_apart() {
    // Gossip: one direction is denied, the other is let through.
    let denied = udp("10.0.0.2:7946", "10.0.0.3:7946");
    let allowed = udp("10.0.0.3:7946", "10.0.0.2:7946");
    let mut scene = Scene::new();
    scene.sees([denied.first().left(CLIENT), denied.first().dropped(NETFILTER_DROP)]);
    scene.sees([allowed.first().left(SERVER), allowed.taken_for_an_answer().reached(CLIENT)]);
    let mut told = scene.waits(11_000).reported();
    told.sort_by_key(|attempt| attempt.original);
    let [denied_told, allowed_told] = told.as_slice() else { panic!("two reports: {told:#?}") };
    assert_eq!((denied_told.original, outcome(denied_told, BOTH)), (denied.tuple(), Outcome::Dropped));
    assert_eq!((allowed_told.original, outcome(allowed_told, BOTH)), (allowed.tuple(), Outcome::Delivered));
    scene.assert_forgets_everything();
}

#[test]
fn a_device_that_goes_is_read_a_last_time_and_then_forgotten() {
    let mut scene = Scene::new();
    scene.sees(exchange(dns()));
    scene.kernel.counted(CLIENT, dns().tuple(), Counters { packets: 40, bytes: 4000, last: ms(4) });
    scene.device_gone(CLIENT);
    assert_eq!(scene.only().traffic(), (40, 4000));
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn a_flush_reads_the_counters_a_last_time() {
    let mut scene = Scene::new();
    scene.sees(exchange(dns()));
    scene.kernel.counted(SERVER, dns().tuple(), Counters { packets: 12, bytes: 1200, last: ms(4) });
    assert_eq!(scene.flush().only().traffic(), (12, 1200));
}

#[test]
fn one_that_finds_the_table_full_is_not_left_in_the_kernel() {
    let mut scene = Scene::with(Limits { attempts: 0, ..limits() });
    scene.sees([dns().first().left(CLIENT)]);
    assert_eq!((scene.table.take_evicted(), scene.kernel.len()), (1, 1));
    scene.assert_forgets_everything();
}

#[test]
fn datagrams_that_found_no_room_do_not_undo_those_that_the_pod_took() {
    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER)]);
    scene
        .sees([dns().first().dropped_behind(SERVER, RCVBUFF), dns().first().dropped_behind(SERVER, RCVBUFF)]);
    scene.kernel.counted(CLIENT, dns().tuple(), Counters { packets: 40, bytes: 4000, last: ms(4) });
    let attempt = scene.waits(11_000).only();
    assert_eq!((outcome(&attempt, BOTH), attempt.traffic()), (Outcome::Delivered, (40, 4000)));

    let mut scene = Scene::new();
    scene.sees([dns().first().left(CLIENT), dns().first().reached(SERVER)]);
    scene.sees([dns().first().dropped_behind(SERVER, RCVBUFF)]);
    scene.kernel.counted(CLIENT, dns().tuple(), Counters { packets: 1, bytes: 100, last: ms(4) });
    assert_eq!(outcome(&scene.waits(11_000).only(), BOTH), Outcome::Dropped, "there was never room");
}

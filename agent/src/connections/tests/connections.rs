//! TCP: how openings end, and which reports they make.

use super::{
    scene::*,
    talk::{Talk, tcp},
};
use crate::connections::{Limits, Place};
use portolan_policy::Outcome;

pub(super) fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.0.0.3:80")
}

/// A SYN that comes through to the server's device.
pub(super) fn syn_through(isn: u32) -> [crate::event::Event; 2] {
    [web().syn(isn).left(CLIENT), web().syn(isn).reached(SERVER)]
}

/// The answer to it.
pub(super) fn answer_through() -> [crate::event::Event; 2] {
    [web().syn_ack().left(SERVER), web().syn_ack().reached(CLIENT)]
}

/// Both sides finish, as both devices see it.
pub(super) fn goodbye() -> [crate::event::Event; 4] {
    [
        web().fin().left(CLIENT),
        web().fin().reached(SERVER),
        web().fin_back().left(SERVER),
        web().fin_back().reached(CLIENT),
    ]
}

#[test]
fn a_connection_is_reported_once_when_both_sides_have_finished() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees(answer_through()).waits(60_000);
    assert!(scene.reported().is_empty(), "it is still open");

    scene.sees(goodbye()).waits(100);
    assert!(scene.reported().is_empty(), "evidence from elsewhere may still come");

    let attempt = scene.waits(100).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.original, web().tuple());
    assert_eq!(attempt.effective(), web().tuple());
    assert_eq!(attempt.sequence, 1);
    assert_eq!(attempt.tries(), 1);
    assert_eq!(attempt.started, ms(1));
    assert_eq!(attempt.latency(), Some(ms(3)), "at the device of the one who opened");
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty(), "one connection is one report");
}

#[test]
fn each_node_sees_its_own_end_of_a_connection() {
    let mut opens = Scene::new();
    opens.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT)]);
    opens.sees([web().fin().left(CLIENT), web().fin_back().reached(CLIENT)]);
    let attempt = opens.waits(200).only();
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Established);
    assert_eq!(attempt.latency(), Some(ms(1)));

    let mut answers = Scene::new();
    answers.sees([web().syn(1).reached(SERVER), web().syn_ack().left(SERVER)]);
    answers.sees([web().fin_back().left(SERVER), web().fin().reached(SERVER)]);
    let attempt = answers.waits(200).only();
    assert_eq!(outcome(&attempt, DESTINATION), Outcome::Established);
    assert_eq!(attempt.latency(), Some(ms(1)), "at the device of the one who answered");
}

#[test]
fn a_reset_by_either_side_ends_an_established_connection() {
    let by_client = [web().reset().left(CLIENT), web().reset().reached(SERVER)];
    let by_server = [web().reset_back().left(SERVER), web().reset_back().reached(CLIENT)];
    for reset in [by_client, by_server] {
        let mut scene = Scene::new();
        scene.sees(syn_through(1)).sees(answer_through()).waits(1000).sees(reset);
        let attempt = scene.waits(200).only();
        assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
        scene.assert_forgets_everything();
    }
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1));
    scene.sees([web().reset_back().left(SERVER), web().reset_back().reached(CLIENT)]);
    let conclusion = concluded(&scene.waits(200).only(), BOTH);
    assert_eq!(conclusion.outcome, Outcome::Refused);
    assert!(conclusion.reached_pod);
    assert_eq!(conclusion.drop_reason, None);
    scene.assert_forgets_everything();
}

#[test]
fn a_firewall_that_resets_rejects_whether_its_drop_was_seen_or_not() {
    let drop = web().syn(1).dropped(NETFILTER_DROP);
    for drop in [Some(drop), None] {
        let mut scene = Scene::new();
        scene.sees([web().syn(1).left(CLIENT)]).sees(drop).sees([web().reset_back().reached(CLIENT)]);
        let conclusion = concluded(&scene.waits(200).only(), BOTH);
        assert_eq!(conclusion.outcome, Outcome::Rejected);
        assert_eq!(conclusion.drop_reason, drop.map(|_| "NETFILTER_DROP".to_owned()));
        assert!(!conclusion.reached_pod);
    }
}

#[test]
fn a_firewall_that_sends_icmp_rejects_whether_its_drop_was_seen_or_not() {
    let drop = web().syn(1).dropped(NETFILTER_DROP);
    for drop in [Some(drop), None] {
        let mut scene = Scene::new();
        scene.sees([web().syn(1).left(CLIENT)]).sees(drop);
        scene.sees([web().unreachable("10.0.0.1").reached(CLIENT)]);
        let conclusion = concluded(&scene.waits(200).only(), BOTH);
        assert_eq!(conclusion.outcome, Outcome::Rejected);
        assert!(!conclusion.reached_pod);
    }
}

#[test]
fn a_dropped_opening_is_reported_once_with_all_its_tries() {
    let mut scene = Scene::new();
    for at in [1, 1001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.at(at, web().syn(1).dropped(NETFILTER_DROP));
    }
    assert!(scene.reported().is_empty(), "a later try may still get through");
    let attempt = scene.until(1600).only();
    let conclusion = concluded(&attempt, BOTH);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert_eq!(conclusion.drop_reason.as_deref(), Some("NETFILTER_DROP"));
    assert!(!conclusion.reached_pod && !conclusion.dropped_in_pod);
    assert_eq!(attempt.tries(), 2);
    assert_eq!(attempt.traffic(), (2, 0));

    for at in [3001, 7001, 15_001, 31_001, 63_001, 127_001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.at(at, web().syn(1).dropped(NETFILTER_DROP));
    }
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty(), "later tries of the same opening are no attempts of their own");
}

#[test]
fn an_opening_that_gets_through_on_a_later_try_is_established() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).dropped(NETFILTER_DROP)]).until(1000);
    scene.sees(syn_through(1)).sees(answer_through()).sees(goodbye());
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.tries(), 2);
    assert!(attempt.latency() > Some(ms(900)), "from the first try");
}

#[test]
fn an_opening_that_is_dropped_before_it_leaves_its_pod_is_dropped() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).dropped_behind(CLIENT, CGROUP_EGRESS)]);
    let attempt = scene.waits(4000).only();
    assert!(attempt.drops.source_pod.is_some());
    let conclusion = concluded(&attempt, SOURCE);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert_eq!(conclusion.drop_reason.as_deref(), Some("BPF_CGROUP_EGRESS"));
    assert!(!conclusion.dropped_in_pod);
}

#[test]
fn a_socket_that_its_own_firewall_turned_away_was_rejected() {
    let told = |end| {
        let mut scene = Scene::new();
        let twice = [1, 1].map(|isn| web().syn(isn).dropped_behind(CLIENT, NETFILTER_DROP));
        scene.sees(twice).sees([end]).waits(200);
        outcome(&scene.only(), BOTH)
    };
    assert_eq!(told(web().client_is_turned_away(2)), Outcome::Rejected);
    assert_eq!(told(web().client_is_turned_away(3)), Outcome::Dropped, "the third may have come to a peer");
    assert_eq!(told(web().client_gives_up()), Outcome::Dropped);
}

#[test]
fn an_opening_that_is_dropped_twice_is_held_back_for_the_third_and_told_if_that_is_dropped_too() {
    let mut dropped = Scene::with(Limits::default());
    let mut through = Scene::with(Limits::default());
    for scene in [&mut dropped, &mut through] {
        for at in [0, 1000] {
            scene.at(at, web().syn(1).left(CLIENT)).at(at, web().syn(1).dropped(NETFILTER_DROP));
        }
        scene.until(3000);
        assert_eq!(scene.reported(), [], "its socket still tries");
        scene.at(3010, web().syn(1).left(CLIENT));
    }
    dropped.at(3010, web().syn(1).dropped(NETFILTER_DROP)).until(3600);
    let attempt = dropped.only();
    assert_eq!((outcome(&attempt, BOTH), attempt.tries()), (Outcome::Dropped, 3));
    through.at(3010, web().syn(1).reached(SERVER)).sees(answer_through()).sees(goodbye()).waits(200);
    let attempt = through.only();
    assert_eq!((outcome(&attempt, BOTH), attempt.tries()), (Outcome::Established, 3));
}

#[test]
fn a_full_backlog_drops_inside_the_destination_after_arrival() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees([web().syn(1).dropped_behind(SERVER, LISTEN_OVERFLOW)]);
    let conclusion = concluded(&scene.waits(4000).only(), BOTH);
    assert_eq!(conclusion.outcome, Outcome::Dropped);
    assert_eq!(conclusion.drop_reason.as_deref(), Some("TCP_LISTEN_OVERFLOW"));
    assert!(conclusion.reached_pod && conclusion.dropped_in_pod);
}

#[test]
fn a_drop_behind_another_device_than_the_one_it_left_is_not_the_sources() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).dropped_behind(UPLINK, NETFILTER_DROP)]);
    let attempt = scene.waits(8100).only();
    assert_eq!(attempt.drops.source_pod, None);
    let told = attempt.drops.counting(true, true).map(|(place, _)| place);
    assert_eq!(told, Some(Place::DestinationPod));
    assert_eq!(outcome(&attempt, SOURCE), Outcome::NoReply, "behind the uplink is another node's to tell");
}

#[test]
fn silence_is_reported_after_a_while_and_later_tries_are_no_new_attempts() {
    let mut scene = Scene::new();
    for at in [1, 1001, 3001, 7001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.at(at, web().syn(1).reached(SERVER));
    }
    let attempt = scene.until(8100).only();
    let conclusion = concluded(&attempt, BOTH);
    assert_eq!(conclusion.outcome, Outcome::NoReply);
    assert!(conclusion.reached_pod, "it was seen arriving at the pod");
    assert_eq!(attempt.tries(), 4);
    for at in [15_001, 31_001, 63_001, 127_001] {
        scene.at(at, web().syn(1).left(CLIENT));
    }
    assert_eq!(scene.table.len(), 1);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn an_answer_after_the_report_is_told_when_the_connection_ends() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT)]).until(9000);
    assert_eq!(outcome(&scene.only(), SOURCE), Outcome::NoReply);
    scene.at(15_000, web().syn_ack().reached(CLIENT)).waits(300_000);
    assert!(scene.reported().is_empty(), "it is open now");
    scene.sees([web().fin().left(CLIENT), web().fin_back().reached(CLIENT)]);
    assert_eq!(outcome(&scene.waits(200).only(), SOURCE), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_client_that_gives_up_ends_the_wait() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT)]).until(2000).sees([web().client_gives_up()]);
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, SOURCE), Outcome::NoReply);
    assert_eq!(attempt.traffic(), (1, 0));
    scene.sees([web().syn_ack().reached(CLIENT), web().reset().left(CLIENT)]);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty(), "the answer to a client that has gone opens nothing");
}

#[test]
fn a_port_that_is_used_again_is_a_new_attempt() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT)]).until(2000).sees([web().syn(2).left(CLIENT)]);
    let first = scene.only();
    assert_eq!((first.sequence, outcome(&first, SOURCE)), (1, Outcome::NoReply));

    scene.sees([web().syn_ack().reached(CLIENT), web().fin().left(CLIENT), web().fin_back().reached(CLIENT)]);
    let second = scene.waits(200).only();
    assert_eq!((second.sequence, outcome(&second, SOURCE)), (2, Outcome::Established));
    scene.assert_forgets_everything();
}

#[test]
fn a_port_whose_new_opening_is_only_seen_dropped_is_a_new_attempt() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees(answer_through()).until(2000);
    scene.sees([web().syn(2).dropped_behind(CLIENT, CGROUP_EGRESS)]);
    assert_eq!(outcome(&scene.only(), BOTH), Outcome::Established);
    let second = scene.waits(4000).only();
    assert_eq!((second.sequence, outcome(&second, BOTH)), (2, Outcome::Dropped));
    scene.assert_forgets_everything();
}

#[test]
fn the_sockets_accounts_are_the_best_of_both_ends() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees(answer_through()).sees(goodbye());
    scene.sees([web().server_closes(11, 8900), web().client_closes(12, 9000)]);
    let attempt = scene.waits(200).only();
    assert_eq!(attempt.traffic(), (12, 9000));
    assert_eq!((attempt.retransmits, attempt.srtt_us), (Some(3), Some(80)));
}

#[test]
fn a_drop_on_an_open_connection_does_not_unmake_it() {
    let mut scene = Scene::new();
    scene.sees(syn_through(1)).sees(answer_through());
    scene.sees([web().syn_ack().dropped_behind(CLIENT, NO_SOCKET)]);
    scene.sees(goodbye());
    let conclusion = concluded(&scene.waits(200).only(), BOTH);
    assert_eq!(conclusion.outcome, Outcome::Established);
    assert_eq!(conclusion.drop_reason, None);
}

#[test]
fn openings_under_false_names_make_room_when_the_table_is_full() {
    let mut scene = Scene::with(Limits { attempts: 2, ..limits() });
    for port in [1, 2] {
        let spoofed = tcp(&format!("192.0.2.9:{port}"), "10.0.0.3:80");
        scene.sees([spoofed.syn(1).reached(SERVER), spoofed.syn_ack().left(SERVER)]);
    }
    scene.waits(9000);
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).reached(SERVER)]).waits(20);
    assert_eq!((scene.reported().len(), scene.table.take_evicted()), (2, 0));
}

#[test]
fn an_error_by_the_destination_that_an_administrator_forbids_it_is_its_firewalls() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().prohibited("10.0.0.3").reached(CLIENT)]);
    assert_eq!(outcome(&scene.waits(200).only(), SOURCE), Outcome::Rejected);
}

#[test]
fn what_is_dropped_on_its_way_from_a_pod_to_itself_is_no_attempt() {
    let itself = tcp("10.0.0.2:40000", "10.0.0.2:80");
    let mut scene = Scene::new();
    scene.sees([itself.syn(1).dropped_behind(CLIENT, NO_SOCKET)]);
    assert!(scene.waits(11_000).reported().is_empty());
    scene.assert_forgets_everything();
}

//! What begins and ends out of turn: odd orders, lost ends, devices that go, a full table.

use super::{
    scene::*,
    talk::{Talk, tcp},
};
use crate::connections::Limits;
use portolan_policy::Outcome;

fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.0.0.3:80")
}

#[test]
fn a_drop_told_before_its_syn_is_the_same_attempt_from_the_earlier_moment_on() {
    let mut scene = Scene::new();
    scene.late(10, web().syn(1).dropped(NETFILTER_DROP)).late(9, web().syn(1).left(CLIENT));
    let attempt = scene.until(4000).only();
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Dropped);
    assert_eq!((attempt.started, attempt.last), (ms(9), ms(10)));
    scene.assert_forgets_everything();
}

#[test]
fn an_answer_told_before_its_request_opens_nothing_and_spoils_nothing() {
    let mut scene = Scene::new();
    scene.sees([web().syn_ack().left(SERVER), web().syn_ack().reached(CLIENT)]);
    assert!(scene.table.is_empty());
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).reached(SERVER), web().syn_ack().left(SERVER)]);
    scene.sees([web().fin().left(CLIENT), web().fin_back().left(SERVER)]);
    assert_eq!(outcome(&scene.waits(200).only(), BOTH), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn the_middle_or_end_of_an_older_connection_is_no_attempt() {
    let mut scene = Scene::new();
    scene.sees([
        web().syn_ack().left(SERVER),
        web().syn_ack().reached(CLIENT),
        web().syn_ack().dropped(NETFILTER_DROP),
        web().unreachable("10.0.0.1").reached(CLIENT),
        web().fin().left(CLIENT),
        web().fin_back().reached(CLIENT),
        web().reset().left(CLIENT),
        web().reset_back().left(SERVER),
        web().client_closes(5, 500),
        web().server_closes(5, 500),
        web().client_gives_up(),
    ]);
    assert!(scene.table.is_empty());
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn packets_of_a_closed_connection_are_no_attempt() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT)]);
    scene.sees([web().fin().left(CLIENT), web().fin_back().reached(CLIENT)]).waits(1000);
    assert_eq!(scene.reported().len(), 1);
    scene.sees([web().fin_back().reached(CLIENT), web().reset().left(CLIENT), web().client_closes(9, 90)]);
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn a_peer_that_is_gone_without_a_word_ends_with_the_socket_that_waited() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT)]).waits(900_000);
    scene.sees([web().client_closes(30, 2000)]);
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Established);
    assert_eq!(attempt.traffic(), (30, 2000));
    scene.assert_forgets_everything();
}

#[test]
fn a_connection_that_stays_half_closed_is_reported_in_the_end() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT), web().fin().left(CLIENT)]);
    scene.waits(120_000);
    assert!(scene.reported().is_empty(), "the other side may take its time");
    assert_eq!(outcome(&scene.waits(20_000).only(), SOURCE), Outcome::Established);
    scene.assert_forgets_everything();
}

#[test]
fn a_socket_that_was_open_proves_the_handshake_whose_answer_was_not_seen() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).reached(SERVER), web().client_closes(7, 70)]);
    let attempt = scene.waits(200).only();
    assert_eq!(outcome(&attempt, BOTH), Outcome::Established);
    assert_eq!(attempt.latency(), None);
}

#[test]
fn a_device_that_goes_takes_its_connections_with_it() {
    let other = tcp("10.0.0.4:40000", "10.0.0.5:80");
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT)]);
    scene.sees([other.syn(7).left(4), other.syn_ack().reached(4)]);
    scene.device_gone(CLIENT);
    let attempt = scene.only();
    assert_eq!(attempt.original, web().tuple());
    assert_eq!(outcome(&attempt, SOURCE), Outcome::Established);
    scene.device_gone(4);
    assert_eq!(scene.only().original, other.tuple());
    scene.assert_forgets_everything();
}

#[test]
fn a_client_that_tries_on_after_its_servers_device_is_gone_makes_no_second_attempt() {
    let mut scene = Scene::new();
    scene.sees([web().syn(1).left(CLIENT), web().syn(1).reached(SERVER)]).device_gone(SERVER);
    assert_eq!(outcome(&scene.only(), BOTH), Outcome::NoReply);
    for at in [1001, 3001, 7001] {
        scene.at(at, web().syn(1).left(CLIENT));
        scene.at(at, web().syn(1).dropped(NEIGH_FAILED));
    }
    scene.assert_forgets_everything();
    assert!(scene.reported().is_empty());
}

#[test]
fn devices_that_go_report_in_the_order_of_the_openings() {
    let mut scene = Scene::new();
    let ports = 40_000..40_064;
    for port in ports.clone() {
        scene.sees([tcp(&format!("10.0.0.2:{port}"), "10.0.0.3:80").syn(1).left(CLIENT)]);
    }
    scene.device_gone(CLIENT);
    let told: Vec<u16> = scene.reported().iter().map(|attempt| attempt.original.source.port).collect();
    assert_eq!(told, ports.collect::<Vec<u16>>());
}

#[test]
fn a_flush_reports_what_is_open_and_nothing_twice() {
    let reported = tcp("10.0.0.4:40000", "10.0.0.5:80");
    let mut scene = Scene::new();
    scene.sees([reported.syn(1).left(4)]).until(9000);
    assert_eq!(scene.reported().len(), 1);
    scene.sees([web().syn(1).left(CLIENT), web().syn_ack().reached(CLIENT)]).flush();
    assert_eq!(scene.only().original, web().tuple());
    assert!(scene.table.is_empty());
    scene.assert_forgets_everything();
}

#[test]
fn openings_that_find_the_table_full_are_counted() {
    let mut scene = Scene::with(Limits { attempts: 2, ..limits() });
    for port in 40_000..40_005 {
        scene.sees([tcp(&format!("10.0.0.2:{port}"), "10.0.0.3:80").syn(1).left(CLIENT)]);
    }
    scene.sees([tcp("10.0.0.4:40000", "10.0.0.5:80").syn(1).dropped(NETFILTER_DROP)]);
    assert_eq!(scene.table.len(), 2);
    assert_eq!(scene.table.take_evicted(), 4);
    assert_eq!(scene.table.take_evicted(), 0, "counted once");
    scene.until(300_000);
    assert_eq!(scene.reported().len(), 2);
    scene.sees([web().syn(1).left(CLIENT)]);
    assert_eq!(scene.table.len(), 1, "there is room again");
}

#[test]
fn an_attempt_stands_in_the_queue_once_however_much_is_seen_of_it() {
    let mut scene = Scene::new();
    for _ in 0..500 {
        scene.sees([web().syn(1).left(CLIENT), web().syn(1).dropped(NETFILTER_DROP)]);
    }
    let [names, queued, strays] = scene.table.held_beside();
    assert_eq!((names, strays), (1, 0));
    assert!(queued <= 2, "one entry, and one that an earlier moment replaced: {queued}");
}

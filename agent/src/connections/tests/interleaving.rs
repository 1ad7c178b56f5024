//! Any interleaving of many connections says of each what it says of it alone, and whatever comes in
//! whatever order leaves nothing behind.

use super::{
    scene::*,
    talk::{Talk, ping, tcp, udp},
};
use crate::{
    connections::{Attempt, Conclusion},
    event::{Event, FiveTuple},
};
use proptest::{collection::vec, prelude::*};

/// Events and how many milliseconds after the first each comes.
type Story = Vec<(u64, Event)>;

fn spread(every_ms: u64, events: impl IntoIterator<Item = Event>) -> Story {
    events.into_iter().enumerate().map(|(index, event)| (index as u64 * every_ms, event)).collect()
}

fn handshake(talk: Talk) -> [Event; 4] {
    [
        talk.syn(1).left(CLIENT),
        talk.syn(1).reached(SERVER),
        talk.syn_ack().left(SERVER),
        talk.syn_ack().reached(CLIENT),
    ]
}

fn goodbye(talk: Talk) -> [Event; 6] {
    [
        talk.fin().left(CLIENT),
        talk.fin().reached(SERVER),
        talk.fin_back().left(SERVER),
        talk.fin_back().reached(CLIENT),
        talk.client_closes(9, 900),
        talk.server_closes(8, 900),
    ]
}

fn exchange(talk: Talk) -> [Event; 4] {
    [
        talk.first().left(CLIENT),
        talk.first().reached(SERVER),
        talk.answer().left(SERVER),
        talk.answer().reached(CLIENT),
    ]
}

/// Every kind of life, for the client port given; a retransmitted opening goes on after its report.
fn story(kind: usize, port: u16) -> Story {
    let client = format!("10.0.0.2:{port}");
    let web = tcp(&client, "10.0.0.3:80");
    let service = tcp(&client, "10.96.0.7:80").through_to("10.0.0.3:8080");
    let dns = udp(&client, "10.96.0.10:53").through_to("10.0.0.3:53");
    let echo = ping("10.0.0.2", "10.0.0.3", port);
    let dropped = |at, reason| [(at, web.syn(1).left(CLIENT)), (at + 1, web.syn(1).dropped(reason))];
    match kind {
        0 => spread(13, handshake(web).into_iter().chain(goodbye(web))),
        1 => spread(13, handshake(service).into_iter().chain(goodbye(service))),
        2 => spread(7, [&handshake(web)[..2], &[web.reset_back().left(SERVER)]].concat()),
        3 => [1, 1000, 3000, 7000].into_iter().flat_map(|at| dropped(at, NETFILTER_DROP)).collect(),
        4 => spread(
            5,
            [web.syn(1).left(CLIENT), web.syn(1).dropped(NETFILTER_DROP), web.reset_back().reached(CLIENT)],
        ),
        5 => spread(1000, [web.syn(1).left(CLIENT), web.syn(1).left(CLIENT), web.client_gives_up()]),
        6 => spread(4000, [service.syn(1).left(CLIENT); 4]),
        7 => spread(30, exchange(dns)),
        8 => spread(30, exchange(echo)),
        9 => spread(30, [dns.first().left(CLIENT), dns.first().reached(SERVER)]),
        10 => spread(3, [dns.first().left(CLIENT), dns.first().dropped(NETFILTER_DROP)]),
        11 => spread(3, [&exchange(dns)[..2], &[dns.unreachable("10.0.0.3").left(SERVER)]].concat()),
        12 => spread(40, handshake(web).into_iter().chain([web.client_closes(30, 3000)])),
        _ => spread(
            40,
            [
                &handshake(service)[..2],
                &[service.syn_ack().dropped(NETFILTER_DROP), service.client_gives_up()],
            ]
            .concat(),
        ),
    }
}

const KINDS: usize = 14;

/// All that is told of an attempt, but for its place in time.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    tuples: [FiveTuple; 2],
    tries: u32,
    latency: Option<u64>,
    traffic: (u64, u64),
    conclusions: [Conclusion; 3],
}

fn told(attempt: &Attempt) -> Told {
    Told {
        tuples: [attempt.original, attempt.effective()],
        tries: attempt.tries(),
        latency: attempt.latency(),
        traffic: attempt.traffic(),
        conclusions: [BOTH, SOURCE, DESTINATION].map(|locality| concluded(attempt, locality)),
    }
}

fn play(events: impl IntoIterator<Item = (u64, Event)>) -> Vec<Told> {
    let mut scene = Scene::new();
    for (at, event) in events {
        scene.at(at, event);
    }
    scene.assert_forgets_everything();
    let mut told: Vec<Told> = scene.reported().iter().map(told).collect();
    told.sort_by_key(|told| told.tuples);
    told
}

#[test]
fn every_story_is_one_attempt() {
    for kind in 0..KINDS {
        assert_eq!(play(story(kind, 40_000)).len(), 1, "story {kind}");
    }
}

/// An event of a few connections that share ends, for streams that make no sense.
fn any_event() -> impl Strategy<Value = Event> {
    let talks = [
        tcp("10.0.0.2:40000", "10.0.0.3:80"),
        tcp("10.0.0.3:80", "10.0.0.2:40000"),
        tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:80"),
        udp("10.0.0.2:53", "10.0.0.3:53"),
        udp("10.0.0.3:53", "10.0.0.2:53").untracked(),
        udp("10.0.0.2:53", "10.96.0.7:53").through_to("10.0.0.3:53").seen_as("10.0.0.1:9"),
        ping("10.0.0.2", "10.0.0.3", 1),
    ];
    let device = prop_oneof![Just(CLIENT), Just(SERVER)];
    (proptest::sample::select(talks.to_vec()), 0..11_usize, 0..4_usize, device, 1..3_u32).prop_map(
        |(talk, what, place, device, isn)| {
            let is_tcp = talk.tuple().protocol == portolan_policy::Protocol::Tcp;
            let packet = match (what, is_tcp) {
                (0 | 1, true) => talk.syn(isn),
                (2, true) => talk.syn_ack(),
                (3, true) => talk.fin(),
                (4, true) => talk.fin_back(),
                (5, true) => talk.reset(),
                (6, true) => talk.reset_back(),
                (7, true) => return talk.client_closes(3, 30),
                (8, true) => return talk.server_closes(3, 30),
                (9, true) => return talk.client_gives_up(),
                (0..=2, false) => talk.first(),
                (3..=5, false) => talk.answer(),
                (6 | 7, false) => talk.taken_for_the_first(),
                (8, false) => talk.taken_for_an_answer(),
                (9, false) => talk.answer_unreachable("10.0.0.2"),
                _ => talk.unreachable("10.0.0.1"),
            };
            match place {
                0 => packet.left(device),
                1 => packet.reached(device),
                2 => packet.dropped(NETFILTER_DROP),
                _ => packet.dropped_behind(device, NO_SOCKET),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn interleaved_connections_end_as_each_does_alone(lives in vec((0..KINDS, 0_u64..250), 1..24)) {
        let mut alone = Vec::new();
        let mut together = Vec::new();
        for (index, (kind, round)) in lives.into_iter().enumerate() {
            let story = story(kind, 40_000 + index as u16);
            together.extend(story.iter().map(|(at, event)| (at + round * 20, *event)));
            alone.extend(play(story));
        }
        together.sort_by_key(|(at, _)| *at);
        alone.sort_by_key(|told| told.tuples);
        prop_assert_eq!(play(together), alone);
    }

    #[test]
    fn whatever_comes_nothing_is_left_when_all_is_over(
        events in vec((0_u64..3000, any_event()), 0..80),
        gone in proptest::option::of(0..80_usize),
    ) {
        let mut scene = Scene::new();
        let (mut now, mut seen) = (0, 0);
        for (index, (wait, event)) in events.into_iter().enumerate() {
            now += wait;
            scene.at(now, event);
            seen += 1;
            if gone == Some(index) {
                scene.device_gone(CLIENT);
            }
        }
        scene.waits(600_000);
        prop_assert_eq!(scene.kernel.len(), 0, "conversations end by themselves: {:#?}", scene.table);
        scene.flush();
        prop_assert!(scene.reported().len() <= seen, "no more reports than events");
        scene.assert_forgets_everything();
        prop_assert!(scene.reported().is_empty());
    }
}

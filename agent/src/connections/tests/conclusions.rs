//! Evidence × which ends are pods of this node = what became of it.

use super::{
    scene::*,
    talk::{Talk, ping, tcp, udp},
};
use crate::{connections::Conclusion, event::Event};

/// Evidence by name, and what it means where both ends are here, the source alone, the destination
/// alone.
type Case = (&'static str, Vec<Event>, [&'static str; 3]);

fn web() -> Talk {
    tcp("10.0.0.2:40000", "10.0.0.3:80")
}

fn service() -> Talk {
    tcp("10.0.0.2:40000", "10.96.0.7:80").through_to("10.0.0.3:8080")
}

fn dns() -> Talk {
    udp("10.0.0.2:40000", "10.0.0.3:53")
}

fn through(talk: Talk) -> [Event; 2] {
    [talk.syn(1).left(CLIENT), talk.syn(1).reached(SERVER)]
}

fn told(conclusion: &Conclusion) -> String {
    let Conclusion { outcome, drop_reason, reached_pod, dropped_in_pod, .. } = conclusion;
    let mut told = outcome.as_str().to_owned();
    if let Some(reason) = drop_reason {
        told = format!("{told} by {reason}");
    }
    if *reached_pod {
        told.push_str(", reached");
    }
    if *dropped_in_pod {
        told.push_str(", inside");
    }
    told
}

fn assert_cases(cases: Vec<Case>) {
    for (name, evidence, expected) in cases {
        let mut scene = Scene::new();
        let attempt = scene.sees(evidence).flush().only();
        let seen = [BOTH, SOURCE, DESTINATION].map(|locality| told(&concluded(&attempt, locality)));
        assert_eq!(seen, expected, "{name}");
    }
}

#[test]
fn answers() {
    let answered = [web().syn_ack().left(SERVER), web().syn_ack().reached(CLIENT)];
    let dropped = [web().syn_ack().left(SERVER), web().syn_ack().dropped(NETFILTER_DROP)];
    let finished = [web().fin().left(CLIENT), web().fin().reached(SERVER)];
    assert_cases(vec![
        (
            "it was answered",
            [through(web()), answered].concat(),
            ["established, reached", "established, reached", "established, reached"],
        ),
        (
            "the answer was sent and not received",
            [&through(web())[..], &answered[..1]].concat(),
            ["no-reply, reached", "no-reply", "established, reached"],
        ),
        (
            "the answer was dropped",
            [through(web()), dropped].concat(),
            [
                "dropped by NETFILTER_DROP, reached",
                "dropped by NETFILTER_DROP",
                "dropped by NETFILTER_DROP, reached",
            ],
        ),
        (
            "the answer was dropped, and yet the initiator finished",
            [through(web()), dropped, finished].concat(),
            ["established, reached", "established, reached", "established, reached"],
        ),
        (
            "no answer was seen, and yet a socket was open",
            [&through(web())[..], &[web().server_closes(4, 40)]].concat(),
            ["established, reached", "established, reached", "established, reached"],
        ),
    ]);
}

#[test]
fn answers_that_the_initiator_has_no_use_for() {
    let echo = || ping("10.0.0.2", "10.0.0.3", 7);
    let asked = |talk: Talk| [talk.first().left(CLIENT), talk.first().reached(SERVER)];
    let answered = |talk: Talk| [talk.answer().left(SERVER), talk.answer().reached(CLIENT)];
    let answers = [web().syn_ack().left(SERVER), web().syn_ack().reached(CLIENT)];
    let freed = |talk: Talk, reason| [talk.answer().dropped_behind(CLIENT, reason)];
    let established = ["established, reached"; 3];
    assert_cases(vec![
        (
            "an echo reply to a raw socket, which has its copy",
            [&asked(echo())[..], &answered(echo()), &freed(echo(), NO_SOCKET)].concat(),
            established,
        ),
        (
            "an answer to a socket that has closed",
            [&asked(dns())[..], &answered(dns()), &freed(dns(), NO_SOCKET)].concat(),
            established,
        ),
        (
            "an answer that comes by another interface of the pod",
            [&asked(dns())[..], &[dns().answer().left(SERVER), dns().answer().dropped_behind(7, NO_SOCKET)]]
                .concat(),
            established,
        ),
        (
            "an answer that ends in the gateway, which translated and has forgotten",
            vec![
                dns().first().left(CLIENT),
                dns().first().reached(UPLINK),
                dns().answer().dropped_behind(UPLINK, NO_SOCKET),
            ],
            ["dropped by NO_SOCKET, reached", "delivered", "dropped by NO_SOCKET, reached"],
        ),
        (
            "an answer without room in its socket",
            [&asked(dns())[..], &answered(dns()), &freed(dns(), RCVBUFF)].concat(),
            established,
        ),
        (
            "an answer to a stack in user space",
            [&asked(dns())[..], &answered(dns()), &freed(dns(), ADDRESS_ERROR)].concat(),
            established,
        ),
        (
            "an answer that a filter drops there all the same",
            [&asked(dns())[..], &answered(dns()), &freed(dns(), SOCKET_FILTER)].concat(),
            ["dropped by SOCKET_FILTER, reached", "dropped by SOCKET_FILTER", "established, reached"],
        ),
        (
            "a SYN-ACK to a scanner, whose kernel resets it",
            [
                &through(web())[..],
                &answers,
                &[web().syn_ack().dropped_behind(CLIENT, NO_SOCKET), web().reset().left(CLIENT)],
            ]
            .concat(),
            established,
        ),
        (
            "a SYN-ACK to a client that has timed out",
            [
                &through(web())[..],
                &[web().syn_ack().left(SERVER), web().client_gives_up()],
                &[web().syn_ack().reached(CLIENT), web().syn_ack().dropped_behind(CLIENT, NO_SOCKET)],
            ]
            .concat(),
            ["no-reply, reached", "no-reply", "established, reached"],
        ),
        (
            "an echo reply to a raw socket of the node",
            vec![
                echo().first().reached(SERVER),
                echo().answer().left(SERVER),
                echo().answer().dropped(NO_SOCKET),
            ],
            established,
        ),
        (
            "an answer that the node cannot forward",
            vec![
                dns().first().reached(SERVER),
                dns().answer().left(SERVER),
                dns().answer().dropped(NO_ROUTE),
            ],
            [
                "dropped by IP_INNOROUTES, reached",
                "dropped by IP_INNOROUTES",
                "dropped by IP_INNOROUTES, reached",
            ],
        ),
        (
            "a pod's answer that ends at the node, where its translation is forgotten",
            [&asked(dns())[..], &[dns().answer().left(SERVER), dns().answer().dropped(NO_SOCKET)]].concat(),
            ["dropped by NO_SOCKET, reached", "dropped by NO_SOCKET", "dropped by NO_SOCKET, reached"],
        ),
    ]);
}

#[test]
fn silence() {
    assert_cases(vec![
        ("a connection left", through(web())[..1].to_vec(), ["no-reply"; 3]),
        (
            "a connection arrived",
            through(web()).to_vec(),
            ["no-reply, reached", "no-reply", "no-reply, reached"],
        ),
        ("a datagram left", vec![dns().first().left(CLIENT)], ["no-reply", "delivered", "no-reply"]),
        (
            "a datagram arrived",
            vec![dns().first().left(CLIENT), dns().first().reached(SERVER)],
            ["delivered, reached", "delivered", "delivered, reached"],
        ),
    ]);
}

#[test]
fn resets() {
    let by_server = [web().reset_back().left(SERVER), web().reset_back().reached(CLIENT)];
    let by_nobody_here = [web().syn(1).left(CLIENT), web().reset_back().reached(CLIENT)];
    let dropped = [web().syn(1).left(CLIENT), web().syn(1).dropped(NETFILTER_DROP)];
    assert_cases(vec![
        (
            "the server's device sent a reset",
            [through(web()), by_server].concat(),
            ["refused, reached", "refused", "refused, reached"],
        ),
        (
            "a reset came from nowhere: a firewall's where the pod is here, unknown where it is not",
            by_nobody_here.to_vec(),
            ["rejected", "refused", "rejected"],
        ),
        (
            "a reset came beside a drop",
            [&dropped[..], &by_nobody_here[1..]].concat(),
            ["rejected by NETFILTER_DROP"; 3],
        ),
    ]);
}

#[test]
fn errors() {
    let dropped = |talk: Talk, reason| [talk.syn(1).left(CLIENT), talk.syn(1).dropped(reason)];
    let by = |talk: Talk, who| [talk.unreachable(who).reached(CLIENT)];
    assert_cases(vec![
        (
            "the node sent an error",
            [&through(web())[..1], &by(web(), "10.0.0.1")].concat(),
            ["rejected", "rejected", "rejected"],
        ),
        (
            "the node sent an error beside a drop",
            [&dropped(web(), NETFILTER_DROP)[..], &by(web(), "10.0.0.1")].concat(),
            ["rejected by NETFILTER_DROP"; 3],
        ),
        (
            "the node sent an error in the name of the service beside a drop",
            [&dropped(service(), NETFILTER_DROP)[..], &by(service(), "10.96.0.7")].concat(),
            ["rejected by NETFILTER_DROP"; 3],
        ),
        (
            "a bridge sent an error in the name of the pod beside a drop",
            [&dropped(web(), NETFILTER_DROP)[..], &by(web(), "10.0.0.3")].concat(),
            ["rejected by NETFILTER_DROP"; 3],
        ),
        (
            "the destination sent an error",
            [&through(web())[..1], &by(web(), "10.0.0.3")].concat(),
            ["refused, reached"; 3],
        ),
        (
            "an error of any name came out of the destination's device",
            [&through(web())[..], &[web().unreachable("10.9.9.9").left(SERVER)]].concat(),
            ["refused, reached", "rejected", "refused, reached"],
        ),
        (
            "there is no route, and the node says so",
            [&dropped(web(), NO_ROUTE)[..], &by(web(), "10.0.0.1")].concat(),
            ["dropped by IP_INNOROUTES"; 3],
        ),
        (
            "a route forbids it, and the node says so",
            [&dropped(web(), NO_ROUTE)[..], &[web().prohibited("10.0.0.1").reached(CLIENT)]].concat(),
            ["rejected by IP_INNOROUTES"; 3],
        ),
        (
            "the pod behind the service is gone, and the node says so in the service's name",
            [&dropped(service(), NEIGH_FAILED)[..], &by(service(), "10.96.0.7")].concat(),
            ["dropped by NEIGH_FAILED"; 3],
        ),
    ]);
}

#[test]
fn drops() {
    assert_cases(vec![
        (
            "in the node",
            vec![web().syn(1).left(CLIENT), web().syn(1).dropped(NETFILTER_DROP)],
            ["dropped by NETFILTER_DROP"; 3],
        ),
        (
            "inside the source: the source's node alone can tell",
            vec![web().syn(1).dropped_behind(CLIENT, CGROUP_EGRESS)],
            ["dropped by BPF_CGROUP_EGRESS", "dropped by BPF_CGROUP_EGRESS", "no-reply"],
        ),
        (
            "inside the destination: the destination's node alone can tell",
            [&through(web())[..], &[web().syn(1).dropped_behind(SERVER, LISTEN_OVERFLOW)]].concat(),
            [
                "dropped by TCP_LISTEN_OVERFLOW, reached, inside",
                "no-reply",
                "dropped by TCP_LISTEN_OVERFLOW, reached, inside",
            ],
        ),
        (
            "by a filter inside the destination",
            [&through(web())[..], &[web().syn(1).dropped_behind(SERVER, SOCKET_FILTER)]].concat(),
            [
                "dropped by SOCKET_FILTER, reached, inside",
                "no-reply",
                "dropped by SOCKET_FILTER, reached, inside",
            ],
        ),
        (
            "of an answer inside the destination's pod",
            [&through(web())[..], &[web().syn_ack().dropped_behind(SERVER, CGROUP_EGRESS)]].concat(),
            ["dropped by BPF_CGROUP_EGRESS, reached", "no-reply", "dropped by BPF_CGROUP_EGRESS, reached"],
        ),
        (
            "of a datagram for want of a socket",
            vec![
                dns().first().left(CLIENT),
                dns().first().reached(SERVER),
                dns().first().dropped_behind(SERVER, NO_SOCKET),
            ],
            ["refused, reached", "delivered", "refused, reached"],
        ),
        (
            "for a reason without a name",
            vec![web().syn(1).left(CLIENT), web().syn(1).dropped(999)],
            ["dropped by reason-999"; 3],
        ),
    ]);
}

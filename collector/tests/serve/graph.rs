//! What the graph says of flows that agents sent.

use crate::support::{
    Collector, DEADLINE,
    build::{FlowExt as _, admitted, denied, external, flow, pod, view},
};
use jiff::{SignedDuration, Timestamp};
use portolan_collector::Config;
use portolan_policy::{Evidence, Latency, Outcome, SideDecision, Verdict, Who};
use portolan_proto::{
    Observation, Witness,
    graph::{Covered, Edge, Party, PolicyHit},
    timestamp_to_proto,
    v1::{self, EdgeOrder, edges_response, graph_client::GraphClient, policy_hits_response},
};
use std::{sync::LazyLock, time::Duration};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming, transport::Channel};

/// So many milliseconds after a moment that is a minute ago: what is too old counts as of now.
fn at(millis: i64) -> Timestamp {
    static MOMENT: LazyLock<Timestamp> = LazyLock::new(|| {
        let second = Timestamp::now().as_second() - 60;
        Timestamp::from_second(second).unwrap()
    });
    *MOMENT + SignedDuration::from_millis(millis)
}

/// Seen by one agent at both ends, so that nobody waits for another view.
fn here(source: &str, destination: &str, port: u16, verdict: Verdict) -> Observation {
    let to = |name: &str, ip: &str| if name.contains('/') { pod(name, ip, "n1") } else { external(name) };
    let (outcome, ingress) = match verdict {
        Verdict::Denied => (Outcome::Dropped, denied(&["shop/db"])),
        Verdict::Unenforced => (Outcome::Established, denied(&["shop/db"])),
        _ => (Outcome::Established, admitted("shop/db")),
    };
    let ingress = match to(destination, "10.0.1.2").who() {
        Who::External { .. } => SideDecision::plain(portolan_policy::SideVerdict::NotApplicable),
        _ => ingress,
    };
    let flow = flow(to(source, "10.0.1.1"), to(destination, "10.0.1.2")).ended(outcome).ingress(ingress);
    let flow = flow.source_port(port).started(at(i64::from(port))).change(|flow| {
        flow.bytes = u64::from(port);
        flow.latency_us = (outcome == Outcome::Established).then(|| Latency::single(u64::from(port) * 10));
    });
    let witness = Witness {
        source_local: true,
        destination_local: true,
        reached_pod: outcome == Outcome::Established,
        ..Witness::default()
    };
    view(flow.judged(Evidence::default()), u32::from(port), witness)
}

async fn shop() -> Collector {
    let collector = Collector::start(Config::default()).await;
    let flows = vec![
        here("shop/web-1", "shop/db-0", 1, Verdict::Allowed),
        here("shop/web-2", "shop/db-0", 2, Verdict::Allowed),
        here("shop/job-1", "shop/db-0", 3, Verdict::Denied),
        here("shop/web-1", "shop/db-0", 4, Verdict::Unenforced),
        here("shop/web-1", "192.0.2.1", 5, Verdict::Allowed),
    ];
    collector.agent("n1").await.tell(flows).await;
    collector
}

/// An hour around the flows.
fn hour() -> v1::EdgesRequest {
    let hour = 3_600_000;
    v1::EdgesRequest {
        since: Some(timestamp_to_proto(at(-hour))),
        until: Some(timestamp_to_proto(at(hour))),
        ..v1::EdgesRequest::default()
    }
}

async fn edges(collector: &Collector, request: v1::EdgesRequest) -> Result<(Covered, Vec<Edge>), Status> {
    let mut client = GraphClient::new(collector.channel().await);
    let mut answer = client.edges(request).await?.into_inner();
    let (mut covered, mut edges) = (None, Vec::new());
    while let Some(message) = answer.message().await? {
        match message.item.unwrap() {
            edges_response::Item::Covered(wire) => covered = Some(wire.try_into().unwrap()),
            edges_response::Item::Edges(list) => {
                assert!(covered.is_some(), "what is covered comes first");
                edges.extend(list.edges.into_iter().map(|edge| Edge::try_from(edge).unwrap()));
            }
        }
    }
    Ok((covered.unwrap(), edges))
}

/// `web → db` of the workloads, or the address.
fn name(edge: &Edge) -> String {
    let party = |party: &Party| match party {
        Party::Workload { namespace, workload } => format!("{namespace}/{}", workload.name),
        Party::External { ip } => ip.to_string(),
        other => panic!("{other:?}"),
    };
    format!("{} → {}", party(&edge.source), party(&edge.destination))
}

#[tokio::test]
async fn flows_add_up_to_edges() {
    let collector = shop().await;
    let (covered, told) = edges(&collector, hour()).await.unwrap();
    assert_eq!((covered.matching, covered.told, covered.attempts, covered.damaged), (3, 3, 5, 0));
    assert!(covered.from <= at(0) && covered.to > at(5), "{covered:?}");
    let names: Vec<_> = told.iter().map(name).collect();
    assert_eq!(names, ["shop/job → shop/db", "shop/web → shop/db", "shop/web → 192.0.2.1"]);
    let web = &told[1];
    assert_eq!(web.verdicts, [(Verdict::Allowed, 2), (Verdict::Unenforced, 1)]);
    assert_eq!((web.attempts, web.bytes, web.port), (3, 7, Some(5432)));
    assert_eq!((web.first, web.last), (at(1), at(104)));
    let latency = web.latency_us.as_ref().unwrap();
    assert_eq!((latency.count, latency.min, latency.max), (3, 10, 40));
    let decided: u64 = web.decisions.iter().map(|decided| decided.attempts).sum();
    assert_eq!(decided, 6, "three on each side");
    collector.stop().await;
}

#[tokio::test]
async fn edges_are_filtered_ordered_and_counted_before_they_are_cut() {
    let collector = shop().await;
    let filter = |filter: v1::Filter| v1::EdgesRequest { include: vec![filter], ..hour() };
    let verdicts = vec![v1::Verdict::Denied.into(), v1::Verdict::Unenforced.into()];
    let (covered, told) =
        edges(&collector, filter(v1::Filter { verdicts, ..v1::Filter::default() })).await.unwrap();
    assert_eq!((covered.matching, covered.attempts), (2, 4));
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), ["shop/job → shop/db", "shop/web → shop/db"]);
    let request = v1::EdgesRequest { order: EdgeOrder::Bytes.into(), limit: Some(1), ..hour() };
    let (covered, told) = edges(&collector, request).await.unwrap();
    assert_eq!((covered.matching, covered.told, covered.attempts), (3, 1, 5));
    assert_eq!(told.iter().map(name).collect::<Vec<_>>(), ["shop/web → shop/db"]);
    let days = |days: i64| Some(timestamp_to_proto(at(days * 86_400_000)));
    let earlier = v1::EdgesRequest { since: days(-3), until: days(-2), ..hour() };
    assert_eq!(edges(&collector, earlier).await.unwrap().1, []);
    collector.stop().await;
}

#[tokio::test]
async fn hits_of_policies_are_told() {
    let collector = shop().await;
    let v1::EdgesRequest { since, until, .. } = hour();
    let request = v1::PolicyHitsRequest { since, until, include: Vec::new() };
    let mut client = GraphClient::new(collector.channel().await);
    let mut answer = client.policy_hits(request).await.unwrap().into_inner();
    let mut hits = Vec::new();
    while let Some(message) = answer.message().await.unwrap() {
        if let policy_hits_response::Item::Hits(list) = message.item.unwrap() {
            hits.extend(list.hits.into_iter().map(|hit| PolicyHit::try_from(hit).unwrap()));
        }
    }
    let told: Vec<_> =
        hits.iter().map(|hit| (hit.policy.rule, hit.admitted, hit.denied, hit.edges)).collect();
    assert_eq!(told, [(None, 0, 2, 2), (Some(0), 2, 0, 1)]);
    collector.stop().await;
}

#[tokio::test]
async fn a_question_that_is_none_is_refused_with_the_field_that_is_wrong() {
    let collector = shop().await;
    let either = v1::EndFilter { pods: vec!["shop/web-1".to_owned()], ..v1::EndFilter::default() };
    let pods = v1::Filter { either: Some(either), ..v1::Filter::default() };
    let cases = [
        (v1::EdgesRequest { include: vec![pods], ..hour() }, "field `pods`: `shop/web-1` is a pod"),
        (v1::EdgesRequest { order: 99, ..hour() }, "field `order`: 99"),
        (v1::EdgesRequest { limit: Some(0), ..hour() }, "field `limit`: 0 edges"),
        (v1::EdgesRequest { limit: Some(100_001), ..hour() }, "ask for 1 to 100000"),
        (v1::EdgesRequest { until: Some(timestamp_to_proto(at(-7_200_000))), ..hour() }, "before it begins"),
    ];
    for (request, named) in cases {
        let error = edges(&collector, request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{named}");
        assert!(error.message().contains(named), "{}", error.message());
    }
    collector.stop().await;
}

/// Asks on a connection that takes little ahead.
async fn ask(collector: &Collector) -> Result<Streaming<v1::EdgesResponse>, Status> {
    let channel = Channel::from_shared(collector.url()).unwrap();
    let channel = channel.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let mut client = GraphClient::new(channel.connect().await.unwrap());
    Ok(client.edges(hour()).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_does_not_read_makes_room_for_others() {
    let collector = Collector::start(Config { stall: Duration::from_millis(300), ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    for net in 0..40 {
        let to = |host: u16| here("shop/web-1", &format!("192.0.{net}.{host}"), host, Verdict::Allowed);
        agent.tell((1..=200).map(to).collect()).await;
    }
    let more_than_may_ask = async {
        let mut answers = Vec::new();
        while answers.len() < 12 {
            match ask(&collector).await {
                Ok(answer) => answers.push(answer),
                Err(refused) => assert_eq!(refused.code(), Code::ResourceExhausted),
            }
            sleep(Duration::from_millis(20)).await;
        }
        answers
    };
    let mut answers = timeout(DEADLINE, more_than_may_ask).await.expect("who does not read makes room");
    let told = loop {
        match answers[0].message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it did not stall"),
            Err(told) => break told,
        }
    };
    assert!(told.code() == Code::DeadlineExceeded && told.message().contains("ask again"), "{told}");
    collector.stop().await;
}

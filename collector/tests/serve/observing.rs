//! What subscribers get: the flows that they ask for, past and to come, and what they missed.

use crate::{
    last, outward,
    support::{
        Collector,
        build::{FlowExt as _, admitted, at, by_source, denied, external, flow, pod, view, web_to_db},
        ports,
    },
};
use portolan_collector::Config;
use portolan_policy::{Flow, Outcome, Protocol, Reporter, ServiceRef, Who};
use portolan_proto::{
    Observation, timestamp_to_proto,
    v1::{self, observe_response::Item},
};
use std::time::Duration;
use tonic::Code;

/// To the outside from this port, at this time.
fn outward_at(port: u16, millis: i64) -> Observation {
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    // Numbers that no compression makes small.
    let noise = (millis as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let flow = flow.source_port(port).started(at(millis)).change(|flow| flow.bytes = noise);
    let mut view = by_source(flow);
    view.connection.tcp_isn = millis as u32;
    view
}

/// Flows that differ in everything that a filter can ask for.
fn assorted() -> Vec<Observation> {
    let web = || pod("shop/web-1", "10.0.1.1", "n1");
    let service = ServiceRef {
        namespace: "shop".to_owned(),
        name: "dns".to_owned(),
        ip: "10.96.0.10".parse().unwrap(),
        port: 53,
    };
    let to_db = flow(web(), pod("shop/db-0", "10.0.1.2", "n1")).ingress(admitted("shop/db"));
    let to_dns = flow(web(), pod("kube-system/dns-1", "10.0.1.3", "n1")).over(Protocol::Udp);
    let to_dns = to_dns.destination_port(5353).change(|flow| flow.service = Some(service.into()));
    let outside = flow(pod("other/job-1", "10.0.3.1", "n3"), external("1.1.1.1")).destination_port(443);
    let denied = outside.clone().ended(Outcome::Dropped).egress(denied(&["other/default-deny"]));
    [to_db, to_dns, outside, denied]
        .into_iter()
        .zip(1..)
        .map(|(flow, port)| by_both(flow.source_port(port).started(at(i64::from(port)))))
        .collect()
}

fn by_both(flow: Flow) -> Observation {
    let destination_local = matches!(flow.destination.who(), Who::Pod(_));
    view(flow, 7, portolan_proto::Witness { source_local: true, destination_local, ..Default::default() })
}

#[tokio::test]
async fn every_filter_selects_over_the_wire() {
    let collector = Collector::start(Config::default()).await;
    collector.agent("n1").await.tell(assorted()).await;
    let texts = |text: &str| vec![text.to_owned()];
    let end = |change: fn(&mut v1::EndFilter, Vec<String>), text| {
        let mut end = v1::EndFilter::default();
        change(&mut end, texts(text));
        Some(end)
    };
    let filter = v1::Filter::default;
    let namespaces = |end: &mut v1::EndFilter, texts| end.namespaces = texts;
    let cases: [(&str, v1::Filter, &[u16]); 14] = [
        ("nothing", filter(), &[1, 2, 3, 4]),
        ("namespace", v1::Filter { either: end(namespaces, "shop"), ..filter() }, &[1, 2]),
        ("source namespace", v1::Filter { source: end(namespaces, "kube-system"), ..filter() }, &[]),
        (
            "destination namespace",
            v1::Filter { destination: end(namespaces, "kube-system"), ..filter() },
            &[2],
        ),
        (
            "pod",
            v1::Filter { either: end(|end, texts| end.pods = texts, "other/job-1"), ..filter() },
            &[3, 4],
        ),
        ("pod prefix", v1::Filter { either: end(|end, texts| end.pods = texts, "dn"), ..filter() }, &[2]),
        ("workload", v1::Filter { either: end(|end, texts| end.workloads = texts, "db"), ..filter() }, &[1]),
        ("label", v1::Filter { either: end(|end, texts| end.labels = texts, "app=dns"), ..filter() }, &[2]),
        ("port of the service", v1::Filter { ports: vec![53], ..filter() }, &[2]),
        ("protocol", v1::Filter { protocols: vec![v1::Protocol::Tcp.into()], ..filter() }, &[1, 3, 4]),
        ("verdict", v1::Filter { verdicts: vec![v1::Verdict::Denied.into()], ..filter() }, &[4]),
        ("outcome", v1::Filter { outcomes: vec![v1::Outcome::Dropped.into()], ..filter() }, &[4]),
        ("policy", v1::Filter { policies: texts("shop/db"), ..filter() }, &[1]),
        ("node", v1::Filter { nodes: texts("n3"), ..filter() }, &[3, 4]),
    ];
    for (name, filter, expected) in cases {
        let request = v1::ObserveRequest { include: vec![filter], ..v1::ObserveRequest::default() };
        let flows = collector.observe(request).await.unwrap().flows().await;
        assert_eq!(ports(&flows), expected, "{name}");
    }
    let alternatives = vec![
        v1::Filter { policies: texts("shop/db"), ..filter() },
        v1::Filter { verdicts: vec![v1::Verdict::Denied.into()], ..filter() },
    ];
    let request = v1::ObserveRequest { include: alternatives, ..v1::ObserveRequest::default() };
    assert_eq!(ports(&collector.observe(request).await.unwrap().flows().await), [1, 4], "filters are ORed");
    collector.stop().await;
}

#[tokio::test]
async fn times_and_counts_select_over_the_wire() {
    let collector = Collector::start(Config::default()).await;
    // Told out of order, printed in order.
    collector.agent("n1").await.tell(vec![outward(3), outward(1), outward(4), outward(2)]).await;
    let time = |millis| Some(timestamp_to_proto(at(millis)));
    let all = v1::ObserveRequest::default;
    let cases: [(&str, v1::ObserveRequest, &[u16]); 6] = [
        ("all", all(), &[1, 2, 3, 4]),
        ("since", v1::ObserveRequest { since: time(2), ..all() }, &[2, 3, 4]),
        ("until", v1::ObserveRequest { until: time(2), ..all() }, &[1]),
        ("both", v1::ObserveRequest { since: time(2), until: time(4), ..all() }, &[2, 3]),
        ("last", last(2), &[3, 4]),
        ("last of since", v1::ObserveRequest { since: time(3), ..last(1) }, &[4]),
    ];
    for (name, request, expected) in cases {
        let flows = collector.observe(request).await.unwrap().flows().await;
        assert_eq!(ports(&flows), expected, "{name}");
    }
    collector.stop().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_is_refused_by_name() {
    let collector = Collector::start(Config::default()).await;
    let labels = vec!["app in".to_owned()];
    let filter =
        v1::Filter { either: Some(v1::EndFilter { labels, ..Default::default() }), ..Default::default() };
    let wrong_filter = v1::ObserveRequest { include: vec![filter], ..Default::default() };
    let since = Some(prost_types::Timestamp { seconds: 0, nanos: -1 });
    let wrong_time = v1::ObserveRequest { since, ..Default::default() };
    for (request, named) in [(wrong_filter, "field `labels`: `app in`"), (wrong_time, "field `since`")] {
        let error = collector.observe(request).await.err().expect("it is refused");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(named), "{}", error.message());
    }
    collector.stop().await;
}

#[tokio::test]
async fn following_goes_on_after_the_last_without_a_gap_or_a_repeat() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell((1..=10).map(outward).collect()).await;
    let writer = tokio::spawn(async move {
        for port in 11..=500 {
            agent.tell(vec![outward(port)]).await;
        }
    });
    // Whoever comes in between sees an unbroken run, wherever it begins.
    collector.until(|status| status.flows_total > 50).await;
    let mut observer = collector.observe(v1::ObserveRequest { follow: true, ..last(5) }).await.unwrap();
    let first = observer.flow().await.source.port().unwrap();
    for port in first + 1..=500 {
        assert_eq!(observer.flow().await.source.port(), Some(port));
    }
    writer.await.unwrap();
    collector.stop().await;
}

#[tokio::test]
async fn following_alone_begins_now_and_takes_only_what_is_wanted() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell(vec![outward(1)]).await;
    let filter = v1::Filter { ports: vec![3], ..v1::Filter::default() };
    let request = v1::ObserveRequest { follow: true, include: vec![filter], ..Default::default() };
    let mut observer = collector.observe(request).await.unwrap();
    collector.until(|status| status.subscribers == 1).await;
    agent.tell(vec![outward(2), outward(3)]).await;
    assert_eq!(observer.flow().await.source.port(), Some(3));
    drop(observer);
    collector.until(|status| status.subscribers == 0).await;
    collector.stop().await;
}

#[tokio::test]
async fn following_ends_when_the_time_is_past() {
    let collector = Collector::start(Config::default()).await;
    let soon = jiff::Timestamp::now() + Duration::from_millis(200);
    let until = Some(timestamp_to_proto(soon));
    let request = v1::ObserveRequest { follow: true, until, ..Default::default() };
    assert_eq!(collector.observe(request).await.unwrap().flows().await, []);
    collector.stop().await;
}

#[tokio::test]
async fn a_slow_subscriber_slows_nobody_and_is_told_what_it_missed() {
    let collector = Collector::start(Config { subscriber_queue: 8, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let request = v1::ObserveRequest { follow: true, ..Default::default() };
    let mut slow = collector.observe(request).await.unwrap();
    collector.until(|status| status.subscribers == 1).await;
    // One batch is applied in one go, so nobody can read in between.
    let distinct = 1000;
    agent.tell((1..=distinct as u16).map(outward).collect()).await;
    let status = collector.status().await;
    assert!(status.subscribers_missed > 0, "the queue is short");
    let (mut flows, mut missed) = (0, 0);
    while flows + missed < distinct {
        match slow.item().await.unwrap().expect("the stream goes on") {
            Item::Flow(_) => flows += 1,
            Item::Missed(v1::Missed { count, gone: _ }) => missed += count,
        }
    }
    assert_eq!(flows + missed, distinct, "every flow is either seen or said to be missed");
    assert!(missed >= status.subscribers_missed && flows > 0, "{flows} seen, {missed} missed");
    collector.stop().await;
}

#[tokio::test]
async fn memory_is_bounded_and_what_was_given_up_is_counted() {
    let collector = Collector::start(Config { keep_bytes: 100_000, ..Config::default() }).await;
    let mut agent = collector.agent("n1").await;
    let total = 60_000;
    for batch in 0..60_i64 {
        let flow = |port| outward_at(port, batch * 1000 + i64::from(port));
        agent.tell((1..=1000).map(flow).collect()).await;
    }
    let fits = |status: &v1::GetStatusResponse| {
        status.ledger.is_some_and(|ledger| ledger.flow_bytes <= 100_000 && ledger.segments_dropped > 0)
    };
    let status = collector.until(fits).await;
    assert_eq!((status.flows_total, status.flows_kept + status.flows_evicted), (total, total));
    let flows = collector.observe(v1::ObserveRequest::default()).await.unwrap().flows().await;
    assert_eq!(flows.len() as u64, status.flows_kept);
    assert_eq!(flows.last().unwrap().time, at(60_000 - 1000 + 1000), "the oldest went first");
    assert!(flows.windows(2).all(|pair| pair[0].time <= pair[1].time));
    collector.stop().await;
}

#[tokio::test]
async fn the_end_keeps_nothing_back_and_says_so() {
    let collector = Collector::start(Config::default()).await;
    let (mut near, mut far) = (collector.agent("n1").await, collector.agent("n2").await);
    far.tell(Vec::new()).await;
    let request = v1::ObserveRequest { follow: true, ..Default::default() };
    let mut observer = collector.observe(request).await.unwrap();
    collector.until(|status| status.subscribers == 1).await;
    near.tell(vec![by_source(web_to_db())]).await;
    let reader = tokio::spawn(async move {
        let flow = observer.flow().await;
        (flow.reporter, observer.item().await.unwrap_err().code())
    });
    collector.stop().await;
    assert_eq!(reader.await.unwrap(), (Reporter::Source, Code::Unavailable));
}

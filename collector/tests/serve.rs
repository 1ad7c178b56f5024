//! The collector from outside: over real gRPC and HTTP, on free ports of this machine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod support;

use portolan_collector::Config;
use portolan_policy::{End, Flow, Loss, Outcome, Protocol, Reporter, ServiceRef, Verdict};
use portolan_proto::{
    Observation, timestamp_to_proto,
    v1::{self, observe_response::Item},
};
use std::time::Duration;
use support::{
    Collector, DEADLINE,
    build::{
        FlowExt as _, admitted, at, by_destination, by_source, denied, external, flow, pod, view, web_to_db,
    },
    ports,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

fn quick() -> Config {
    Config {
        join_window: Duration::from_millis(300),
        patience: Duration::from_millis(300),
        ..Config::default()
    }
}

/// To the outside from this port, so that nobody waits for another view.
fn outward(port: u16) -> Observation {
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    by_source(flow.source_port(port).started(at(i64::from(port))))
}

/// The same at another time.
fn outward_at(port: u16, millis: i64) -> Observation {
    let flow = flow(pod("shop/web-1", "10.0.1.1", "n1"), external("1.1.1.1"));
    // Numbers that no compression makes small.
    let noise = (millis as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let flow = flow.source_port(port).started(at(millis)).change(|flow| flow.bytes = noise);
    let mut view = by_source(flow);
    view.connection.tcp_isn = millis as u32;
    view
}

fn last(count: u64) -> v1::ObserveRequest {
    v1::ObserveRequest { last: Some(count), ..v1::ObserveRequest::default() }
}

#[tokio::test]
async fn two_views_over_the_wire_are_one_flow() {
    let collector = Collector::start(Config::default()).await;
    let (mut near, mut far) = (collector.agent("n1").await, collector.agent("n2").await);
    let (told, seen) = (web_to_db().ended(Outcome::NoReply), web_to_db().ended(Outcome::Dropped));
    near.tell(vec![by_source(told.ingress(denied(&["shop/db"])))]).await;
    let status = collector.status().await;
    assert_eq!((status.pending_joins, status.flows_total), (1, 0), "it waits for the other view");
    far.tell(vec![by_destination(seen.because("NETFILTER_DROP").ingress(denied(&["shop/db"])))]).await;
    let flows = collector.observe(v1::ObserveRequest::default()).await.unwrap().flows().await;
    let [flow] = flows.as_slice() else { panic!("one flow, not {flows:#?}") };
    assert_eq!((flow.outcome, flow.verdict), (Outcome::Dropped, Verdict::Denied));
    assert_eq!((flow.reporter, flow.inferred), (Reporter::Both, false));
    collector.stop().await;
}

#[tokio::test]
async fn a_view_whose_other_half_never_comes_goes_alone_after_the_window() {
    let collector = Collector::start(quick()).await;
    let (mut near, mut far) = (collector.agent("n1").await, collector.agent("n2").await);
    far.tell(Vec::new()).await;
    near.tell(vec![by_source(web_to_db())]).await;
    collector.until(|status| status.flows_total == 1 && status.pending_joins == 0).await;
    far.tell(vec![by_destination(web_to_db())]).await;
    let status = collector.until(|status| status.late_joins == 1).await;
    assert_eq!(status.flows_total, 1);
    collector.stop().await;
}

#[tokio::test]
async fn a_batch_counts_once_however_often_and_in_whatever_order_it_comes() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let batches: Vec<_> = (1..=4).map(|port| agent.batch(vec![outward(port)])).collect();
    for index in [1, 0, 1, 3, 2, 0, 3] {
        let batch = batches[index].clone();
        let wanted = v1::Ack { boot: batch.boot.clone(), sequence: batch.sequence };
        assert_eq!(agent.send(batch).await.unwrap(), wanted, "a batch that is known is acked again");
    }
    // The same after the stream was lost.
    let mut again = collector.agent("n1").await;
    again.send(batches[2].clone()).await.unwrap();
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    assert_eq!(ports(&flows), [1, 2, 3, 4], "in the order they began");
    let status = collector.status().await;
    assert_eq!((status.nodes[0].duplicates, status.nodes[0].observations), (4, 4));
    // Another run of the agent counts anew.
    again.boot = "another".to_owned();
    let other_run = again.batch(vec![outward(9)]);
    again.send(other_run).await.unwrap();
    assert_eq!(collector.status().await.flows_total, 5);
    collector.stop().await;
}

#[tokio::test]
async fn a_malformed_observation_costs_only_itself() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1), outward(2), outward(3)]);
    batch.observations[1].flow.as_mut().unwrap().verdict = 99;
    batch.observations.push(v1::Observation::default());
    batch.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    let ack = agent.send(batch).await.unwrap();
    assert_eq!(ack.sequence, 1);
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    assert_eq!(ports(&flows), [1, 3]);
    let status = collector.status().await;
    let [node] = status.nodes.as_slice() else { panic!("{status:#?}") };
    assert_eq!((node.malformed, node.observations), (2, 2));
    assert_eq!(node.losses, [v1::LossCount { cause: "ring-full".to_owned(), count: 7 }]);
    collector.stop().await;
}

#[tokio::test]
async fn losses_stand_on_the_next_flow_of_the_node_that_lost() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let lost = |count, from, to| Loss { cause: "ring-full".to_owned(), count, from: at(from), to: at(to) };
    for loss in [lost(7, 10, 20), lost(2, 20, 30)] {
        let mut batch = agent.batch(Vec::new());
        batch.losses.push(loss.into());
        agent.send(batch).await.unwrap();
    }
    collector.agent("n2").await.tell(vec![outward(1)]).await;
    agent.tell(vec![outward(2), outward(3)]).await;
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    let told: Vec<_> = flows.iter().map(|flow| (flow.lost, flow.losses.clone())).collect();
    assert_eq!(told, [(0, vec![]), (9, vec![lost(9, 10, 30)]), (0, vec![])]);
    collector.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_with_the_field_that_is_wrong() {
    type Spoil = fn(&mut v1::Batch);
    let collector = Collector::start(Config::default()).await;
    let cases: [(&str, Spoil); 4] = [
        ("`node`", |batch| batch.node.clear()),
        ("`node`", |batch| batch.node = "n".repeat(300)),
        ("`boot`", |batch| batch.boot.clear()),
        ("`sequence`", |batch| batch.sequence = 0),
    ];
    for (field, spoil) in cases {
        let mut agent = collector.agent("n1").await;
        let mut batch = agent.batch(vec![outward(1)]);
        spoil(&mut batch);
        let error = agent.send(batch).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(field), "{}", error.message());
    }
    assert_eq!(collector.status().await.flows_total, 0);
    collector.stop().await;
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
    let to_dns = to_dns.destination_port(5353).change(|flow| flow.service = Some(service));
    let outside = flow(pod("other/job-1", "10.0.3.1", "n3"), external("1.1.1.1")).destination_port(443);
    let denied = outside.clone().ended(Outcome::Dropped).egress(denied(&["other/default-deny"]));
    [to_db, to_dns, outside, denied]
        .into_iter()
        .zip(1..)
        .map(|(flow, port)| by_both(flow.source_port(port).started(at(i64::from(port)))))
        .collect()
}

fn by_both(flow: Flow) -> Observation {
    let destination_local = matches!(flow.destination, End::Pod(_));
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
            Item::Missed(v1::Missed { count }) => missed += count,
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

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: collector\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn metrics_and_health_are_there() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1)]);
    batch.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    agent.send(batch).await.unwrap();
    let metrics = get(collector.http, "/metrics").await;
    assert!(metrics.contains("content-type: application/openmetrics-text"), "{metrics}");
    for line in [
        "portolan_collector_batches_total 1",
        "portolan_collector_flows_total{verdict=\"allowed\"} 1",
        "portolan_collector_flows_kept 1",
        "portolan_collector_agent_records_lost_total{node=\"n1\",cause=\"ring-full\"} 7",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    assert!(get(collector.http, "/healthz").await.starts_with("HTTP/1.1 200"));
    let mut health = tonic_health::pb::health_client::HealthClient::new(collector.channel().await);
    for service in ["", "portolan.v1.Ingest", "portolan.v1.Flows", "portolan.v1.Status"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(
            answer.status(),
            tonic_health::pb::health_check_response::ServingStatus::Serving,
            "{service}"
        );
    }
    collector.stop().await;
}

#[tokio::test]
async fn reflection_lists_every_service() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let collector = Collector::start(Config::default()).await;
    let mut client = ServerReflectionClient::new(collector.channel().await);
    let ask = MessageRequest::ListServices(String::new());
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("a list, not {answer:?}") };
    let services: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in ["portolan.v1.Ingest", "portolan.v1.Flows", "portolan.v1.Status", "grpc.health.v1.Health"]
    {
        assert!(services.contains(&service.to_owned()), "{service} in {services:?}");
    }
    collector.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let collector = Collector::start(Config::default()).await;
    let any = "127.0.0.1:0".parse().unwrap();
    let error = portolan_collector::Listeners::bind(collector.grpc, any).await.unwrap_err().to_string();
    assert!(error.contains(&collector.grpc.to_string()) && error.contains("gRPC"), "{error}");
    collector.stop().await;
}

//! What agents send: joined, counted once, and refused where it is wrong.

use crate::{
    last, outward,
    support::{
        Collector,
        build::{FlowExt as _, at, by_destination, by_source, denied, web_to_db},
        ports,
    },
};
use portolan_collector::Config;
use portolan_policy::{Loss, Outcome, Reporter, Verdict};
use portolan_proto::{MAX_GIVEN_UP, v1};
use prost::Message as _;
use std::time::Duration;
use tonic::Code;

fn quick() -> Config {
    Config {
        join_window: Duration::from_millis(300),
        patience: Duration::from_millis(300),
        ..Config::default()
    }
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
    let refused = by_source(outward(2).flow.ended(Outcome::Refused));
    let mut batch = agent.batch(vec![outward(1), refused, outward(3)]);
    spoil(&mut batch, |content| content.kinds.as_mut().unwrap().outcomes[1] = 99);
    batch.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    let ack = agent.send(batch).await.unwrap();
    assert_eq!(ack.sequence, 1);
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    assert_eq!(ports(&flows), [1, 3]);
    let status = collector.status().await;
    let [node] = status.nodes.as_slice() else { panic!("{status:#?}") };
    assert_eq!((node.malformed, node.observations), (1, 2));
    assert_eq!(node.losses, [v1::LossCount { cause: "ring-full".to_owned(), count: 7 }]);
    collector.stop().await;
}

#[tokio::test]
async fn a_batch_whose_records_are_broken_is_counted_and_done_with() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1), outward(2)]);
    batch.content.truncate(batch.content.len() / 2);
    batch.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    assert_eq!(agent.send(batch).await.unwrap().sequence, 1);
    agent.tell(vec![outward(3)]).await;
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    assert_eq!(ports(&flows), [3]);
    assert_eq!(flows[0].lost, 7, "what the batch says beside its records is read");
    let status = collector.status().await;
    assert_eq!((status.nodes[0].malformed, status.nodes[0].sequence), (2, 2));
    collector.stop().await;
}

#[tokio::test]
async fn a_broken_batch_counts_for_no_more_records_than_it_has_room_for() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let sound = agent.batch(vec![outward(1)]);
    let broken = v1::Batch { records: u32::MAX, attempts: u64::MAX, ..sound };
    let room = u64::from(broken.content_length);
    agent.send(broken).await.unwrap();
    let malformed = collector.status().await.nodes[0].malformed;
    assert!((1..=room).contains(&malformed), "{malformed} of at most {room}");
    let empty = v1::Batch { records: u32::MAX, content: Vec::new(), ..agent.batch(Vec::new()) };
    agent.send(empty).await.unwrap();
    assert_eq!(collector.status().await.nodes[0].malformed, malformed + 1);
    collector.stop().await;
}

#[tokio::test]
async fn a_batch_whose_figures_are_of_rows_that_it_lacks_is_counted() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1), outward(2)]);
    spoil(&mut batch, |content| {
        let rows = content.rows.as_mut().unwrap();
        (rows.numbered, rows.tcp_isns) = (vec![u32::MAX], vec![7]);
    });
    agent.send(batch).await.unwrap();
    let status = collector.status().await;
    assert_eq!((status.nodes[0].malformed, status.nodes[0].observations), (2, 0));
    collector.stop().await;
}

/// Changes what a batch holds.
fn spoil(batch: &mut v1::Batch, change: impl FnOnce(&mut v1::BatchContent)) {
    let bytes = zstd::bulk::decompress(&batch.content, batch.content_length as usize).unwrap();
    let mut content = v1::BatchContent::decode(bytes.as_slice()).unwrap();
    change(&mut content);
    let bytes = content.encode_to_vec();
    batch.content_length = bytes.len() as u32;
    batch.content = zstd::bulk::compress(&bytes, 1).unwrap();
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
async fn a_batch_that_was_given_up_is_applied_or_lost_and_never_both() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let batches: Vec<_> = (1..=2).map(|port| agent.batch(vec![outward(port)])).collect();
    let given_up = |batch: &v1::Batch| v1::GivenUp {
        boot: batch.boot.clone(),
        sequence: batch.sequence,
        losses: vec![v1::Loss { cause: "spool-full".to_owned(), count: 1, from: None, to: None }],
    };
    agent.send(batches[0].clone()).await.unwrap();
    let mut after = agent.batch(vec![outward(3)]);
    after.given_up = batches.iter().chain(&batches).map(given_up).collect();
    agent.send(after).await.unwrap();
    // It was on its way all the while.
    agent.send(batches[1].clone()).await.unwrap();
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    let told: Vec<_> = flows.iter().map(|flow| flow.lost).collect();
    assert_eq!((ports(&flows), told), (vec![1, 3], vec![0, 1]));
    let status = collector.status().await;
    assert_eq!((status.nodes[0].duplicates, status.nodes[0].sequence), (1, 3));
    collector.stop().await;
}

#[tokio::test]
async fn a_loss_whose_cause_is_no_name_counts_all_the_same() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    for (port, cause) in [(1, String::new()), (2, "long".repeat(100))] {
        let mut batch = agent.batch(vec![outward(port)]);
        batch.losses.push(v1::Loss { cause, count: 7, from: None, to: None });
        agent.send(batch).await.unwrap();
    }
    // A flow that cannot be understood would end this.
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    let told: Vec<_> = flows.iter().map(|flow| (flow.lost, flow.losses[0].cause.as_str())).collect();
    assert_eq!(told, [(7, "unnamed"), (7, "unnamed")]);
    collector.stop().await;
}

#[tokio::test]
async fn a_loss_that_ends_before_it_begins_is_turned_around() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    let mut batch = agent.batch(vec![outward(1)]);
    let lost = |from, to| Loss { cause: "ring-full".to_owned(), count: 7, from: at(from), to: at(to) };
    batch.losses.push(lost(20, 10).into());
    agent.send(batch).await.unwrap();
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    assert_eq!(flows[0].losses, [lost(10, 20)]);
    collector.stop().await;
}

#[tokio::test]
async fn a_loss_beside_a_view_that_was_told_before_waits_for_the_next_flow() {
    let collector = Collector::start(Config::default()).await;
    let mut agent = collector.agent("n1").await;
    agent.tell(vec![outward(1)]).await;
    let mut again = agent.batch(vec![outward(1)]);
    again.losses.push(v1::Loss { cause: "ring-full".to_owned(), count: 7, from: None, to: None });
    agent.send(again).await.unwrap();
    agent.tell(vec![outward(2)]).await;
    let flows = collector.observe(last(100)).await.unwrap().flows().await;
    let told: Vec<_> = flows.iter().map(|flow| flow.lost).collect();
    assert_eq!(told, [0, 7]);
    collector.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_with_the_field_that_is_wrong() {
    type Spoil = fn(&mut v1::Batch);
    let collector = Collector::start(Config::default()).await;
    let cases: [(&str, Spoil); 6] = [
        ("`cluster`", |batch| batch.cluster = "c".repeat(70_000)),
        ("`node`", |batch| batch.node.clear()),
        ("`node`", |batch| batch.node = "n".repeat(300)),
        ("`boot`", |batch| batch.boot.clear()),
        ("`sequence`", |batch| batch.sequence = 0),
        ("`given_up`", |batch| batch.given_up = vec![v1::GivenUp::default(); MAX_GIVEN_UP + 1]),
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

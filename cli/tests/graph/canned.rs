//! A server of `portolan.v1.Graph` whose answers are made by hand.

use futures::{StreamExt as _, stream::BoxStream};
use portolan_proto::v1::{self, edges_response, graph_server, policy_hits_response};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// The server, for as long as the test's runtime lives.
#[derive(Clone)]
pub(crate) struct Canned {
    address: SocketAddr,
    covered: Arc<Mutex<v1::Covered>>,
    edges: Vec<v1::Edge>,
    hits: Vec<v1::PolicyHit>,
    asked: Arc<Mutex<Vec<v1::EdgesRequest>>>,
}

impl Canned {
    pub(crate) async fn start(edges: Vec<v1::Edge>, hits: Vec<v1::PolicyHit>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let attempts = edges.iter().map(|edge| edge.attempts).sum();
        let canned = Self {
            address: listener.local_addr().unwrap(),
            covered: Arc::new(Mutex::new(covered(edges.len().max(hits.len()) as u64, attempts))),
            edges,
            hits,
            asked: Arc::default(),
        };
        let server = graph_server::GraphServer::new(canned.clone());
        tokio::spawn(Server::builder().add_service(server).serve_with_incoming(TcpIncoming::from(listener)));
        canned
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the next answers are said to be about.
    pub(crate) fn cover(&self, covered: v1::Covered) {
        *self.covered.lock().unwrap() = covered;
    }

    /// The questions about edges so far.
    pub(crate) fn asked(&self) -> Vec<v1::EdgesRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl graph_server::Graph for Canned {
    type EdgesStream = BoxStream<'static, Result<v1::EdgesResponse, Status>>;
    type PolicyHitsStream = BoxStream<'static, Result<v1::PolicyHitsResponse, Status>>;

    async fn edges(&self, request: Request<v1::EdgesRequest>) -> Result<Response<Self::EdgesStream>, Status> {
        use edges_response::Item;
        self.asked.lock().unwrap().push(request.into_inner());
        let covered = Item::Covered(*self.covered.lock().unwrap());
        let list = Item::Edges(v1::EdgeList { edges: self.edges.clone() });
        let items = [covered, list].map(|item| Ok(v1::EdgesResponse { item: Some(item) }));
        Ok(Response::new(futures::stream::iter(items).boxed()))
    }

    async fn policy_hits(
        &self,
        _: Request<v1::PolicyHitsRequest>,
    ) -> Result<Response<Self::PolicyHitsStream>, Status> {
        use policy_hits_response::Item;
        let covered = Item::Covered(*self.covered.lock().unwrap());
        let list = Item::Hits(v1::PolicyHitList { hits: self.hits.clone() });
        let items = [covered, list].map(|item| Ok(v1::PolicyHitsResponse { item: Some(item) }));
        Ok(Response::new(futures::stream::iter(items).boxed()))
    }
}

fn time(text: &str) -> prost_types::Timestamp {
    portolan_proto::timestamp_to_proto(text.parse().unwrap())
}

/// An hour with so many edges or hits.
pub(crate) fn covered(matching: u64, attempts: u64) -> v1::Covered {
    let (from, to) = (Some(time("2026-01-02T11:00:00Z")), Some(time("2026-01-02T12:00:00Z")));
    v1::Covered { from, to, matching, told: matching, attempts, ..v1::Covered::default() }
}

fn workload(kind: &str, name: &str) -> v1::Party {
    let workload = Some(v1::Workload { kind: kind.to_owned(), name: name.to_owned() });
    let party = v1::WorkloadParty { namespace: "shop".to_owned(), workload };
    v1::Party { party: Some(v1::party::Party::Workload(party)) }
}

fn policy(rule: Option<u32>) -> v1::PolicyRef {
    let kind = v1::PolicyKind::NetworkPolicy.into();
    v1::PolicyRef { kind, namespace: Some("shop".to_owned()), name: "db".to_owned(), rule }
}

/// From the named workload to shop/db: all denied.
pub(crate) fn edge(source: &str, attempts: u64) -> v1::Edge {
    let (first, last) = (Some(time("2026-01-02T11:00:01Z")), Some(time("2026-01-02T11:59:59Z")));
    let side = v1::SideDecision {
        verdict: v1::SideVerdict::Denied.into(),
        policies: vec![policy(None)],
        reason: None,
    };
    v1::Edge {
        source: Some(workload("Deployment", source)),
        destination: Some(workload("StatefulSet", "db")),
        service: None,
        port: Some(5432),
        protocol: v1::Protocol::Tcp.into(),
        attempts,
        outcomes: vec![v1::OutcomeCount {
            outcome: v1::Outcome::Dropped.into(),
            verdict: v1::Verdict::Denied.into(),
            drop_reason: Some("NETFILTER_DROP".to_owned()),
            attempts,
        }],
        packets: 40,
        bytes: 9000,
        retransmits: 2,
        revised: 0,
        first,
        last,
        latency_us: Some(v1::LatencySummary {
            count: 3,
            min: 80,
            p50: 95,
            p90: 150,
            p99: 2100,
            max: 9000,
            values: Vec::new(),
            counts: Vec::new(),
        }),
        decisions: vec![v1::DecisionCount {
            direction: v1::Direction::Ingress.into(),
            decision: Some(side),
            attempts,
            first,
            last,
        }],
    }
}

/// The first rule of shop/db admitted five.
pub(crate) fn hit() -> v1::PolicyHit {
    v1::PolicyHit {
        direction: v1::Direction::Ingress.into(),
        policy: Some(policy(Some(0))),
        admitted: 5,
        denied: 0,
        edges: 2,
        first: Some(time("2026-01-02T11:00:01Z")),
        last: Some(time("2026-01-02T11:59:59Z")),
    }
}

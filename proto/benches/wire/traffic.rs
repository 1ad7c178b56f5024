//! Records as the agent of one node makes them in a busy cluster, by chance but the same in every run.

use jiff::Timestamp;
use portolan_policy::{
    End, Flow, Latency, Outcome, PodEnd, PolicyKind, PolicyRef, Protocol, Reporter, ServiceRef, SideDecision,
    SideVerdict, Verdict, Who, Workload,
};
use portolan_proto::{Connection, Observation, View, Witness};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// Workloads of the cluster.
pub(crate) const WORKLOADS: u64 = 200;
/// Pods of each, every one on another node.
const REPLICAS: u64 = 4;
/// Nodes; ours is number 0.
pub(crate) const NODES: u64 = 20;
/// Whom each workload calls.
const PEERS: u64 = 5;
/// Attempts in a second.
const RATE: f64 = 2000.0;

/// A stream of numbers that look like chance (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether one case of a hundred with so many of this kind is.
    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }

    /// Around a median, with a long tail.
    fn about(&mut self, median: f64, spread: f64) -> u64 {
        let normal = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        (median * (normal * spread).exp()) as u64
    }

    /// Few are frequent.
    fn skewed(&mut self, bound: u64) -> u64 {
        (self.unit().powi(3) * bound as f64) as u64
    }
}

/// What records share: the ends and what the policies say of them.
pub(crate) struct Relation {
    source: End,
    destination: End,
    service: Option<Arc<ServiceRef>>,
    protocol: Protocol,
    egress: Arc<SideDecision>,
    ingress: Arc<SideDecision>,
    /// Which of the ends are on our node.
    local: [bool; 2],
    denied: bool,
}

/// A record, and which relation it has.
pub(crate) struct Record {
    relation: usize,
    pub(crate) observation: Observation,
}

/// All records, and what they share.
pub(crate) struct Traffic {
    relations: Vec<Relation>,
    pub(crate) records: Vec<Record>,
}

impl Traffic {
    /// So many records.
    pub(crate) fn new(count: usize) -> Self {
        let mut chance = Chance::new(42);
        let relations = relations(&mut chance);
        let mut clock = 1_795_000_000_000_000.0;
        let records = (0..count).map(|_| {
            clock -= chance.unit().ln() * 1e6 / RATE;
            record(&mut chance, &relations, clock as i64)
        });
        Self { records: records.collect(), relations }
    }

    /// The record as an agent shows it, which keeps what is shared once.
    pub(crate) fn view<'a>(&'a self, record: &'a Record) -> View<'a> {
        let shared = &self.relations[record.relation];
        View {
            source: &shared.source,
            destination: &shared.destination,
            service: shared.service.as_deref(),
            egress: &shared.egress,
            ingress: &shared.ingress,
            ..View::from(&record.observation)
        }
    }
}

fn word(chance: &mut Chance, letters: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..letters).map(|_| char::from(ALPHABET[chance.below(27) as usize])).collect()
}

/// The pods of every workload, the first on the node of the workload's number, the rest on those after it.
fn pods(chance: &mut Chance) -> Vec<Vec<PodEnd>> {
    (0..WORKLOADS)
        .map(|workload| {
            let (name, hash) = (format!("service-{}", word(chance, 6)), word(chance, 10));
            (0..REPLICAS).map(|replica| pod(chance, workload, replica, &name, &hash)).collect()
        })
        .collect()
}

fn pod(chance: &mut Chance, workload: u64, replica: u64, name: &str, hash: &str) -> PodEnd {
    let node = (workload + replica) % NODES;
    let labels = [
        ("app.kubernetes.io/name", name.to_owned()),
        ("app.kubernetes.io/part-of", format!("team-{}", workload % 25)),
        ("pod-template-hash", hash.to_owned()),
        ("tier", ["front", "middle", "back"][(workload % 3) as usize].to_owned()),
    ];
    PodEnd {
        namespace: format!("team-{}", workload % 25),
        pod: format!("{name}-{hash}-{}", word(chance, 5)),
        workload: Workload { kind: "Deployment".to_owned(), name: name.to_owned() },
        ip: Ipv4Addr::new(10, 200, node as u8, 2 + (workload * REPLICAS + replica) as u8 / 4).into(),
        node: format!("ip-10-0-{node}-17.eu-central-1.compute.internal"),
        labels: Arc::new(labels.map(|(key, value)| (key.to_owned(), value)).into()),
    }
}

fn relations(chance: &mut Chance) -> Vec<Relation> {
    let pods = pods(chance);
    let local = |node: u64| {
        (0..WORKLOADS).filter(move |workload| (node + NODES - workload % NODES) % NODES < REPLICAS)
    };
    let mut relations = Vec::new();
    for workload in local(0) {
        let source = here(&pods, workload);
        for _ in 0..PEERS {
            // Most calls stay on the node, as a service with its traffic kept close does.
            let near = chance.percent(65);
            let other =
                if near { pick(chance, &local(0).collect::<Vec<_>>()) } else { chance.below(WORKLOADS) };
            let replicas = &pods[other as usize];
            let target =
                if near { here(&pods, other) } else { replicas[chance.below(REPLICAS) as usize].clone() };
            let inward = !near && chance.percent(50);
            let ends = if inward { [target, source.clone()] } else { [source.clone(), target] };
            relations.push(call(chance, ends));
        }
        if chance.percent(60) {
            relations.push(outward(chance, source.clone()));
        }
        relations.push(question(source, here(&pods, 0)));
    }
    relations
}

fn pick(chance: &mut Chance, of: &[u64]) -> u64 {
    of[chance.below(of.len() as u64) as usize]
}

/// The pod of a workload on our node.
fn here(pods: &[Vec<PodEnd>], workload: u64) -> PodEnd {
    let replica = (NODES - workload % NODES) % NODES;
    pods[workload as usize][replica as usize].clone()
}

fn call(chance: &mut Chance, [source, destination]: [PodEnd; 2]) -> Relation {
    let is_here = |pod: &PodEnd| pod.node.starts_with("ip-10-0-0-");
    let local = [is_here(&source), is_here(&destination)];
    let denied = chance.percent(6);
    let service = chance.percent(70).then(|| ServiceRef {
        namespace: destination.namespace.clone(),
        name: destination.workload.name.clone(),
        ip: Ipv4Addr::new(10, 96, chance.below(250) as u8, chance.below(250) as u8).into(),
        port: 80,
    });
    let policy = |namespace: &str, name: &str, rule| PolicyRef {
        kind: PolicyKind::NetworkPolicy,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        rule,
    };
    let ingress = SideDecision {
        verdict: if denied { SideVerdict::Denied } else { SideVerdict::Admitted },
        policies: vec![if denied {
            policy(&destination.namespace, "default-deny", None)
        } else {
            policy(&destination.namespace, &destination.workload.name, Some(0))
        }],
        reason: None,
    };
    Relation {
        source: Who::Pod(source).at(None),
        destination: Who::Pod(destination).at(Some(8080)),
        service: service.map(Arc::new),
        protocol: Protocol::Tcp,
        egress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        ingress: ingress.into(),
        local,
        denied,
    }
}

fn outward(chance: &mut Chance, source: PodEnd) -> Relation {
    let ip = IpAddr::V4((chance.next() as u32).into());
    Relation {
        source: Who::Pod(source).at(None),
        destination: Who::External { ip }.at(Some(443)),
        service: None,
        protocol: Protocol::Tcp,
        egress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        ingress: SideDecision::plain(SideVerdict::NotApplicable).into(),
        local: [true, false],
        denied: false,
    }
}

/// To the name server on the same node.
fn question(source: PodEnd, server: PodEnd) -> Relation {
    Relation {
        source: Who::Pod(source).at(None),
        destination: Who::Pod(server).at(Some(53)),
        service: Some(Arc::new(ServiceRef {
            namespace: "kube-system".to_owned(),
            name: "kube-dns".to_owned(),
            ip: Ipv4Addr::new(10, 96, 0, 10).into(),
            port: 53,
        })),
        protocol: Protocol::Udp,
        egress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        ingress: SideDecision::plain(SideVerdict::NotIsolated).into(),
        local: [true, true],
        denied: false,
    }
}

fn outcome(chance: &mut Chance, relation: &Relation) -> (Outcome, Verdict) {
    match chance.below(100) {
        _ if relation.denied => (Outcome::Dropped, Verdict::Denied),
        0..2 => (Outcome::Refused, Verdict::Failed),
        2 => (Outcome::NoReply, Verdict::Failed),
        _ => (Outcome::Established, Verdict::Allowed),
    }
}

fn record(chance: &mut Chance, relations: &[Relation], end: i64) -> Record {
    let index = chance.skewed(relations.len() as u64) as usize;
    let relation = &relations[index];
    let (outcome, verdict) = outcome(chance, relation);
    let established = outcome == Outcome::Established;
    let tcp = relation.protocol == Protocol::Tcp;
    let exchanged = if established { 1 + chance.about(3.0, 0.8) } else { 0 };
    let latency = chance.about(180.0, 0.7);
    let duration = if established { chance.about(25_000.0, 1.5) } else { 3_000_000 + chance.below(50_000) };
    let time = at(end - duration as i64);
    let source_port = 32_768 + chance.below(28_232) as u16;
    let flow = Flow {
        time,
        end_time: at(end),
        source: relation.source.clone().with_port(Some(source_port)),
        destination: relation.destination.clone(),
        service: relation.service.clone(),
        protocol: relation.protocol,
        outcome,
        drop_reason: (outcome == Outcome::Dropped).then(|| "NETFILTER_DROP".into()),
        drop_location: (outcome == Outcome::Dropped).then(|| "netfilter".into()),
        enforced_by: None,
        revises: None,
        passed_netfilter: None,
        verdict,
        inferred: outcome == Outcome::NoReply,
        egress: relation.egress.clone(),
        ingress: relation.ingress.clone(),
        reporter: match relation.local {
            [true, true] => Reporter::Both,
            [true, false] => Reporter::Source,
            _ => Reporter::Destination,
        },
        attempts: 1,
        tries: if established { 1 } else { 2 },
        packets: 2 + 4 * exchanged,
        bytes: if established { chance.about(1500.0, 1.3) } else { 0 },
        latency_us: established.then(|| Latency::single(latency)),
        retransmits: (tcp && established).then(|| u64::from(chance.percent(2))),
        srtt_us: (tcp && established).then(|| latency + chance.below(latency / 2 + 1)),
        lost: 0,
        losses: Vec::new(),
    };
    let isn = if tcp { chance.next() as u32 } else { 0 };
    Record { relation: index, observation: observation(flow, relation.local, isn, established) }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).expect("a time of this century")
}

fn observation(
    flow: Flow,
    [source_local, destination_local]: [bool; 2],
    isn: u32,
    reached: bool,
) -> Observation {
    let socket = |end: &End| SocketAddr::new(end.ip(), end.port().unwrap_or(0));
    let connection = Connection {
        protocol: flow.protocol,
        source: socket(&flow.source),
        destination: socket(&flow.destination),
        tcp_isn: isn,
        start: flow.time,
    };
    let witness = Witness { source_local, destination_local, reached_pod: reached, ..Witness::default() };
    Observation { flow, latencies: None, connection, witness }
}

/// How many of the records another node tells of too, and how many are denied, in percent.
pub(crate) fn shares(records: &[Record]) -> [f64; 2] {
    let share = |is: fn(&Observation) -> bool| {
        let count = records.iter().filter(|record| is(&record.observation)).count();
        100.0 * count as f64 / records.len() as f64
    };
    let crossing = |told: &Observation| View::from(told).may_have_a_second();
    [share(crossing), share(|told| told.flow.verdict == Verdict::Denied)]
}

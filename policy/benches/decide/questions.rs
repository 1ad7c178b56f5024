//! What the cluster is asked: as traffic goes in it, and anyone to anyone.

use crate::{
    cluster::{
        World, is_ordinary, namespace,
        pod::{Placed, Workload, node_ip},
        role::Role,
    },
    random::Random,
};
use portolan_policy::{Connection, Protocol};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

/// How questions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// Along the edges that such a cluster has; a tenth is what nobody should try.
    Traffic,
    /// Any pod to any other: the worst for every cache.
    Anyone,
}

impl Set {
    pub(crate) const ALL: [Self; 2] = [Self::Traffic, Self::Anyone];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Traffic => "as traffic goes",
            Self::Anyone => "anyone to anyone",
        }
    }

    /// So many questions in no order, each once as long as the cluster is large enough for that.
    pub(crate) fn questions(self, world: &World, count: usize) -> Vec<Connection> {
        let mut asker = Asker::new(world);
        let (mut seen, mut questions) = (HashSet::with_capacity(count), Vec::with_capacity(count));
        for attempt in 0.. {
            if questions.len() == count {
                break;
            }
            let question = match self {
                Self::Traffic => asker.traffic(),
                Self::Anyone => asker.anyone(),
            };
            if seen.insert(question) || attempt >= 3 * count {
                questions.push(question);
            }
        }
        questions
    }
}

/// Picks who asks whom.
struct Asker<'a> {
    random: Random,
    /// Every pod with its workload.
    pods: Vec<(&'a Workload, Placed)>,
    /// The five workloads of each ordinary namespace.
    ordinary: Vec<&'a [Workload]>,
    shared: Vec<&'a Workload>,
}

impl<'a> Asker<'a> {
    fn new(world: &'a World) -> Self {
        let (shared, ordinary): (Vec<&[Workload]>, Vec<&[Workload]>) = world
            .workloads
            .chunk_by(|one, other| one.namespace == other.namespace)
            .partition(|workloads| !is_ordinary(workloads[0].namespace));
        let of = |workload: &'a Workload| workload.pods.iter().map(move |pod| (workload, *pod));
        Self {
            random: Random::new(2),
            pods: world.workloads.iter().flat_map(of).collect(),
            ordinary,
            shared: shared.into_iter().flatten().collect(),
        }
    }

    fn anyone(&mut self) -> Connection {
        let (_, source) = *self.random.one_of(&self.pods);
        let (workload, destination) = *self.random.one_of(&self.pods);
        let ports = workload.role.ports(workload.namespace);
        let port = self.random.one_of(&ports).number;
        self.connect(source, destination, port, Protocol::Tcp)
    }

    fn traffic(&mut self) -> Connection {
        let namespace = self.random.below(self.ordinary.len());
        match self.random.below(100) {
            0..38 => self.within(namespace),
            38..52 => self.name_server(),
            52..64 => self.between(self.shared(Role::Gateway), self.app(namespace, Role::Web)),
            64..72 => self.scrape(namespace),
            72..80 => self.between(self.app(namespace, Role::Api), self.shared(Role::Queue)),
            80..88 => self.outside(namespace, 443),
            88..90 => self.probe(),
            _ => self.unwanted(namespace),
        }
    }

    fn app(&self, namespace: usize, role: Role) -> &'a Workload {
        let of_role = |workload: &&Workload| workload.role == role;
        self.ordinary[namespace]
            .iter()
            .find(of_role)
            .expect("ordinary namespaces have all ordinary workloads")
    }

    fn shared(&self, role: Role) -> &'a Workload {
        let of_role = |workload: &&&Workload| workload.role == role;
        self.shared.iter().find(of_role).expect("every cluster has one of each shared workload")
    }

    fn within(&mut self, namespace: usize) -> Connection {
        let (from, to) = *self.random.one_of(&[
            (Role::Web, Role::Api),
            (Role::Api, Role::Database),
            (Role::Api, Role::Cache),
            (Role::Worker, Role::Database),
        ]);
        self.between(self.app(namespace, from), self.app(namespace, to))
    }

    /// To the first port of the other workload.
    fn between(&mut self, from: &Workload, to: &Workload) -> Connection {
        let (source, destination) = (*self.random.one_of(&from.pods), *self.random.one_of(&to.pods));
        self.connect(source, destination, to.role.ports(to.namespace)[0].number, Protocol::Tcp)
    }

    fn name_server(&mut self) -> Connection {
        let (_, source) = *self.random.one_of(&self.pods);
        let destination = *self.random.one_of(&self.shared(Role::Dns).pods);
        let protocol = if self.random.chance(90) { Protocol::Udp } else { Protocol::Tcp };
        self.connect(source, destination, 53, protocol)
    }

    /// Metrics of a workload that has some.
    fn scrape(&mut self, namespace: usize) -> Connection {
        let role = *self.random.one_of(&[Role::Web, Role::Api, Role::Worker, Role::Database]);
        let destination = *self.random.one_of(&self.app(namespace, role).pods);
        let source = *self.random.one_of(&self.shared(Role::Prometheus).pods);
        self.connect(source, destination, 9090, Protocol::Tcp)
    }

    /// The kubelet asks whether a pod lives.
    fn probe(&mut self) -> Connection {
        let (workload, pod) = *self.random.one_of(&self.pods);
        let port = workload.role.ports(workload.namespace)[0].number;
        Connection {
            source: node_ip(pod.node),
            destination: pod.v4,
            port: Some(port),
            protocol: Protocol::Tcp,
        }
    }

    fn outside(&mut self, namespace: usize, port: u16) -> Connection {
        let source = *self.random.one_of(&self.app(namespace, Role::Api).pods);
        let address = Ipv4Addr::new(20 + self.random.below(80) as u8, self.random.below(256) as u8, 0, 1);
        Connection {
            source: source.v4,
            destination: address.into(),
            port: Some(port),
            protocol: Protocol::Tcp,
        }
    }

    /// What policies are there to stop.
    fn unwanted(&mut self, start: usize) -> Connection {
        let namespaces = self.ordinary.len();
        let guarded = |namespace: &usize| namespace::policies(self.ordinary[*namespace][0].namespace) > 0;
        let victim = (start..start + namespaces).map(|number| number % namespaces).find(guarded);
        let victim = victim.expect("most namespaces have policies");
        match self.random.below(5) {
            0 => self.between(self.app(victim, Role::Web), self.app(victim, Role::Database)),
            1 => self.between(self.app((victim + 1) % namespaces, Role::Worker), self.app(victim, Role::Web)),
            2 => self.outside(victim, 25),
            3 => {
                let (_, source) = *self.random.one_of(&self.pods);
                let destination = *self.random.one_of(&self.app(victim, Role::Cache).pods);
                self.connect(source, destination, 22, Protocol::Tcp)
            }
            _ => {
                let source = *self.random.one_of(&self.app(victim, Role::Worker).pods);
                let metadata = Ipv4Addr::new(169, 254, 169, 254).into();
                Connection {
                    source: source.v4,
                    destination: metadata,
                    port: Some(80),
                    protocol: Protocol::Tcp,
                }
            }
        }
    }

    /// By the newer family, every third time that both have it.
    fn connect(&mut self, source: Placed, destination: Placed, port: u16, protocol: Protocol) -> Connection {
        let (source, destination): (IpAddr, IpAddr) = match (source.v6, destination.v6) {
            (Some(source), Some(destination)) if self.random.chance(33) => (source, destination),
            _ => (source.v4, destination.v4),
        };
        Connection { source, destination, port: Some(port), protocol }
    }
}

//! What the policies say about a connection: the two sides, put together from whoever holds the
//! addresses.
//!
//! ```text
//! Connection -> own address? -> service? -> [ side of the source ] [ side of the destination ]
//!                                  each backend ──┘ tiers: Admin, NetworkPolicy, Baseline
//! ```

use super::{
    Cluster,
    addresses::{Belongs, Claimants, Claims, Holders},
    endpoints::Backends,
    plans::Plan,
    pod_table::PodHolder,
    tier_lists::Tiers,
    ways::not_chosen,
};
use crate::{
    BaselineReading, Connection, Decision, Pod, SideVerdict,
    endings::{Endings, Missing},
    evaluation::{Evaluation, Side},
    marks::Marks,
    network_policy::Direction,
    peer::Peer,
    port::Dialled,
    rule::Question,
    tiers::SideOf,
};
use std::net::IpAddr;

/// One end of a connection: an address and those who claim it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party<'a> {
    pub(super) ip: IpAddr,
    pub(super) claims: Claims<'a>,
    /// The pod that alone claims it.
    pub(super) claimant: Option<Claimant<'a>>,
    /// The host-network pod that it was asked for by name.
    pub(super) host: Option<&'a Pod>,
}

/// A pod that claims an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant<'a> {
    pub(super) holder: PodHolder,
    pub(super) plan: &'a Plan,
    pub(super) tiers: &'a Tiers,
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parties<'a> {
    pub(super) source: Party<'a>,
    pub(super) destination: Party<'a>,
    /// It is one end that speaks to itself: outside all policies (N31, C15).
    pub(super) own_address: bool,
}

impl Cluster {
    /// What the policies say about a connection, both sides, to keep.
    pub fn decide(&self, connection: &Connection) -> Decision {
        self.evaluate(connection).to_decision()
    }

    /// What the policies say about a connection, both sides, without copying anything.
    ///
    /// A destination that is a service address stands for its ready endpoints: what holds for all
    /// of them is decided, what differs is undecidable. Without a port it stands for those of all
    /// ports; without ready endpoints it is a plain address; without any slice it is not known what
    /// stands behind it.
    pub fn evaluate(&self, connection: &Connection) -> Evaluation<'_> {
        let (connection, parties) = self.open(connection);
        self.evaluate_parties(&connection, &parties)
    }

    /// The connection in canonical form, with whoever holds its addresses.
    pub(super) fn open(&self, connection: &Connection) -> (Connection, Parties<'_>) {
        let connection = connection.canonical();
        let parties = Parties {
            source: self.party(connection.source),
            destination: self.party(connection.destination),
            own_address: connection.is_own_address(),
        };
        (connection, parties)
    }

    /// What the policies say about a connection whose ends are known to be these pods, whoever else
    /// claims their addresses; an end that is `None` is whoever holds its address.
    pub fn decide_between(
        &self,
        connection: &Connection,
        source: Option<&Pod>,
        destination: Option<&Pod>,
    ) -> Decision {
        let connection = connection.canonical();
        let parties = self.parties(&connection, source, destination);
        self.evaluate_parties(&connection, &parties).to_decision()
    }

    /// Both ends, where a pod is named with that pod as the one claimant.
    pub(super) fn parties<'a>(
        &'a self,
        connection: &Connection,
        source: Option<&'a Pod>,
        destination: Option<&'a Pod>,
    ) -> Parties<'a> {
        let are_two = source.zip(destination).is_some_and(|(source, destination)| !source.is(destination));
        Parties {
            source: self.narrowed(self.party(connection.source), source),
            destination: self.narrowed(self.party(connection.destination), destination),
            own_address: connection.is_own_address() && !are_two,
        }
    }

    pub(super) fn evaluate_parties<'a>(
        &'a self,
        connection: &Connection,
        parties: &Parties<'a>,
    ) -> Evaluation<'a> {
        if parties.own_address {
            let side = || Side::plain(SideVerdict::NotApplicable);
            return Evaluation { egress: side(), ingress: side() };
        }
        match parties.destination.claims {
            Claims { pods: Claimants::Nobody, others: Some(_) } => self.evaluate_address(connection, parties),
            _ => self.evaluate_direct(connection, parties),
        }
    }

    /// Over every backend that the connection may be translated to (U2).
    pub(super) fn evaluate_service<'a>(
        &'a self,
        connection: &Connection,
        source: &Party<'a>,
        backends: &Backends<'_>,
    ) -> Evaluation<'a> {
        let (mut egress, mut ingress) = (Endings::default(), Endings::default());
        for (ip, port) in &backends.endpoints {
            let translated = Connection { destination: *ip, port: Some(*port), ..*connection };
            let parties = Parties { source: *source, destination: self.party(*ip), own_address: false };
            self.ask_side(Direction::Egress, &translated, &parties, true, &mut egress);
            self.ask_side(Direction::Ingress, &translated, &parties, true, &mut ingress);
        }
        for side in [&mut egress, &mut ingress] {
            if side.is_undecided() && backends.endpoints.len() > 1 {
                side.miss(Missing::Words(not_chosen(backends.service)));
            }
        }
        Evaluation { egress: egress.side(), ingress: ingress.side() }
    }

    /// Over the tuple as it is.
    pub(super) fn evaluate_direct<'a>(
        &'a self,
        connection: &Connection,
        parties: &Parties<'a>,
    ) -> Evaluation<'a> {
        Evaluation {
            egress: self.side(Direction::Egress, connection, parties, false),
            ingress: self.side(Direction::Ingress, connection, parties, false),
        }
    }

    /// One side alone.
    pub(super) fn side<'a>(
        &'a self,
        direction: Direction,
        connection: &Connection,
        parties: &Parties<'a>,
        through_service: bool,
    ) -> Side<'a> {
        let mut endings = Endings::default();
        self.ask_side(direction, connection, parties, through_service, &mut endings);
        endings.side()
    }

    /// How one side may end: its subject is the end that the direction is about.
    pub(super) fn ask_side<'a>(
        &'a self,
        direction: Direction,
        connection: &Connection,
        parties: &Parties<'a>,
        through_service: bool,
        endings: &mut Endings<'a>,
    ) {
        let (subject, peer) = match direction {
            Direction::Egress => (&parties.source, &parties.destination),
            Direction::Ingress => (&parties.destination, &parties.source),
        };
        match (subject.claimant, subject.claims.pods) {
            (Some(claimant), _) => {
                Asked { cluster: self, direction, connection, peer, through_service }
                    .about(claimant, endings);
            }
            (None, Claimants::Several(claimants)) => {
                endings.open();
                endings.deny([]);
                endings.miss(Missing::Words(self.contested(subject.ip, claimants)));
            }
            (None, Claimants::Nobody | Claimants::One(_)) => endings.not_applicable(),
        }
    }

    pub(super) fn party(&self, ip: IpAddr) -> Party<'_> {
        let claims = self.addresses.claims(ip);
        let claimant = match claims.pods {
            Claimants::One(holder) => self.claimant(holder),
            Claimants::Nobody | Claimants::Several(_) => None,
        };
        Party { ip, claims, claimant, host: None }
    }

    pub(super) fn claimant(&self, holder: PodHolder) -> Option<Claimant<'_>> {
        let plan = self.plans.get(holder.plan)?;
        Some(Claimant { holder, plan, tiers: self.tiers.list(plan.tiers()) })
    }
}

impl Party<'_> {
    /// Whether it is neither a node nor a pod that shares the network of one.
    fn is_stranger(&self) -> bool {
        self.host.is_none() && !self.claims.others.is_some_and(Holders::has_node)
    }

    /// Whether it is the node of a pod, or on it; what is missing where nobody can say.
    ///
    /// The node of a pod that was named is known by its name, whoever shares its address.
    fn is_node_of(&self, pod: &Pod) -> Result<bool, String> {
        let not_known = |pod: &Pod| format!("the node of pod {} is not known", pod.title());
        let home = self.host.and_then(|host| host.node.as_deref());
        let holders = self.claims.others.filter(|holders| holders.has_node());
        if let (Some(host), None, None) = (self.host, home, holders) {
            return Err(not_known(host));
        }
        let node = pod.node.as_deref().ok_or_else(|| not_known(pod))?;
        match (home, holders.map(|holders| holders.belongs_to(node))) {
            (Some(home), _) => Ok(home == node),
            (None, Some(Belongs::Contested)) => Err(format!("several nodes claim the address {}", self.ip)),
            (None, belongs) => Ok(belongs == Some(Belongs::Yes)),
        }
    }
}

/// What one side is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a, 'q> {
    pub(super) cluster: &'a Cluster,
    pub(super) direction: Direction,
    pub(super) connection: &'q Connection,
    pub(super) peer: &'q Party<'a>,
    pub(super) through_service: bool,
}

impl<'a> Asked<'a, '_> {
    fn about(&self, subject: Claimant<'a>, endings: &mut Endings<'a>) {
        match (self.peer.claimant, self.peer.claims.pods) {
            (Some(peer), _) => self.beside_pod(subject, peer, endings),
            (None, Claimants::Several(claimants)) => {
                for peer in claimants.iter().filter_map(|holder| self.cluster.claimant(*holder)) {
                    self.beside_pod(subject, peer, endings);
                }
                endings.miss(Missing::Words(self.cluster.contested(self.peer.ip, claimants)));
            }
            (None, Claimants::Nobody | Claimants::One(_)) => self.beside_address(subject, endings),
        }
    }

    /// The peer is a pod; a pod and itself are no matter for policies (N31) but through a service.
    fn beside_pod(&self, subject: Claimant<'a>, peer: Claimant<'a>, endings: &mut Endings<'a>) {
        if subject.holder.pod == peer.holder.pod && !self.through_service {
            endings.not_applicable();
        } else {
            self.ask_tiers(subject, Some(peer), endings);
        }
    }

    /// The peer is a plain address; what comes from the subject's own node is exempt (N32).
    fn beside_address(&self, subject: Claimant<'a>, endings: &mut Endings<'a>) {
        if self.direction == Direction::Egress || self.peer.is_stranger() {
            return self.ask_tiers(subject, None, endings);
        }
        let Some(pod) = self.cluster.addresses.pod(subject.holder) else { return endings.not_applicable() };
        let reason = match self.peer.is_node_of(pod) {
            Ok(true) => return endings.not_applicable(),
            Ok(false) => return self.ask_tiers(subject, None, endings),
            Err(reason) => reason,
        };
        let mut unless_exempt = Endings::default();
        self.ask_tiers(subject, None, &mut unless_exempt);
        // Exempt or not, it may be allowed.
        if unless_exempt.may_deny() {
            endings.open();
            endings.miss(Missing::Words(reason));
        }
        endings.or(unless_exempt);
    }

    fn ask_tiers(&self, subject: Claimant<'a>, peer: Option<Claimant<'a>>, endings: &mut Endings<'a>) {
        self.side_of(subject, peer).ask(&self.question(subject, peer), endings);
    }

    /// The policies that speak about the subject.
    pub(super) fn side_of(&self, subject: Claimant<'a>, peer: Option<Claimant<'a>>) -> SideOf<'a> {
        let (direction, plan) = (self.direction, subject.plan);
        let other = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        SideOf {
            direction,
            subject: plan.template(),
            admin: subject.tiers.admin.of(direction),
            network: plan.network(direction),
            baseline: subject.tiers.baseline.of(direction),
            elsewhere: match self.cluster.baseline_reading {
                BaselineReading::PerDirection => &[],
                BaselineReading::AnyDirection => plan.network(other).policies(),
            },
            hairpin: self.itself(subject, peer),
        }
    }

    /// The pod, where it reaches itself.
    fn itself(&self, subject: Claimant<'a>, peer: Option<Claimant<'a>>) -> Option<&'a Pod> {
        let claimant = peer.filter(|peer| peer.holder.pod == subject.holder.pod)?;
        self.cluster.addresses.pod(claimant.holder).map(AsRef::as_ref)
    }

    pub(super) fn question(
        &self,
        subject: Claimant<'a>,
        peer: Option<Claimant<'a>>,
    ) -> Question<'a, Cluster> {
        let peer = peer.map(|peer| peer.plan);
        let destination = match self.direction {
            Direction::Egress => peer,
            Direction::Ingress => Some(subject.plan),
        };
        Question {
            peer: Peer { ip: self.peer.ip, pod: peer.map(Plan::peer) },
            marks: peer.map_or(Marks::NONE, Plan::marks),
            dialled: Dialled {
                port: self.connection.port,
                protocol: self.connection.protocol,
                destination: destination.map(Plan::template),
            },
            surroundings: self.cluster,
        }
    }
}

impl Cluster {
    /// The same party with one claimant only, where it is one.
    fn narrowed<'a>(&'a self, mut party: Party<'a>, pod: Option<&'a Pod>) -> Party<'a> {
        party.host = pod.filter(|pod| pod.host_network);
        let is_it = |holder: &&PodHolder| {
            self.addresses.pod(**holder).zip(pod).is_some_and(|(held, pod)| held.is(pod))
        };
        match party.claims.pods {
            _ if pod.is_some_and(|pod| !pod.in_pod_network()) => {
                party.claims.pods = Claimants::Nobody;
                party.claimant = None;
            }
            Claimants::Several(claimants) => {
                if let Some(holder) = claimants.iter().find(is_it) {
                    party.claims.pods = Claimants::One(*holder);
                    party.claimant = self.claimant(*holder);
                }
            }
            Claimants::Nobody | Claimants::One(_) => {}
        }
        party
    }

    /// Two live claimants of one address: nobody can say whose it is (M6).
    fn contested(&self, ip: IpAddr, claimants: &[PodHolder]) -> String {
        let pods = claimants.iter().filter_map(|holder| self.addresses.pod(*holder));
        let names: Vec<String> = pods.map(|pod| pod.title()).collect();
        format!("several live pods claim the address {ip}: {}", names.join(", "))
    }
}

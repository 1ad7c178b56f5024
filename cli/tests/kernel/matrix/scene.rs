//! The lab of the matrix: a pod for each cause and direction, and those that it talks to.

use super::cells::{Cause, Cell, Way};
use crate::support::SECOND;
use portolan_lab::enforce::{Reject, Target};
use portolan_lab::lab::Connection;
use portolan_lab::{
    Attempted, Direction, Lab, Mechanism, Place, PodSpec, Protocol, SctpAnswer, Server, ServiceSpec, Traffic,
};
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

const TCP: u16 = 8080;
const UDP: u16 = 5353;
const SCTP: u16 = 7000;
/// Of the service of `open/near`; those of the pods in question follow.
const NEAR_NODE_PORT: u16 = 30_000;
/// An address of the first node's pod network that is never given.
const NOBODY: [&str; 2] = ["10.244.1.250", "fd00:10:244:1::fa"];

/// Whom the pods in question may talk to, in either direction: everybody but the stranger.
const PEERS: &str = r"
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: open}}
      podSelector: {matchLabels: {welcome: 'yes'}}
    - ipBlock: {cidr: 203.0.113.0/24}
    - ipBlock: {cidr: 'fd00:203:113::/64'}
    - ipBlock: {cidr: 10.1.0.0/24}
    - ipBlock: {cidr: 'fd00:10:1::/64'}
";

fn policies() -> String {
    let policy = |[name, side, direction, word]: [&str; 4]| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: cut}}
spec:
  podSelector: {{matchLabels: {{side: {side}}}}}
  policyTypes: [{direction}]
  {side}:
  - {word}:{PEERS}"
        )
    };
    [["in", "ingress", "Ingress", "from"], ["out", "egress", "Egress", "to"]].map(policy).join("---\n")
}

/// What leaves the cluster does so in the name of its node.
const MASQUERADE: &str = "
table inet outside { chain out { type nat hook postrouting priority 100;
    ip saddr 10.244.0.0/16 ip daddr 203.0.113.0/24 masquerade
    ip6 saddr fd00:10:244::/48 ip6 daddr fd00:203:113::/64 masquerade
}
}";

/// The port of a protocol's servers and services.
pub(crate) fn port(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Sctp => SCTP,
        Protocol::Icmp => 0,
    }
}

/// The pod of a cause and direction.
pub(crate) fn pod_of(cause: Cause, direction: Direction) -> String {
    let side = if direction == Direction::Egress { "out" } else { "in" };
    format!("cut/{}-{side}", cause.slug())
}

/// The lab and what runs in it. Fields fall in this order: the servers before the lab.
pub(crate) struct Scene {
    _servers: Vec<Server>,
    _waiting: Vec<Connection>,
    pub(crate) lab: Lab,
    causes: &'static [Cause],
}

/// Where an attempt goes from, and what it dials.
pub(crate) struct Dialled {
    pub(crate) from: Place,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

impl Scene {
    pub(crate) fn new(name: &str, bridged: bool, causes: &'static [Cause]) -> Self {
        let mut lab = Lab::new(name).unwrap();
        if bridged { lab.bridged_node("n1") } else { lab.node("n1") }.unwrap();
        lab.node("n2").unwrap();
        add_pods(&mut lab, causes);
        add_services(&mut lab, causes);
        lab.add_policy_yaml(&policies()).unwrap();
        lab.node_nft("n1", MASQUERADE).unwrap();
        for (cause, direction) in sides(causes) {
            if let Cause::Enforced(mechanism) = cause {
                enforce(&mut lab, mechanism, &pod_of(cause, direction), direction);
            }
        }
        let (servers, waiting) = (serve_all(&lab, causes), fill_backlog(&lab, causes));
        forget_neighbour(&lab, causes);
        Self { _servers: servers, _waiting: waiting, lab, causes }
    }

    /// Adds what comes after the agent.
    pub(crate) fn enforce_late(&mut self) {
        for (cause, direction) in sides(self.causes) {
            if let Cause::Late(mechanism) = cause {
                enforce(&mut self.lab, mechanism, &pod_of(cause, direction), direction);
            }
        }
    }

    /// What a cell dials from where.
    pub(crate) fn dialled(&self, cell: Cell) -> Dialled {
        let own = pod_of(cell.cause, cell.direction);
        let egress = cell.direction == Direction::Egress;
        let other = other_end(cell.way);
        let (from, to) = if egress { (own.as_str(), other) } else { (other, own.as_str()) };
        let from = if cell.way == Way::Hairpin { own.as_str() } else { from };
        let server = if cell.way == Way::Hairpin { own.as_str() } else { to };
        let of = |addresses: &[IpAddr]| *addresses.iter().find(|ip| ip.is_ipv4() == cell.v4).unwrap();
        let service_port = port(cell.protocol);
        let (address, port) = match cell.way {
            _ if cell.cause == Cause::NoSuchPod => {
                (NOBODY[usize::from(!cell.v4)].parse().unwrap(), service_port)
            }
            Way::Masqueraded => (outside(cell.v4), service_port),
            Way::NodePort | Way::Outside => (of(&self.node("n1")), self.node_port(server)),
            Way::OwnNode | Way::FarNode if egress => (of(&self.node(server)), service_port),
            way if way.is_translated() => {
                (of(&self.lab.service_info(server).unwrap().addresses), service_port)
            }
            _ => (of(&self.lab.pod_info(server).unwrap().addresses), service_port),
        };
        Dialled { from: from.into(), address, port }
    }

    /// Makes the attempt of a cell.
    pub(crate) fn attempt(&self, cell: Cell, wait: Duration) -> Attempted {
        let Dialled { from, address, port } = self.dialled(cell);
        let lab = &self.lab;
        match cell.protocol {
            Protocol::Tcp => lab.connect_tcp(from, address, port, wait),
            Protocol::Udp => lab.send_udp(from, address, port, wait),
            Protocol::Sctp => lab.connect_sctp(from, address, port, wait),
            Protocol::Icmp => lab.ping(from, address, 1, wait),
        }
        .unwrap()
    }

    fn node(&self, name: &str) -> [IpAddr; 2] {
        self.lab.node_info(name).unwrap().addresses.both()
    }

    fn node_port(&self, pod: &str) -> u16 {
        let mut cut = sides(self.causes).into_iter().map(|(cause, direction)| pod_of(cause, direction));
        let number = cut.position(|name| name == pod).map_or(0, |number| number as u16 + 1);
        NEAR_NODE_PORT + number
    }
}

/// The pod, or the node, that a cell's attempt is for; none outside.
pub(crate) fn server(cell: Cell) -> Option<String> {
    let own = pod_of(cell.cause, cell.direction);
    let to_other = cell.direction == Direction::Egress && cell.way != Way::Hairpin;
    match cell.way {
        _ if cell.cause == Cause::NoSuchPod => None,
        Way::Masqueraded => None,
        way if to_other => Some(other_end(way).to_owned()),
        _ => Some(own),
    }
}

/// Who is at the other end, by way.
fn other_end(way: Way) -> &'static str {
    match way {
        Way::Denied => "open/stranger",
        Way::Outside | Way::FromOutside | Way::Masqueraded => "external",
        Way::OwnNode => "n1",
        Way::FarNode => "n2",
        Way::Far | Way::FarClusterIp => "open/far",
        _ => "open/near",
    }
}

fn outside(v4: bool) -> IpAddr {
    use portolan_lab::net::addresses::{EXTERNAL_V4, EXTERNAL_V6};
    if v4 { EXTERNAL_V4.into() } else { EXTERNAL_V6.into() }
}

fn sides(causes: &[Cause]) -> Vec<(Cause, Direction)> {
    let both = |cause: &Cause| [(*cause, Direction::Egress), (*cause, Direction::Ingress)];
    let real =
        |(cause, direction): &(Cause, Direction)| *direction == Direction::Ingress || !cause.is_the_servers();
    causes.iter().flat_map(both).filter(real).collect()
}

fn add_pods(lab: &mut Lab, causes: &[Cause]) {
    for (name, node, welcome) in [("near", "n1", "yes"), ("stranger", "n1", "no"), ("far", "n2", "yes")] {
        let pod = PodSpec::new(&format!("open/{name}")).node(node);
        lab.pod(pod.label("welcome", welcome).label("app", name)).unwrap();
    }
    for (cause, direction) in sides(causes) {
        let name = pod_of(cause, direction);
        let side = if direction == Direction::Egress { "egress" } else { "ingress" };
        let app = name.trim_start_matches("cut/").to_owned();
        lab.pod(PodSpec::new(&name).node("n1").label("app", &app).label("side", side)).unwrap();
    }
}

fn add_services(lab: &mut Lab, causes: &[Cause]) {
    let cut = sides(causes).into_iter().map(|(cause, direction)| pod_of(cause, direction));
    let pods = std::iter::once("open/near".to_owned()).chain(cut).zip(NEAR_NODE_PORT..);
    let far = ServiceSpec::new("open/far").selects([("app", "far")]);
    let far = far.port(TCP, TCP, "TCP").port(UDP, UDP, "UDP").port(SCTP, SCTP, "SCTP");
    let service = |(pod, node_port): (String, u16)| {
        let app = pod.split_once('/').unwrap().1.to_owned();
        ServiceSpec::new(&pod)
            .port(TCP, TCP, "TCP")
            .node_port(node_port)
            .port(UDP, UDP, "UDP")
            .node_port(node_port)
            .port(SCTP, SCTP, "SCTP")
            .node_port(node_port)
            .selects([("app", app.as_str())])
    };
    let specs: Vec<ServiceSpec> = pods.map(service).chain([far]).collect();
    lab.services(specs).unwrap();
}

/// The traffic of the cells: the ports, for what is dropped ahead of translation the node's port, and echoes.
fn enforce(lab: &mut Lab, mechanism: Mechanism, pod: &str, direction: Direction) {
    let mut traffic: Vec<Traffic> = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        traffic.push((protocol, port(protocol)));
        if direction == Direction::Egress {
            traffic.push((protocol, NEAR_NODE_PORT));
        }
    }
    traffic.push((Protocol::Icmp, 0));
    if let Mechanism::NftReject(Reject::TcpReset) | Mechanism::Iptables(_, Target::TcpReset) = mechanism {
        traffic.retain(|(protocol, _)| *protocol == Protocol::Tcp);
    }
    lab.enforce(mechanism, direction, pod, &traffic).unwrap();
}

fn serve_all(lab: &Lab, causes: &[Cause]) -> Vec<Server> {
    let mut servers = Vec::new();
    for place in ["open/near", "open/stranger", "open/far", "external", "n1", "n2"] {
        servers.extend(serve(lab, place, Cause::Nothing));
    }
    for (cause, direction) in sides(causes) {
        servers.extend(serve(lab, &pod_of(cause, direction), cause));
    }
    servers
}

fn serve(lab: &Lab, place: &str, cause: Cause) -> Vec<Server> {
    let servers = match cause {
        Cause::NoListener => vec![],
        Cause::Abort => vec![lab.serve_sctp(place, SCTP, SctpAnswer::Abort)],
        Cause::FullBacklog => vec![lab.serve_tcp_deaf(place, TCP, 0)],
        Cause::Silence => {
            vec![lab.serve_udp_silent(place, UDP), lab.serve_sctp(place, SCTP, SctpAnswer::Silence)]
        }
        _ => vec![
            lab.serve_tcp(place, TCP),
            lab.serve_udp(place, UDP),
            lab.serve_sctp(place, SCTP, SctpAnswer::InitAck),
        ],
    };
    servers.into_iter().map(Result::unwrap).collect()
}

/// The one connection that a backlog of 0 takes.
fn fill_backlog(lab: &Lab, causes: &[Cause]) -> Vec<Connection> {
    if !causes.contains(&Cause::FullBacklog) {
        return vec![];
    }
    let pod = pod_of(Cause::FullBacklog, Direction::Ingress);
    let address = lab.pod_info(&pod).unwrap().v4();
    vec![lab.open_tcp(&pod, address, TCP, SECOND).unwrap().unwrap()]
}

/// Takes a pod's addresses away and leaves the routes to it; the node asks faster than it would.
fn forget_neighbour(lab: &Lab, causes: &[Cause]) {
    if !causes.contains(&Cause::StaleNeighbour) {
        return;
    }
    let pod = pod_of(Cause::StaleNeighbour, Direction::Ingress);
    let veth = lab.pod_info(&pod).unwrap().veth.unwrap();
    lab.run(pod.as_str(), "ip", &["addr", "flush", "dev", "eth0"]).unwrap();
    lab.run("n1", "ip", &["neigh", "flush", "dev", &veth]).unwrap();
    let faster = || {
        for family in ["ipv4", "ipv6"] {
            fs::write(format!("/proc/sys/net/{family}/neigh/{veth}/retrans_time_ms"), "200").unwrap();
        }
    };
    lab.within("n1", faster).unwrap();
}

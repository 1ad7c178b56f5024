//! What was attempted against what was told.

use super::cells::{Cell, Way};
use super::expect::{
    Expected, ends_untranslated, expected_of, is_denied, is_seen_elsewhere, is_translated_elsewhere,
    is_translated_here, outcomes_elsewhere,
};
use super::scene::{Scene, server};
use portolan_lab::{Attempted, Protocol as LabProtocol};
use portolan_policy::{Flow, Protocol, Verdict, Who};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// A cell and the attempt that was made for it.
pub(crate) struct Attempt {
    pub(crate) cell: Cell,
    pub(crate) attempted: Attempted,
}

/// What differs.
pub(crate) struct Report {
    /// Cell and what is wrong with it; nothing for a cell that is right.
    told: Vec<(Cell, Vec<String>)>,
    extra: Vec<String>,
}

impl Report {
    pub(crate) fn new(scene: &Scene, attempts: &[Attempt], here: &[Flow], elsewhere: &[Flow]) -> Self {
        let mut views = [View::new(here), View::new(elsewhere)];
        let mut told = Vec::new();
        for attempt in attempts {
            let own = views[0].take(scene, attempt);
            let mut wrong = faults(scene, attempt, &own, Teller::FirstNode);
            let far = views[1].take(scene, attempt);
            wrong.extend(faults_elsewhere(scene, attempt, &far));
            told.push((attempt.cell, wrong));
        }
        let extra = views.iter().flat_map(View::rest).map(|flow| format!("{flow:?}")).collect();
        Self { told, extra }
    }

    /// The same for what the collector makes of both nodes' views.
    pub(crate) fn joined(scene: &Scene, attempts: &[Attempt], flows: &[Flow]) -> Self {
        let mut view = View::new(flows);
        let mut judge = |attempt: &Attempt| {
            let flows = view.take(scene, attempt);
            (attempt.cell, faults(scene, attempt, &flows, Teller::Collector))
        };
        let told = attempts.iter().map(&mut judge).collect();
        let extra = view.rest().map(|flow| format!("{flow:?}")).collect();
        Self { told, extra }
    }

    /// Fails with every difference.
    pub(crate) fn check(&self) {
        let mut complaints: Vec<String> = self.told.iter().filter_map(complaint).collect();
        let wrong = complaints.len();
        complaints.extend(self.extra.iter().map(|flow| format!("a flow of no attempt: {flow}")));
        assert!(
            complaints.is_empty(),
            "{} of {} cells are not as they should be, and {} flows belong to none:\n{}",
            wrong,
            self.told.len(),
            self.extra.len(),
            complaints.join("\n"),
        );
    }
}

fn complaint((cell, wrong): &(Cell, Vec<String>)) -> Option<String> {
    (!wrong.is_empty()).then(|| format!("{cell}\n    {}", wrong.join("\n    ")))
}

/// Whose word is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Teller {
    /// The agent where everything stands in the way.
    FirstNode,
    /// The collector, which has heard of both nodes.
    Collector,
}

/// Protocol, address and port of the client. The port of an echo is none: its destination tells it apart.
type Key = (LabProtocol, IpAddr, u16);

/// The flows of one agent, each taken once.
struct View<'a>(BTreeMap<Key, Vec<&'a Flow>>);

impl<'a> View<'a> {
    fn new(flows: &'a [Flow]) -> Self {
        let mut by_key: BTreeMap<Key, Vec<&Flow>> = BTreeMap::new();
        for flow in flows {
            let key = (lab_protocol(flow.protocol), flow.source.ip(), flow.source.port().unwrap_or(0));
            by_key.entry(key).or_default().push(flow);
        }
        Self(by_key)
    }

    /// Takes the flows of an attempt out.
    fn take(&mut self, scene: &Scene, attempt: &Attempt) -> Vec<&'a Flow> {
        let (cell, Some(local)) = (attempt.cell, attempt.attempted.local) else { return vec![] };
        let port = if cell.protocol == LabProtocol::Icmp { 0 } else { local.port() };
        let Some(flows) = self.0.get_mut(&(cell.protocol, local.ip(), port)) else { return vec![] };
        // A port may serve several attempts at once, to a service and its backend, or to two ports of a node.
        let dialled = attempt.attempted.destination;
        let exact: Vec<&Flow> = flows.extract_if(.., |flow| dialled_by(flow) == dialled).collect();
        if !exact.is_empty() {
            return exact;
        }
        let backend = backend(scene, cell);
        flows.extract_if(.., |flow| backend.contains(&flow.destination.ip())).collect()
    }

    fn rest(&self) -> impl Iterator<Item = &'a Flow> {
        self.0.values().flatten().copied()
    }
}

/// What was dialled, as far as the flow knows; the port of ICMP is 0.
fn dialled_by(flow: &Flow) -> SocketAddr {
    match &flow.service {
        Some(service) => SocketAddr::new(service.ip, service.port),
        None => SocketAddr::new(flow.destination.ip(), flow.destination.port().unwrap_or(0)),
    }
}

/// The addresses under which an attempt's destination may be told where nobody knows what was dialled.
fn backend(scene: &Scene, cell: Cell) -> Vec<IpAddr> {
    let pod = server(cell).and_then(|pod| scene.lab.pod_info(&pod).ok());
    pod.map_or_else(Vec::new, |pod| pod.addresses)
}

fn lab_protocol(protocol: Protocol) -> LabProtocol {
    match protocol {
        Protocol::Tcp => LabProtocol::Tcp,
        Protocol::Udp => LabProtocol::Udp,
        Protocol::Sctp => LabProtocol::Sctp,
        _ => LabProtocol::Icmp,
    }
}

fn faults(scene: &Scene, attempt: &Attempt, flows: &[&Flow], teller: Teller) -> Vec<String> {
    let [flow] = flows else {
        let told: Vec<String> = flows.iter().map(|flow| brief(flow)).collect();
        return vec![format!(
            "told {} times {told:?}; the client saw {:?}",
            flows.len(),
            attempt.attempted.result
        )];
    };
    let cell = attempt.cell;
    let Expected { outcome, reason, location, .. } = expected_of(cell, attempt.attempted.result);
    let mut faults = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    check(flow.outcome == outcome, format!("outcome {:?}, not {outcome:?}", flow.outcome));
    check(flow.drop_reason.as_deref() == reason, format!("reason {:?}, not {reason:?}", flow.drop_reason));
    let place = flow.drop_location.as_deref();
    check(place == location, format!("location {place:?}, not {location:?}"));
    check(flow.attempts == 1, format!("{} attempts", flow.attempts));
    check(!has_lost(flow), format!("lost {:?}", flow.losses));
    let verdicts = verdicts(attempt);
    check(verdicts.contains(&flow.verdict), format!("verdict {:?}, not {verdicts:?}", flow.verdict));
    check(is_source(flow, attempt), format!("source {:?}", flow.source));
    check(is_destination(flow, cell), format!("destination {:?}", flow.destination));
    check(is_service(scene, flow, cell, teller), format!("service {:?}", flow.service));
    if !faults.is_empty() {
        faults.push(format!("in {}; the client saw {:?}", brief(flow), attempt.attempted.result));
    }
    faults
}

/// A program that comes late makes the agent move its own, which it counts although nothing came in between; and
/// runs that were missed are those of the whole machine, other tests' too.
fn has_lost(flow: &Flow) -> bool {
    flow.losses.iter().any(|loss| !["programs-moved", "probe-missed"].contains(&loss.cause.as_str()))
}

/// Ahead of translation nobody knows the backend; who still decides must not deny what every endpoint is admitted to.
fn verdicts(attempt: &Attempt) -> Vec<Verdict> {
    let Attempt { cell, attempted } = attempt;
    let verdict = expected_of(*cell, attempted.result).verdict(is_denied(*cell));
    if ends_untranslated(*cell) { vec![verdict, Verdict::Undecided] } else { vec![verdict] }
}

fn is_source(flow: &Flow, attempt: &Attempt) -> bool {
    let from = attempt.attempted.from.to_string();
    match flow.source.who() {
        Who::Pod(pod) => format!("{}/{}", pod.namespace, pod.pod) == from,
        Who::External { .. } => from == "external",
        Who::Node { node, .. } => from == *node,
        Who::Service { .. } => false,
    }
}

fn is_destination(flow: &Flow, cell: Cell) -> bool {
    let meant = server(cell);
    let named = |namespace: &str, name: &str| meant == Some(format!("{namespace}/{name}"));
    match flow.destination.who() {
        Who::Node { node, .. } if cell.way == Way::NodePort => ends_untranslated(cell) && node == "n1",
        Who::Node { node, .. } => meant.as_ref() == Some(node),
        Who::Service { namespace, name, .. } => ends_untranslated(cell) && named(namespace, name),
        Who::Pod(pod) => !ends_untranslated(cell) && named(&pod.namespace, &pod.pod),
        Who::External { .. } => meant.is_none(),
    }
}

fn is_service(scene: &Scene, flow: &Flow, cell: Cell, teller: Teller) -> bool {
    let known = match teller {
        Teller::FirstNode => is_translated_here(cell),
        Teller::Collector => cell.way.is_translated(),
    };
    match &flow.service {
        Some(_) => known && is_dialled_service(scene, flow, cell),
        None => !known || (ends_untranslated(cell) && cell.way == Way::NodePort),
    }
}

fn is_dialled_service(scene: &Scene, flow: &Flow, cell: Cell) -> bool {
    let dialled = scene.dialled(cell);
    flow.service.as_ref().is_some_and(|service| {
        server(cell) == Some(format!("{}/{}", service.namespace, service.name))
            && (service.ip, service.port) == (dialled.address, dialled.port)
    })
}

fn faults_elsewhere(scene: &Scene, attempt: &Attempt, flows: &[&Flow]) -> Vec<String> {
    let cell = attempt.cell;
    let outcomes = outcomes_elsewhere(cell, attempt.attempted.result);
    let told: Vec<String> = flows.iter().map(|flow| brief(flow)).collect();
    match (is_seen_elsewhere(cell), flows) {
        (false, []) => vec![],
        (false, _) => vec![format!("the other node tells {told:?}, where nothing came")],
        (true, [flow]) if is_translated_elsewhere(cell) && !is_dialled_service(scene, flow, cell) => {
            vec![format!("the other node tells the service {:?}", flow.service)]
        }
        (true, [flow]) if outcomes.contains(&flow.outcome) => vec![],
        (true, _) => vec![format!("the other node tells {told:?}, not {outcomes:?}")],
    }
}

fn brief(flow: &Flow) -> String {
    let Flow { source, destination, outcome, drop_reason, drop_location, verdict, .. } = flow;
    let Flow { reporter, attempts, tries, .. } = flow;
    format!(
        "{}:{:?} -> {}:{:?} {outcome:?} {drop_reason:?} {drop_location:?} {verdict:?} by {reporter:?} attempts {attempts} tries {tries}",
        source.ip(),
        source.port(),
        destination.ip(),
        destination.port(),
    )
}

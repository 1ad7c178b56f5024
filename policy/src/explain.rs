//! A decision in words a person on call can act on.
//!
//! ```text
//! Connection -> Cluster::inspect -> [ ends ]  -> who, whom, which service
//!                                -> [ sides ] -> tiers -> policies -> rules -> conditions
//!                                -> [ proposal ] -> tried on a copy of the cluster
//!            -> Explanation -> text | JSON
//! ```
//!
//! Owns the words. What a policy, a rule or a condition says is asked of the evaluator's own
//! compiled parts; the specs as they were written are walked beside them for the words alone.

mod backends;
mod case;
mod endpoint;
mod likeness;
mod model;
mod network;
mod peers;
mod ports;
mod proposal;
mod rules;
mod selectors;
mod side;
mod text;
mod tier;
mod written;

pub use model::{
    Backend, Cause, Condition, Endpoint, EndpointKind, Explanation, Idle, NearMiss, Others, Outcome,
    PolicyExplanation, RuleExplanation, SideExplanation, TierExplanation, Translation, Unmet, Via, Why,
};
pub use proposal::{Change, Outlook, Proposal};

use crate::{
    Cluster, Connection, Family, Pod, Service,
    cluster::{Inspection, Route},
    network_policy::Direction,
};
use proposal::Asked;
use side::Told;

/// Explains what the policies say about a connection.
///
/// ```
/// use portolan_policy::{Cluster, Connection, Protocol, explain, parse_manifest};
///
/// let mut cluster = Cluster::default();
/// let manifest = parse_manifest(
///     "
/// apiVersion: v1
/// kind: Pod
/// metadata: {namespace: shop, name: web, labels: {app: front-end}}
/// status: {podIPs: [{ip: 10.0.0.1}]}
/// ---
/// apiVersion: v1
/// kind: Pod
/// metadata: {namespace: shop, name: db, labels: {app: db}}
/// status: {podIPs: [{ip: 10.0.0.2}]}
/// ---
/// apiVersion: networking.k8s.io/v1
/// kind: NetworkPolicy
/// metadata: {namespace: shop, name: db}
/// spec:
///   podSelector: {matchLabels: {app: db}}
///   ingress:
///     - from: [{podSelector: {matchLabels: {app: frontend}}}]
/// ",
/// );
/// for object in manifest.objects {
///     cluster.apply(object)?;
/// }
/// let connection = Connection {
///     source: [10, 0, 0, 1].into(),
///     destination: [10, 0, 0, 2].into(),
///     port: Some(5432),
///     protocol: Protocol::Tcp,
/// };
/// let explanation = explain(&cluster, &connection);
/// assert_eq!(explanation.answer, "shop/web -> shop/db, 5432/TCP: denied at ingress");
///
/// // The text names the slip, and the proposal mends it.
/// assert!(explanation.to_string().contains(
///     "pod label app=front-end, rule wants app=frontend: one hyphen apart"
/// ));
/// let proposal = explanation.ingress.proposal.expect("a slip can be mended");
/// assert!(proposal.apply_to(&mut cluster));
/// assert_eq!(explain(&cluster, &connection).allowed, Some(true));
/// # Ok::<(), portolan_policy::InvalidObject>(())
/// ```
pub fn explain(cluster: &Cluster, connection: &Connection) -> Explanation {
    explain_between(cluster, connection, None, None)
}

/// Explains what the policies say about a connection whose ends are known to be these pods, whoever
/// else claims their addresses; an end that is `None` is whoever holds its address.
pub fn explain_between(
    cluster: &Cluster,
    connection: &Connection,
    source: Option<&Pod>,
    destination: Option<&Pod>,
) -> Explanation {
    let inspection = cluster.inspect(connection, source, destination);
    tell(cluster, &inspection, Asked { connection, source, destination, by_name: None })
}

/// Explains what the policies say about connections to a service that has no address that is known.
pub(crate) fn explain_by_name(
    cluster: &Cluster,
    connection: &Connection,
    source: Option<&Pod>,
    service: &Service,
) -> Explanation {
    let inspection = cluster.inspect_by_name(connection, source, service);
    tell(cluster, &inspection, Asked { connection, source, destination: None, by_name: Some(service) })
}

fn tell<'a>(cluster: &'a Cluster, inspection: &Inspection<'a>, asked: Asked<'_>) -> Explanation {
    let at = explained(&inspection.routes);
    let told = Told { at, evaluation: &inspection.evaluation };
    let side = |direction| side::explain(cluster, inspection, told, direction, asked);
    let (egress, ingress) = (side(Direction::Egress), side(Direction::Ingress));
    let mut explanation = Explanation {
        answer: String::new(),
        allowed: inspection.evaluation.admits(),
        source: endpoint::of(cluster, inspection.connection.source, &inspection.source),
        destination: asked.by_name.map_or_else(
            || endpoint::of(cluster, inspection.connection.destination, &inspection.destination),
            endpoint::by_name,
        ),
        port: asked.connection.port,
        protocol: asked.connection.protocol,
        family: Family::of(inspection.connection.destination),
        service: backends::translation(cluster, inspection, at, [&egress, &ingress], asked),
        unserved: backends::unserved(cluster, inspection),
        egress,
        ingress,
    };
    explanation.answer = text::answer(&explanation);
    explanation
}

/// The route that is told in full: the first that is denied, else the first of which nothing can be
/// said, else the first.
fn explained(routes: &[Route<'_>]) -> usize {
    let first = |answer| routes.iter().position(|route| route.evaluation.admits() == answer);
    first(Some(false)).or_else(|| first(None)).unwrap_or_default()
}

//! The traffic of the demo, attempt by attempt, with what the flows must say of it. Written by hand: neither the
//! firewall nor a policy is asked.

use super::expect::Side;
use super::shop::{PARTNER, PARTNER_V6, STRANGER, STRANGER_V6};
use super::traffic::{DNS, Fate, Step, To, tcp};
use crate::net::addresses::EXTERNAL_V4;
use crate::spec::Protocol;

const ISOLATE_CLIENT: &[&str] = &["shop/client", "shop/default-deny", "shop/dns"];
const ISOLATE_DATABASE: &[&str] = &["shop/database", "shop/default-deny"];

/// Every act after the customers.
pub(super) fn all() -> impl Iterator<Item = Step<'static>> {
    [shop(), hello(), vault(), selectors(), ranges(), edge(), legacy(), rest()].into_iter().flatten()
}

/// One customer: names are resolved, then each tier asks the next.
pub(super) fn customer() -> Vec<Step<'static>> {
    let frontends = To::Service("shop/frontend", 80, &["shop/frontend-a", "shop/frontend-b"], 8080);
    let api = To::Service("shop/api", 80, &["shop/api-a"], 8080);
    let database = To::Service("shop/database", 5432, &["shop/database-0"], 5432);
    let (web, app) = (Side::admitted(&["shop/web"]), Side::admitted(&["shop/app"]));
    vec![
        name_query("shop/client-a"),
        tcp("shop/client-a", frontends).egress(Side::admitted(&["shop/client"])).ingress(web.clone()),
        name_query("shop/frontend-a"),
        tcp("shop/frontend-a", api).egress(web).ingress(app.clone()),
        name_query("shop/api-a"),
        tcp("shop/api-a", database).egress(app).ingress(Side::admitted(&["shop/database"])),
    ]
}

fn name_query(from: &str) -> Step<'_> {
    let names = To::Service(DNS, 53, &["kube-system/coredns-a", "kube-system/coredns-b"], 53);
    tcp(from, names).over(Protocol::Udp).egress(Side::admitted(&["shop/dns"]))
}

/// The shop's other visitors: IPv6, short cuts to the database, and the database calling home.
fn shop() -> Vec<Step<'static>> {
    let frontends = To::Service("shop/frontend", 80, &["shop/frontend-a", "shop/frontend-b"], 8080);
    let database = To::Service("shop/database", 5432, &["shop/database-0"], 5432);
    let closed = Side::denied(ISOLATE_DATABASE);
    let web = tcp("shop/client-a", frontends).egress(Side::admitted(&["shop/client"]));
    vec![
        web.ingress(Side::admitted(&["shop/web"])).v6(),
        tcp("shop/client-a", database)
            .egress(Side::denied(ISOLATE_CLIENT))
            .ingress(closed.clone())
            .is(Fate::Dropped, "denied"),
        tcp("hello/visitor", database).ingress(closed.clone()).is(Fate::Dropped, "denied"),
        tcp("hello/visitor", database).ingress(closed).is(Fate::Dropped, "denied").v6(),
        tcp("shop/database-0", To::Outside(EXTERNAL_V4.into(), 443))
            .egress(Side::denied(&["shop/default-deny", "shop/dns"]))
            .ingress(Side::none())
            .is(Fate::Dropped, "denied"),
        // The kubelet's probe: a pod's own node is always admitted.
        tcp("n1", To::Pod("shop/frontend-a", 8080)).egress(Side::none()).ingress(Side::none()),
    ]
}

/// A frontend that admits only its backend, on port 80.
fn hello() -> Vec<Step<'static>> {
    let closed = || Side::denied(&["hello/frontend"]);
    vec![
        tcp("hello/backend", To::Pod("hello/frontend", 80)).ingress(Side::admitted(&["hello/frontend"])),
        tcp("hello/backend", To::Pod("hello/frontend", 80)).ingress(Side::admitted(&["hello/frontend"])).v6(),
        tcp("hello/backend", To::Pod("hello/frontend", 443)).ingress(closed()).is(Fate::Dropped, "denied"),
        tcp("hello/visitor", To::Pod("hello/frontend", 80)).ingress(closed()).is(Fate::Dropped, "denied"),
    ]
}

/// A namespace that isolates itself; this firewall says no aloud.
fn vault() -> Vec<Step<'static>> {
    let service = To::Service("vault/server", 8200, &["vault/server"], 8200);
    let closed = || Side::denied(&["vault/same-namespace"]);
    vec![
        tcp("vault/agent", service).ingress(Side::admitted(&["vault/same-namespace"])),
        tcp("hello/visitor", service).ingress(closed()).is(Fate::Rejected, "denied"),
        tcp("hello/visitor", service).ingress(closed()).is(Fate::Rejected, "denied").v6(),
        tcp("hello/visitor", To::Pod("vault/server", 8125))
            .over(Protocol::Udp)
            .ingress(closed())
            .is(Fate::Rejected, "denied"),
    ]
}

/// A namespaceSelector AND a podSelector, against one OR the other.
fn selectors() -> Vec<Step<'static>> {
    let mut steps = Vec::new();
    for (target, policy, admitted) in [
        ("selectors/both", "selectors/both", &["monitoring/scraper"][..]),
        (
            "selectors/either",
            "selectors/either",
            &["monitoring/scraper", "monitoring/stranger", "selectors/scraper"],
        ),
    ] {
        for from in ["monitoring/scraper", "monitoring/stranger", "selectors/scraper", "dev/scraper"] {
            let step = tcp(from, To::Pod(target, 9100));
            steps.push(if admitted.contains(&from) {
                step.ingress(Side::admitted(&[policy]))
            } else {
                step.ingress(Side::denied(&[policy])).is(Fate::Dropped, "denied")
            });
        }
    }
    steps
}

/// A range of ports: both ends, one beyond, and one inside where nobody listens.
fn ranges() -> Vec<Step<'static>> {
    let admitted = || Side::admitted(&["ranges/port-range"]);
    vec![
        tcp("dev/scraper", To::Pod("ranges/app", 32000)).ingress(admitted()),
        tcp("dev/scraper", To::Pod("ranges/app", 32768)).ingress(admitted()),
        tcp("dev/scraper", To::Pod("ranges/app", 32769))
            .ingress(Side::denied(&["ranges/port-range"]))
            .is(Fate::Dropped, "denied"),
        tcp("dev/scraper", To::Pod("ranges/app", 32001)).ingress(admitted()).is(Fate::Refused, "failed"),
    ]
}

/// A block of addresses with an exception.
fn edge() -> Vec<Step<'static>> {
    let gateway = To::Pod("edge/gateway", 443);
    let (open, closed) = (|| Side::admitted(&["edge/partners"]), || Side::denied(&["edge/partners"]));
    let outside = |source| tcp("external", gateway).source(source).egress(Side::none());
    vec![
        outside(PARTNER).ingress(open()),
        outside(STRANGER).ingress(closed()).is(Fate::Dropped, "denied"),
        outside(PARTNER_V6).ingress(open()).v6(),
        outside(STRANGER_V6).ingress(closed()).is(Fate::Dropped, "denied").v6(),
        tcp("dev/scraper", gateway).ingress(closed()).is(Fate::Dropped, "denied"),
    ]
}

/// A policy that nothing enforces: what it denies reaches the pod.
fn legacy() -> Vec<Step<'static>> {
    let service = To::Service("legacy/app", 80, &["legacy/app"], 8080);
    let closed = || Side::denied(&["legacy/deny-all"]);
    vec![
        tcp("dev/scraper", service).ingress(closed()).is(Fate::Answered, "unenforced"),
        tcp("dev/scraper", service).ingress(closed()).is(Fate::Answered, "unenforced").v6(),
        tcp("dev/scraper", To::Pod("legacy/app", 9999)).ingress(closed()).is(Fate::Refused, "unenforced"),
        tcp("hello/visitor", To::Pod("legacy/app", 8125))
            .over(Protocol::Udp)
            .ingress(closed())
            .is(Fate::Silent, "unenforced"),
    ]
}

/// What is no policy's doing: silence, an overflow, a rule of the host, an echo.
fn rest() -> Vec<Step<'static>> {
    vec![
        tcp("dev/scraper", To::Pod("hello/backend", 514)).over(Protocol::Udp).is(Fate::Silent, "allowed"),
        // The first fills the backlog.
        tcp("dev/scraper", To::Pod("dev/queue", 9000)),
        tcp("dev/scraper", To::Pod("dev/queue", 9000)).is(Fate::Overflow, "failed"),
        tcp("dev/scraper", To::Outside(EXTERNAL_V4.into(), 25))
            .ingress(Side::none())
            .is(Fate::Dropped, "blocked"),
        tcp("dev/scraper", To::Outside(EXTERNAL_V4.into(), 443)).ingress(Side::none()),
        tcp("dev/scraper", To::Pod("hello/backend", 0)).over(Protocol::Icmp),
    ]
}

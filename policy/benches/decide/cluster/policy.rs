//! The NetworkPolicies of a namespace: the five that most have, and ten more where a namespace has grown.

use super::{
    namespace::{self, FIRST_ORDINARY, INGRESS, MONITORING, PLATFORM, SYSTEM},
    role::Role,
};
use serde_json::{Value, json};

/// One direction's rules; absent where the policy is not about that direction.
type Rules = Option<Value>;

/// All of a namespace.
pub(crate) fn objects(namespace: usize) -> Vec<Value> {
    let first = if namespace < FIRST_ORDINARY { shared(namespace) } else { usual(namespace) };
    let more = grown(namespace);
    first.into_iter().chain(more).take(namespace::policies(namespace)).collect()
}

/// Without egress where the namespace leaves that open.
fn policy(namespace: usize, name: &str, subject: Value, ingress: Rules, egress: Rules) -> Value {
    let egress = egress.filter(|_| !namespace::has_open_egress(namespace));
    let mut types = vec!["Ingress"; usize::from(ingress.is_some() || egress.is_none())];
    types.extend(egress.is_some().then_some("Egress"));
    let mut spec = json!({"podSelector": subject, "policyTypes": types});
    for (direction, rules) in [("ingress", ingress), ("egress", egress)] {
        if let Some(rules) = rules {
            spec[direction] = rules;
        }
    }
    json!({"metadata": {"namespace": namespace::name(namespace), "name": name}, "spec": spec})
}

fn role(role: Role) -> Value {
    json!({"matchLabels": {"app.kubernetes.io/name": role.name()}})
}

fn tier(tiers: &[&str]) -> Value {
    json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": tiers}]})
}

fn of(namespaces: Value, pods: Value) -> Value {
    json!({"namespaceSelector": namespaces, "podSelector": pods})
}

fn named(namespace: usize) -> Value {
    json!({"matchLabels": {"kubernetes.io/metadata.name": namespace::name(namespace)}})
}

fn tcp(port: impl Into<Value>) -> Value {
    json!([{"port": port.into()}])
}

fn name_server() -> Value {
    let pods = json!({"matchLabels": {"k8s-app": "kube-dns"}});
    json!({"to": [of(named(SYSTEM), pods)], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]})
}

fn outside() -> Value {
    json!({"to": [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7"]}},
    ], "ports": tcp(443)})
}

/// Nobody in or out; the name server; metrics.
fn common(namespace: usize) -> Vec<Value> {
    let metrics = json!([{"from": [of(named(MONITORING), json!({}))], "ports": tcp("metrics")}]);
    vec![
        policy(namespace, "default-deny", json!({}), Some(json!([])), Some(json!([]))),
        policy(namespace, "common", json!({}), Some(metrics), Some(json!([name_server()]))),
    ]
}

/// From the gateway to the web, on to the backends, on to the data and to what is outside.
fn usual(namespace: usize) -> Vec<Value> {
    let pods = |selector| json!({"podSelector": selector});
    let web_in = json!([{"from": [of(named(INGRESS), role(Role::Gateway))], "ports": tcp("http")}]);
    let web_out = json!([{"to": [pods(role(Role::Api))], "ports": tcp("grpc")}]);
    let backend_in =
        json!([{"from": [pods(role(Role::Web)), pods(role(Role::Worker))], "ports": tcp("grpc")}]);
    let backend_out = json!([
        {"to": [pods(tier(&["data"]))], "ports": [{"port": 5432, "endPort": 6379}]},
        {"to": [pods(role(Role::Api))], "ports": tcp("grpc")},
        {"to": [of(named(PLATFORM), role(Role::Queue))], "ports": tcp("amqp")},
        outside(),
    ]);
    let data_in = json!([
        {"from": [pods(tier(&["backend"]))], "ports": tcp("postgres")},
        {"from": [pods(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["frontend", "system"]}]}))],
         "ports": [{"port": 6379, "endPort": 6380}]},
    ]);
    let data_out = json!([{"to": [pods(role(Role::Database))], "ports": tcp(5432)}]);
    let mut policies = common(namespace);
    policies.extend([
        policy(namespace, "web", role(Role::Web), Some(web_in), Some(web_out)),
        policy(namespace, "backend", tier(&["backend"]), Some(backend_in), Some(backend_out)),
        policy(namespace, "data", tier(&["data"]), Some(data_in), Some(data_out)),
    ]);
    policies
}

/// What the namespaces have that everybody uses.
fn shared(namespace: usize) -> Vec<Value> {
    let anyone = json!({"namespaceSelector": {}});
    let (subject, ingress, egress) = match namespace {
        SYSTEM => (
            role(Role::Dns),
            json!([{"from": [anyone], "ports": [{"port": "dns", "protocol": "UDP"}, {"port": "dns-tcp"}]}]),
            json!([{"ports": [{"port": 53, "protocol": "UDP"}]}]),
        ),
        INGRESS => (role(Role::Gateway), json!([{"ports": tcp("https")}]), json!([{"to": [anyone]}])),
        MONITORING => (
            role(Role::Prometheus),
            json!([{"from": [of(named(INGRESS), json!({}))]}]),
            json!([{"to": [anyone], "ports": tcp("metrics")}, {"to": [{"ipBlock": {"cidr": "172.20.0.0/16"}}]}]),
        ),
        _ => {
            let living = json!({"matchExpressions": [
                {"key": "env", "operator": "In", "values": ["prod", "staging"]}, {"key": "team", "operator": "Exists"},
            ]});
            let queue = json!([{"from": [of(living, tier(&["backend"]))], "ports": tcp("amqp")}]);
            (role(Role::Queue), queue, json!([]))
        }
    };
    let from_nodes = json!([{"from": [{"ipBlock": {"cidr": "172.20.0.0/16"}}], "ports": [{"port": 1024, "endPort": 32767}]}]);
    let mut policies = common(namespace);
    policies.extend([
        policy(namespace, "service", subject, Some(ingress), Some(egress)),
        policy(namespace, "from-nodes", json!({}), Some(from_nodes), None),
        bystander(namespace),
    ]);
    policies
}

/// Selects nobody any more.
fn bystander(namespace: usize) -> Value {
    let gone = json!({"matchLabels": {"app.kubernetes.io/name": "gone"}});
    policy(namespace, "gone", gone, Some(json!([{"from": [{"podSelector": {}}]}])), None)
}

/// What gathers with the years.
fn grown(namespace: usize) -> Vec<Value> {
    let member = |index: usize| format!("db-{index}");
    let one = json!({"matchLabels": {"statefulset.kubernetes.io/pod-name": member(0)}});
    let others = json!({"matchExpressions":
        [{"key": "statefulset.kubernetes.io/pod-name", "operator": "In", "values": [member(1), member(2)]}]});
    let same_team = json!({"matchLabels": {"team": namespace::team(namespace)}});
    let not_dev = json!({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}]});
    let old = json!({"matchExpressions": [
        {"key": "version", "operator": "Exists"}, {"key": "version", "operator": "NotIn", "values": ["v2"]}]});
    let unversioned = json!({"matchExpressions": [{"key": "version", "operator": "DoesNotExist"}]});
    let block = |cidr: &str, except: &[&str]| json!({"ipBlock": {"cidr": cidr, "except": except}});
    let ingress = |name, subject, rule| policy(namespace, name, subject, Some(json!([rule])), None);
    let egress = |name, subject, rule| policy(namespace, name, subject, None, Some(json!([rule])));
    vec![
        ingress("replicas", one, json!({"from": [{"podSelector": others}], "ports": tcp("postgres")})),
        ingress(
            "team",
            role(Role::Api),
            json!({"from": [of(same_team, role(Role::Api))], "ports": tcp("grpc")}),
        ),
        ingress(
            "partners",
            role(Role::Web),
            json!({"from": [block("203.0.113.0/24", &["203.0.113.128/25"])]}),
        ),
        ingress(
            "office",
            role(Role::Web),
            json!({"from": [block("2001:db8::/32", &["2001:db8:1::/48"])], "ports": tcp("http")}),
        ),
        ingress(
            "workers",
            role(Role::Api),
            json!({"from": [of(not_dev, role(Role::Worker))], "ports": tcp(9000)}),
        ),
        ingress(
            "old-api",
            old,
            json!({"from": [{"podSelector": role(Role::Web)}], "ports": [{"port": 8000, "endPort": 8100}]}),
        ),
        ingress(
            "debug",
            unversioned,
            json!({"from": [block("198.51.100.0/24", &[])], "ports": [{"protocol": "TCP"}]}),
        ),
        egress(
            "kubelet",
            role(Role::Worker),
            json!({"to": [block("172.20.0.0/16", &[])], "ports": tcp(10250)}),
        ),
        egress(
            "legacy",
            tier(&["backend"]),
            json!({"to": [block("192.0.2.0/24", &["192.0.2.0/28", "192.0.2.240/28"])]}),
        ),
        egress(
            "telemetry",
            json!({}),
            json!({"to": [of(named(MONITORING), json!({}))], "ports": [{"port": 8125, "protocol": "UDP"}]}),
        ),
    ]
}

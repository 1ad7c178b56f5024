//! The cluster that the attempts are attributed to: some thousands of pods, and policies over them, as manifests.
//!
//! Forty nodes have one pod each of five applications in fifteen namespaces. In every namespace the applications form
//! a chain in which each may call the next, and ask the name server; everything else is denied. More policies select
//! none of them, as in any cluster that has grown.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Nodes; ours is number 0.
pub(crate) const NODES: u8 = 40;
/// Namespaces.
pub(crate) const NAMESPACES: u8 = 15;
/// Applications of a namespace.
pub(crate) const APPS: u8 = 5;
/// Policies of a namespace that concern none of its pods.
const BYSTANDERS: u8 = 20;

/// The port of every application.
pub(crate) const PORT: u16 = 8080;
/// The port of its service.
pub(crate) const SERVICE_PORT: u16 = 80;
/// The port of the name server.
pub(crate) const DNS_PORT: u16 = 53;
/// The name server's service.
pub(crate) const DNS_SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));
/// The name server's pod on our node.
pub(crate) const DNS_POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 100, 0, 250));

/// The pod of an application on a node.
pub(crate) fn pod(node: u8, namespace: u8, app: u8) -> IpAddr {
    Ipv4Addr::new(10, 100 + node, 0, 2 + namespace * APPS + app).into()
}

/// The service of an application.
pub(crate) fn service(namespace: u8, app: u8) -> IpAddr {
    Ipv4Addr::new(10, 96, 1 + namespace, 10 + app).into()
}

/// Our node.
pub(crate) fn own_node() -> String {
    node_name(0)
}

fn node_name(node: u8) -> String {
    format!("node-{node}")
}

/// All of it.
pub(crate) fn manifests() -> String {
    let mut text = String::new();
    let mut add = |document: String| {
        writeln!(text, "{document}---").expect("a string takes any text");
    };
    add(namespace("kube-system"));
    add(pod_object("kube-system", "dns", "dns", &own_node(), DNS_POD));
    add(service_object("kube-system", "dns", "dns", DNS_SERVICE, [DNS_PORT, DNS_PORT], "UDP"));
    for node in 0..NODES {
        add(format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {}}}\n\
             status: {{addresses: [{{type: InternalIP, address: 10.1.0.{}}}]}}\n",
            node_name(node),
            node + 1
        ));
    }
    for number in 0..NAMESPACES {
        let name = format!("team-{number}");
        add(namespace(&name));
        for app in 0..APPS {
            let label = format!("app-{app}");
            let ports = [SERVICE_PORT, PORT];
            add(service_object(&name, &label, &label, service(number, app), ports, "TCP"));
            add(chain_policy(&name, app));
            for node in 0..NODES {
                add(pod_object(
                    &name,
                    &format!("{label}-{node}"),
                    &label,
                    &node_name(node),
                    pod(node, number, app),
                ));
            }
        }
        for bystander in 0..BYSTANDERS {
            add(bystander_policy(&name, bystander));
        }
    }
    text
}

fn namespace(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{kubernetes.io/metadata.name: {name}}}}}\n"
    )
}

fn pod_object(namespace: &str, name: &str, app: &str, node: &str, ip: IpAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: {namespace}\n  labels: {{app: {app}, team: {namespace}}}\n\
         \x20 ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {app}-5d9f7c, uid: u, controller: true}}]\n\
         spec:\n  nodeName: {node}\n  containers: [{{name: main, image: i, ports: [{{name: http, containerPort: {PORT}}}]}}]\n\
         status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}]}}\n"
    )
}

fn service_object(
    namespace: &str,
    name: &str,
    app: &str,
    ip: IpAddr,
    [port, target]: [u16; 2],
    protocol: &str,
) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  clusterIP: {ip}\n  \
         clusterIPs: [{ip}]\n  selector: {{app: {app}}}\n  ports: [{{port: {port}, targetPort: {target}, protocol: {protocol}}}]\n"
    )
}

/// An application admits the one before it by the name of its port, and may call the one after it and the name server.
fn chain_policy(namespace: &str, app: u8) -> String {
    let (before, after) = ((app + APPS - 1) % APPS, (app + 1) % APPS);
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: app-{app}, namespace: {namespace}}}\nspec:\n  \
         podSelector: {{matchLabels: {{app: app-{app}}}}}\n  policyTypes: [Ingress, Egress]\n  ingress:\n  \
         - from: [{{podSelector: {{matchLabels: {{app: app-{before}}}}}}}]\n    ports: [{{port: http}}]\n  egress:\n  \
         - to: [{{podSelector: {{matchLabels: {{app: app-{after}}}}}}}]\n  \
         - to: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: kube-system}}}}}}]\n    \
         ports: [{{port: {DNS_PORT}, protocol: UDP}}]\n"
    )
}

fn bystander_policy(namespace: &str, number: u8) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: other-{number}, namespace: {namespace}}}\nspec:\n  \
         podSelector: {{matchExpressions: [{{key: tier, operator: In, values: [t{number}, u{number}]}}]}}\n  policyTypes: [Ingress]\n  \
         ingress:\n  - from: [{{ipBlock: {{cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}}}]\n"
    )
}

/// How many policies there are.
pub(crate) fn policies() -> usize {
    usize::from(NAMESPACES) * usize::from(APPS + BYSTANDERS)
}

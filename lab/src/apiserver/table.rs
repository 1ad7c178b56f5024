//! Tables for people: the columns that `kubectl get` prints.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::KindRef;
use super::view::{RowObject, metadata_only};

/// A column between NAME and AGE.
struct Column {
    title: &'static str,
    /// Columns that are not for `-o wide` alone.
    always: bool,
    cell: fn(&Value) -> String,
}

const fn column(title: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { title, always: true, cell }
}

const fn wide(title: &'static str, cell: fn(&Value) -> String) -> Column {
    Column { title, always: false, cell }
}

fn columns(kind: KindRef) -> &'static [Column] {
    const PODS: &[Column] = &[
        column("Ready", ready_containers),
        column("Status", pod_status),
        column("Restarts", restarts),
        wide("IP", |pod| text(&pod["status"]["podIP"])),
        wide("Node", |pod| text(&pod["spec"]["nodeName"])),
    ];
    const SERVICES: &[Column] = &[
        column("Type", |service| text(&service["spec"]["type"])),
        column("Cluster-IP", |service| text(&service["spec"]["clusterIP"])),
        column("Port(s)", service_ports),
        wide("Selector", |service| labels(&service["spec"]["selector"])),
    ];
    const PHASE: &[Column] = &[column("Status", |object| text(&object["status"]["phase"]))];
    const NODES: &[Column] = &[
        column("Status", node_status),
        wide("Internal-IP", internal_ip),
        wide("Pod-CIDR", |node| text(&node["spec"]["podCIDR"])),
    ];
    const POLICIES: &[Column] = &[column("Pod-Selector", |policy| selector(&policy["spec"]["podSelector"]))];
    const SLICES: &[Column] = &[
        column("AddressType", |slice| text(&slice["addressType"])),
        column("Ports", |slice| joined(&slice["ports"], |port| text(&port["port"]))),
        column("Endpoints", |slice| joined(&slice["endpoints"], |endpoint| text(&endpoint["addresses"][0]))),
    ];
    const REPLICATED: &[Column] = &[column("Ready", |object| {
        let ready = object["status"]["readyReplicas"].as_u64().unwrap_or_default();
        format!("{ready}/{}", object["spec"]["replicas"].as_u64().unwrap_or(1))
    })];
    const TIERED: &[Column] = &[
        column("Tier", |policy| text(&policy["spec"]["tier"])),
        column("Priority", |policy| text(&policy["spec"]["priority"])),
    ];
    const PRIORITY: &[Column] = &[column("Priority", |policy| text(&policy["spec"]["priority"]))];
    const EVENTS: &[Column] = &[
        column("Type", |event| text(&event["type"])),
        column("Reason", |event| text(&event["reason"])),
        column("Message", |event| text(&event["message"])),
    ];
    match kind.kind {
        "Pod" => PODS,
        "Service" => SERVICES,
        "Namespace" => PHASE,
        "Node" => NODES,
        "NetworkPolicy" => POLICIES,
        "EndpointSlice" => SLICES,
        "Deployment" | "ReplicaSet" | "StatefulSet" => REPLICATED,
        "ClusterNetworkPolicy" => TIERED,
        "AdminNetworkPolicy" => PRIORITY,
        "Event" => EVENTS,
        _ => &[],
    }
}

/// A `meta.k8s.io/v1` Table of objects.
pub(super) fn table(
    kind: KindRef,
    items: &[&Value],
    row: RowObject,
    metadata: &Value,
    now: Timestamp,
) -> Value {
    let columns = columns(kind);
    let mut definitions = vec![definition("Name", "name", true)];
    definitions.extend(columns.iter().map(|column| definition(column.title, "", column.always)));
    definitions.push(definition("Age", "", true));
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut cells = vec![text(&item["metadata"]["name"])];
            cells.extend(columns.iter().map(|column| (column.cell)(item)));
            cells.push(age(item, now));
            match row {
                RowObject::Nothing => json!({"cells": cells}),
                RowObject::Metadata => json!({"cells": cells, "object": metadata_only(item)}),
                RowObject::Object => json!({"cells": cells, "object": item}),
            }
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn definition(title: &str, format: &str, always: bool) -> Value {
    let priority = i32::from(!always);
    json!({"name": title, "type": "string", "format": format, "description": title, "priority": priority})
}

/// A value as a cell; absent is `<none>`.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "<none>".to_owned(),
        Value::String(text) if text.is_empty() => "<none>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(list: &Value, cell: fn(&Value) -> String) -> String {
    let cells: Vec<String> = list.as_array().into_iter().flatten().map(cell).collect();
    if cells.is_empty() { "<none>".to_owned() } else { cells.join(",") }
}

fn labels(map: &Value) -> String {
    let pairs: Vec<String> =
        map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

fn selector(selector: &Value) -> String {
    let mut terms: Vec<String> = Vec::new();
    if selector["matchLabels"].as_object().is_some_and(|map| !map.is_empty()) {
        terms.push(labels(&selector["matchLabels"]));
    }
    for term in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(&term["key"]);
        let values = joined(&term["values"], text);
        terms.push(match term["operator"].as_str() {
            Some("Exists") => key,
            Some("DoesNotExist") => format!("!{key}"),
            Some("NotIn") => format!("{key} notin ({values})"),
            _ => format!("{key} in ({values})"),
        });
    }
    if terms.is_empty() { "<none>".to_owned() } else { terms.join(",") }
}

fn ready_containers(pod: &Value) -> String {
    let total = pod["spec"]["containers"].as_array().map_or(0, Vec::len);
    let statuses = pod["status"]["containerStatuses"].as_array();
    let ready = statuses.into_iter().flatten().filter(|status| status["ready"] == true).count();
    format!("{ready}/{total}")
}

fn pod_status(pod: &Value) -> String {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".to_owned();
    }
    text(&pod["status"]["phase"])
}

fn restarts(pod: &Value) -> String {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let counts = statuses.into_iter().flatten().filter_map(|status| status["restartCount"].as_u64());
    counts.sum::<u64>().to_string()
}

fn service_ports(service: &Value) -> String {
    joined(&service["spec"]["ports"], |port| format!("{}/{}", text(&port["port"]), text(&port["protocol"])))
}

fn node_status(node: &Value) -> String {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    match ready.map(|condition| condition["status"] == "True") {
        Some(true) => "Ready".to_owned(),
        Some(false) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    }
}

fn internal_ip(node: &Value) -> String {
    let addresses = node["status"]["addresses"].as_array();
    let internal = addresses.into_iter().flatten().find(|address| address["type"] == "InternalIP");
    internal.map_or_else(|| "<none>".to_owned(), |address| text(&address["address"]))
}

/// Age in the largest unit that says enough, as kubectl prints durations.
fn age(object: &Value, now: Timestamp) -> String {
    let created =
        object["metadata"]["creationTimestamp"].as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let Some(created) = created else { return "<unknown>".to_owned() };
    let seconds = (now.as_second() - created.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, object: &Value) -> Vec<(String, String)> {
        let kind = KindRef::by_name(kind).unwrap();
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let table = table(kind, &[object], RowObject::Metadata, &json!({}), now);
        let titles =
            table["columnDefinitions"].as_array().unwrap().iter().map(|column| text(&column["name"]));
        titles.zip(table["rows"][0]["cells"].as_array().unwrap().iter().map(text)).collect()
    }

    fn cell(kind: &str, object: &Value, title: &str) -> String {
        let cells = shown(kind, object);
        cells.into_iter().find(|(name, _)| name == title).map(|(_, cell)| cell).unwrap()
    }

    #[test]
    fn every_kind_has_a_name_and_an_age() {
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:30:00Z"}});
        for kind in KindRef::all() {
            assert_eq!(cell(kind.plural, &object, "Name"), "a", "{kind:?}");
            assert_eq!(cell(kind.plural, &object, "Age"), "30m", "{kind:?}");
        }
    }

    #[test]
    fn a_policy_shows_whom_it_selects() {
        let policy = json!({"spec": {"podSelector": {"matchLabels": {"app": "db"},
            "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["a", "b"]}]}}});
        assert_eq!(cell("netpol", &policy, "Pod-Selector"), "app=db,tier notin (a,b)");
    }

    #[test]
    fn malformed_objects_are_shown_too() {
        assert_eq!(cell("po", &json!("no object"), "Status"), "<none>");
        assert_eq!(cell("svc", &json!({"spec": 3}), "Port(s)"), "<none>");
    }
}

//! An end in JSON, where its port stands among what it is.

use super::{End, PodEnd, Who, Workload};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// An end as it is written. The order of the fields is that of the JSON contract.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Written<'a> {
    Pod {
        namespace: &'a str,
        pod: &'a str,
        workload: &'a Workload,
        ip: IpAddr,
        port: Option<u16>,
        node: &'a str,
    },
    Node {
        node: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pod: Option<&'a str>,
        ip: IpAddr,
        port: Option<u16>,
    },
    Service {
        namespace: &'a str,
        name: &'a str,
        ip: IpAddr,
        port: Option<u16>,
    },
    External {
        ip: IpAddr,
        port: Option<u16>,
    },
}

impl<'a> From<&'a End> for Written<'a> {
    fn from(end: &'a End) -> Self {
        let port = end.port();
        match end.who() {
            Who::Pod(PodEnd { namespace, pod, workload, ip, node, labels: _ }) => {
                Self::Pod { namespace, pod, workload, ip: *ip, port, node }
            }
            Who::Node { node, namespace, pod, ip } => {
                Self::Node { node, namespace: namespace.as_deref(), pod: pod.as_deref(), ip: *ip, port }
            }
            Who::Service { namespace, name, ip } => Self::Service { namespace, name, ip: *ip, port },
            Who::External { ip } => Self::External { ip: *ip, port },
        }
    }
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::from(self).serialize(serializer)
    }
}

/// An end as it is read: labels are not written, but may have been by hand.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Read {
    Pod {
        namespace: String,
        pod: String,
        workload: Workload,
        ip: IpAddr,
        port: Option<u16>,
        node: String,
        #[serde(default)]
        labels: Arc<BTreeMap<String, String>>,
    },
    Node {
        node: String,
        namespace: Option<String>,
        pod: Option<String>,
        ip: IpAddr,
        port: Option<u16>,
    },
    Service {
        namespace: String,
        name: String,
        ip: IpAddr,
        port: Option<u16>,
    },
    External {
        ip: IpAddr,
        port: Option<u16>,
    },
}

impl From<Read> for End {
    fn from(read: Read) -> Self {
        match read {
            Read::Pod { namespace, pod, workload, ip, port, node, labels } => {
                Who::Pod(PodEnd { namespace, pod, workload, ip, node, labels }).at(port)
            }
            Read::Node { node, namespace, pod, ip, port } => Who::Node { node, namespace, pod, ip }.at(port),
            Read::Service { namespace, name, ip, port } => Who::Service { namespace, name, ip }.at(port),
            Read::External { ip, port } => Who::External { ip }.at(port),
        }
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Read::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(labels: &[(&str, &str)]) -> Who {
        Who::Pod(PodEnd {
            namespace: "shop".to_owned(),
            pod: "web-0".to_owned(),
            workload: Workload { kind: "StatefulSet".to_owned(), name: "web".to_owned() },
            ip: [10, 0, 0, 1].into(),
            node: "n1".to_owned(),
            labels: Arc::new(labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()),
        })
    }

    fn node(pod: Option<&str>) -> Who {
        let namespace = pod.map(|_| "kube-system".to_owned());
        Who::Node { node: "n1".to_owned(), namespace, pod: pod.map(str::to_owned), ip: [10, 1, 0, 1].into() }
    }

    #[test]
    fn ends_of_every_kind_are_written_as_the_contract_has_them() {
        let pod_json = r#"{"kind":"pod","namespace":"shop","pod":"web-0","workload":{"kind":"StatefulSet","name":"web"},"ip":"10.0.0.1","port":8080,"node":"n1"}"#;
        let node_json = r#"{"kind":"node","node":"n1","ip":"10.1.0.1","port":22}"#;
        let proxy_json = r#"{"kind":"node","node":"n1","namespace":"kube-system","pod":"proxy","ip":"10.1.0.1","port":null}"#;
        let service_json =
            r#"{"kind":"service","namespace":"shop","name":"db","ip":"10.96.0.7","port":5432}"#;
        let external_json = r#"{"kind":"external","ip":"2001:db8::1","port":443}"#;
        let (namespace, name) = ("shop".to_owned(), "db".to_owned());
        let service = Who::Service { namespace, name, ip: [10, 96, 0, 7].into() };
        let external = Who::External { ip: "2001:db8::1".parse().unwrap() };
        let cases = [
            (pod(&[]).at(Some(8080)), pod_json),
            (node(None).at(Some(22)), node_json),
            (node(Some("proxy")).at(None), proxy_json),
            (service.at(Some(5432)), service_json),
            (external.at(Some(443)), external_json),
        ];
        for (end, json) in cases {
            assert_eq!(serde_json::to_string(&end).unwrap(), json);
            assert_eq!(serde_json::from_str::<End>(json).unwrap(), end);
        }
    }

    #[test]
    fn labels_are_read_and_not_written() {
        let labelled = pod(&[("app", "web")]).at(None);
        let mut json = serde_json::to_value(&labelled).unwrap();
        assert_eq!(serde_json::from_value::<End>(json.clone()).unwrap(), pod(&[]).at(None));
        json["labels"] = serde_json::json!({"app": "web"});
        assert_eq!(serde_json::from_value::<End>(json).unwrap(), labelled);
    }
}

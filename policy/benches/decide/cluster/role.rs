//! The workloads: what they are called, what they serve and who runs their pods.

/// A port that a container names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    pub(crate) name: &'static str,
    pub(crate) number: u16,
    pub(crate) protocol: &'static str,
}

/// Who makes the pods of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    Deployment,
    /// Gives each of its pods a label of its own.
    StatefulSet,
    /// One pod for each node.
    DaemonSet,
}

/// What a workload is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Web,
    Api,
    Worker,
    Database,
    Cache,
    Dns,
    /// In the network of its node.
    Proxy,
    Gateway,
    Prometheus,
    LogCollector,
    Queue,
}

impl Role {
    /// The workloads of an ordinary namespace.
    pub(crate) const ORDINARY: [Self; 5] = [Self::Web, Self::Api, Self::Worker, Self::Database, Self::Cache];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Database => "db",
            Self::Cache => "cache",
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Gateway => "gateway",
            Self::Prometheus => "prometheus",
            Self::LogCollector => "logs",
            Self::Queue => "queue",
        }
    }

    pub(crate) const fn tier(self) -> &'static str {
        match self {
            Self::Web | Self::Gateway => "frontend",
            Self::Api | Self::Worker => "backend",
            Self::Database | Self::Cache | Self::Queue => "data",
            Self::Dns | Self::Proxy | Self::Prometheus | Self::LogCollector => "system",
        }
    }

    pub(crate) const fn controller(self) -> Controller {
        match self {
            Self::Database | Self::Prometheus | Self::Queue => Controller::StatefulSet,
            Self::Proxy | Self::LogCollector => Controller::DaemonSet,
            _ => Controller::Deployment,
        }
    }

    /// What its pods listen on; one name may mean two numbers in two namespaces.
    pub(crate) fn ports(self, namespace: usize) -> Vec<Port> {
        let tcp = |name, number| Port { name, number, protocol: "TCP" };
        let metrics = tcp("metrics", 9090);
        match self {
            Self::Web => vec![tcp("http", if namespace.is_multiple_of(2) { 8080 } else { 3000 }), metrics],
            Self::Api => vec![tcp("grpc", 9000), metrics],
            Self::Database => vec![tcp("postgres", 5432), metrics],
            Self::Cache => vec![tcp("redis", 6379)],
            Self::Dns => vec![Port { name: "dns", number: 53, protocol: "UDP" }, tcp("dns-tcp", 53)],
            Self::Gateway => vec![tcp("https", 8443), metrics],
            Self::LogCollector => vec![tcp("forward", 24224), metrics],
            Self::Queue => vec![tcp("amqp", 5672), metrics],
            Self::Worker | Self::Proxy | Self::Prometheus => vec![metrics],
        }
    }
}

//! Where the benchmark takes place: one full node, routed as a network plugin without overlay does it. Two of its pods
//! talk, the others are only there.
//!
//! No service, and a firewall only for what it is to drop: the shorter the way of a packet, the more a probe on it shows.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::BenchError;
use crate::lab::Lab;
use crate::spec::PodSpec;

pub(super) const NODE: &str = "n1";
pub(super) const CLIENT: &str = "bench/client";
pub(super) const SERVER: &str = "bench/server";
/// Where the agent serves metrics, inside its node.
pub(super) const METRICS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9464);

/// What a kubelet takes by default.
pub(super) const PODS: usize = 110;

/// The port that the firewall keeps.
pub(super) const DENIED: u16 = 9;

/// Policies that admit the traffic and deny the rest, so that a decision costs what it costs.
const POLICIES: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: server, namespace: bench}
spec:
  podSelector: {matchLabels: {app: server}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: client}}}]
      ports: [{port: 8080, protocol: TCP}, {port: 8080, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: client, namespace: bench}
spec:
  podSelector: {matchLabels: {app: client}}
  policyTypes: [Egress]
  egress:
    - to: [{podSelector: {matchLabels: {app: server}}}]
";

/// The firewall of a network plugin: it drops where the node forwards.
const FIREWALL: &str = "table inet portolan_bench { chain forward { type filter hook forward priority 0; policy accept; \
                        meta l4proto { tcp, udp } th dport 9 drop; }; }";
const NO_FIREWALL: &str = "delete table inet portolan_bench";

/// Enough ports for a connection to find one whose last use is more than a second ago.
const CLIENT_SYSCTLS: [(&str, &str); 2] =
    [("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535"), ("/proc/sys/net/ipv4/tcp_tw_reuse", "1")];

/// A standing cluster and a folder for files.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) lab: Lab,
    /// The address of the server.
    pub(super) server: IpAddr,
    folder: Folder,
}

impl Scene {
    /// Makes it.
    pub(super) fn build() -> Result<Self, BenchError> {
        let folder = Folder::create()?;
        let mut lab = Lab::new("bench")?;
        lab.node(NODE)?;
        lab.pod(PodSpec::new(CLIENT).node(NODE).label("app", "client"))?;
        let server = lab.pod(PodSpec::new(SERVER).node(NODE).label("app", "server"))?.v4();
        for number in 2..PODS {
            lab.pod(PodSpec::new(&format!("bench/other-{number}")).node(NODE).label("app", "other"))?;
        }
        lab.add_policy_yaml(POLICIES)?;
        lab.within(CLIENT, || {
            CLIENT_SYSCTLS.iter().try_for_each(|(path, value)| write(Path::new(path), value))
        })??;
        write(&folder.0.join("cluster.yaml"), &lab.manifests()?)?;
        Ok(Self { lab, server, folder })
    }

    /// Does something while the firewall drops what goes to its port.
    pub(super) fn denying<T>(&self, work: impl FnOnce() -> T) -> Result<T, BenchError> {
        self.lab.node_nft(NODE, FIREWALL)?;
        let done = work();
        self.lab.node_nft(NODE, NO_FIREWALL)?;
        Ok(done)
    }

    /// The devices of the pods on their node.
    pub(super) fn veths(&self) -> Result<Vec<String>, BenchError> {
        let others = (2..PODS).map(|number| format!("bench/other-{number}"));
        let pods = [CLIENT.to_owned(), SERVER.to_owned()].into_iter().chain(others);
        let infos: Result<Vec<_>, _> = pods.map(|pod| self.lab.pod_info(&pod)).collect();
        Ok(infos?.into_iter().filter_map(|info| info.veth).collect())
    }

    /// The cluster's objects.
    pub(super) fn manifests(&self) -> PathBuf {
        self.folder.0.join("cluster.yaml")
    }

    /// Where an agent writes its flows.
    pub(super) fn flows(&self) -> PathBuf {
        self.folder.0.join("flows.jsonl")
    }
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(|source| BenchError::Write { what: path.display().to_string(), source })
}

/// The folder of a benchmark is named after its process.
const PREFIX: &str = "portolan-bench-";

/// A folder of its own in memory where the machine has that: a disk that is busy writing flows would be measured too.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, BenchError> {
        const MEMORY: &str = "/dev/shm";
        let parent = if Path::new(MEMORY).is_dir() { PathBuf::from(MEMORY) } else { std::env::temp_dir() };
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path)
            .map_err(|source| BenchError::Write { what: path.display().to_string(), source })?;
        Ok(Self(path))
    }
}

/// Removes what benchmarks left behind that were ended by a signal.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
            && let Err(err) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(folder = %entry.path().display(), %err, "Folder of a dead benchmark not removed.");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(err) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %err, "Folder not removed.");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_of_dead_benchmarks_are_removed() {
        let parent = std::env::temp_dir().join(format!("portolan-lab-sweep-{}", std::process::id()));
        let folder = |name: &str| parent.join(name);
        let (dead, living) = (folder("portolan-bench-4294967295"), folder("portolan-bench-1"));
        let other = folder("somebody-elses");
        for path in [&dead, &living, &other] {
            fs::create_dir_all(path).unwrap();
        }
        sweep(&parent);
        assert_eq!([&dead, &living, &other].map(|path| path.exists()), [false, true, true]);
        fs::remove_dir_all(parent).unwrap();
    }
}

//! What can be wrong with a question, and how to mend it.

use super::Family;

/// A question that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The line is no question at all.
    #[error(
        "{problem}; write {{\"id\":…,\"from\":{{\"pod\":\"NAMESPACE/POD\"}},\"to\":{{\"ip\":\"ADDRESS\"}},\"port\":80}}"
    )]
    Line {
        /// What is wrong.
        problem: String,
    },
    /// A key that is needed is not there.
    #[error("{0} is missing; write \"{0}\":{{\"pod\":\"NAMESPACE/POD\"}} or \"{0}\":{{\"ip\":\"ADDRESS\"}}")]
    Missing(&'static str),
    /// An end that is not of the form of one.
    #[error(
        "{problem}; write one of {{\"pod\":\"NAMESPACE/POD\"}}, {{\"service\":\"NAMESPACE/SERVICE\"}} and \
         {{\"ip\":\"ADDRESS\"}}"
    )]
    End {
        /// What is wrong.
        problem: String,
    },
    /// A value of the wrong type.
    #[error("{value} is no {what}; write text in quotes")]
    NoText {
        /// What it should be.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// An `id` that is a list or an object.
    #[error("the id is no scalar; write text, a number, true, false or null")]
    Id,
    /// No pod, no service and no address.
    #[error("`{0}` is no pod, service or address; write NAMESPACE/POD, svc:NAMESPACE/SERVICE or an address")]
    Place(String),
    /// No pod and no address, in the place of a source.
    #[error("`{0}` is no pod or address; write NAMESPACE/POD or an address")]
    SourcePlace(String),
    /// What is nearly an end.
    #[error("`{text}` is no pod, service or address; {mend}")]
    Slip {
        /// What was written.
        text: String,
        /// What to write.
        mend: String,
    },
    /// No pod's name.
    #[error("`{0}` is no pod's name; write NAMESPACE/POD")]
    PodName(String),
    /// No service's name.
    #[error("`{0}` is no service's name; write NAMESPACE/SERVICE")]
    ServiceName(String),
    /// A service in the place of a source.
    #[error("{0} opens no connection; name the pod, or the address, that does")]
    ServiceAsSource(String),
    /// No address.
    #[error("`{0}` is no address; write one such as 10.0.0.1 or fd00::1")]
    Ip(String),
    /// No port.
    #[error("{0} is no port; write a number from 1 to 65535, without quotes")]
    Port(String),
    /// No protocol.
    #[error("`{0}` is no protocol; write TCP, UDP, SCTP, ICMP or ICMPv6")]
    Protocol(String),
    /// No address family.
    #[error("`{0}` is no address family; write IPv4 or IPv6, or leave it out")]
    Family(String),
    /// No pod of that name.
    #[error("pod {pod} is not known; {}", mend_name(.near.as_deref()))]
    UnknownPod {
        /// The pod that was asked for.
        pod: String,
        /// The pod, or the namespace, that comes nearest.
        near: Option<String>,
    },
    /// No pod of that name, but a service.
    #[error(
        "pod {0} is not known, but a service of that name is: ask for svc:{0}, in a line of JSON for \
         {{\"service\":\"{0}\"}}"
    )]
    PodIsService(String),
    /// No service of that name.
    #[error("{service} is not known; {}", mend_service(.near.as_deref()))]
    UnknownService {
        /// The service that was asked for.
        service: String,
        /// The service that comes nearest.
        near: Option<String>,
    },
    /// The service is headless and without endpoints.
    #[error(
        "{0} has no address of its own, and no ready endpoint of it is known; add its EndpointSlice, or ask about one \
         of its pods"
    )]
    NoServiceAddress(String),
    /// The service is another name for something.
    #[error(
        "{service} is another name for {name} and has no endpoints; ask for the address that {name} leads to"
    )]
    ExternalName {
        /// The service.
        service: String,
        /// Its `externalName`.
        name: String,
    },
    /// The service has no address that is known, and not the port that was asked for.
    #[error("{problem}; ask for a port that it has, or about one of its pods")]
    NoServicePort {
        /// What it lacks, in words.
        problem: String,
    },
    /// The service has no address that is known, and no endpoints for the port.
    #[error(
        "{service} has a ClusterIP that is not known, and no ready endpoint of it is known for {asked}; add its \
         EndpointSlice and spec.clusterIP, or ask about one of its pods"
    )]
    NoClusterIp {
        /// The service.
        service: String,
        /// Port and protocol.
        asked: String,
    },
    /// The pod's phase is Succeeded or Failed (M6).
    #[error("pod {0} has finished and holds no address any more; ask about a pod that runs")]
    FinishedPod(String),
    /// The pod was given no address yet.
    #[error("pod {0} has no address; add status.podIPs to its Pod object")]
    NoAddress(String),
    /// One end has no address of the family that is asked for.
    #[error("{place} has no {family} address; leave the family out or ask for the other one")]
    NotOfFamily {
        /// The end.
        place: String,
        /// The family.
        family: Family,
    },
    /// The ends have no family in common.
    #[error("{from} has {} addresses only and {to} has none of them; ask about ends of one family", .family)]
    NoCommonFamily {
        /// The source.
        from: String,
        /// Its only family.
        family: Family,
        /// The destination.
        to: String,
    },
    /// The same, said of a line that nothing else tells from the others.
    #[error("line {line}: {error}")]
    AtLine {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        error: Box<QueryError>,
    },
    /// What is wrong with one of the two ends.
    #[error("{end}: {error}")]
    At {
        /// `from` or `to`.
        end: &'static str,
        /// What is wrong.
        error: Box<QueryError>,
    },
}

impl QueryError {
    /// The pod that is not known, where that is what is wrong.
    pub fn unknown_pod(&self) -> Option<&str> {
        match self {
            Self::UnknownPod { pod, .. } => Some(pod),
            Self::At { error, .. } | Self::AtLine { error, .. } => error.unknown_pod(),
            _ => None,
        }
    }

    /// The same, said of `from` or `to`.
    pub(super) fn at(self, end: &'static str) -> Self {
        Self::At { end, error: Box::new(self) }
    }
}

fn mend_name(near: Option<&str>) -> String {
    mend("Pod", near)
}

fn mend_service(near: Option<&str>) -> String {
    mend("Service", near)
}

fn mend(kind: &str, near: Option<&str>) -> String {
    near.map_or_else(
        || format!("add its {kind} object to the manifests"),
        |near| format!("did you mean {near}?"),
    )
}

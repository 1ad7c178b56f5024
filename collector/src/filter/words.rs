//! What filters ask of a flow's ends and decisions, whoever keeps the words: a flow of its own, or the tables of a
//! block.

use portolan_policy::{Flow, PodEnd, PolicyRef, Protocol, Who};

/// Who an end is.
pub(crate) trait EndWords {
    /// Its namespace, where it has one.
    fn namespace(&self) -> Option<&str>;

    /// Namespace and name of the pod that it is, on whichever network.
    fn pod(&self) -> Option<(&str, &str)>;

    /// Kind and name of the workload of the pod.
    fn workload(&self) -> Option<(&str, &str)>;

    /// The node that it is, or is on.
    fn node(&self) -> Option<&str>;

    /// Whether it is something that has labels.
    fn has_labels(&self) -> bool;

    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str>;
}

/// What flows between the same ends have in common.
pub(crate) trait RelationWords {
    /// Who began.
    fn source(&self) -> &impl EndWords;

    /// Whom it reached.
    fn destination(&self) -> &impl EndWords;

    /// The port that it reached.
    fn destination_port(&self) -> Option<u16>;

    /// The port of the service that was dialled.
    fn service_port(&self) -> Option<u16>;

    /// The protocol.
    fn protocol(&self) -> Protocol;

    /// Whether any policy that decided is this, by namespace and name.
    fn any_policy(&self, is: &mut dyn FnMut(Option<&str>, &str) -> bool) -> bool;
}

impl EndWords for Who {
    fn namespace(&self) -> Option<&str> {
        match self {
            Self::Pod(PodEnd { namespace, .. }) | Self::Service { namespace, .. } => Some(namespace),
            Self::Node { namespace, .. } => namespace.as_deref(),
            Self::External { .. } => None,
        }
    }

    fn pod(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pod(PodEnd { namespace, pod, .. }) => Some((namespace, pod)),
            Self::Node { namespace, pod, .. } => Some((namespace.as_deref()?, pod.as_deref()?)),
            Self::Service { .. } | Self::External { .. } => None,
        }
    }

    fn workload(&self) -> Option<(&str, &str)> {
        match self {
            Self::Pod(PodEnd { workload, .. }) => Some((&workload.kind, &workload.name)),
            Self::Node { .. } | Self::Service { .. } | Self::External { .. } => None,
        }
    }

    fn node(&self) -> Option<&str> {
        match self {
            Self::Pod(PodEnd { node, .. }) | Self::Node { node, .. } => Some(node),
            Self::Service { .. } | Self::External { .. } => None,
        }
    }

    fn has_labels(&self) -> bool {
        matches!(self, Self::Pod(_))
    }

    fn label(&self, key: &str) -> Option<&str> {
        match self {
            Self::Pod(PodEnd { labels, .. }) => labels.get(key).map(String::as_str),
            Self::Node { .. } | Self::Service { .. } | Self::External { .. } => None,
        }
    }
}

impl RelationWords for Flow {
    fn source(&self) -> &impl EndWords {
        self.source.who()
    }

    fn destination(&self) -> &impl EndWords {
        self.destination.who()
    }

    fn destination_port(&self) -> Option<u16> {
        self.destination.port()
    }

    fn service_port(&self) -> Option<u16> {
        self.service.as_ref().map(|service| service.port)
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn any_policy(&self, is: &mut dyn FnMut(Option<&str>, &str) -> bool) -> bool {
        let mut policies = self.egress.policies.iter().chain(&self.ingress.policies);
        policies.any(|PolicyRef { namespace, name, .. }| is(namespace.as_deref(), name))
    }
}

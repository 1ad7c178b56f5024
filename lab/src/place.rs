//! Where in a lab something happens.

use std::fmt;

/// A namespace of the lab: a pod's, a node's, the outside host's or the core's.
///
/// From text: `shop/web` is a pod, `external` and `core` are themselves, anything else is a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A pod, `namespace/name`. For a pod on the host's network: its node.
    Pod(String),
    /// A node.
    Node(String),
    /// The host outside the cluster.
    External,
    /// The router between all nodes, where the API server and the collector live.
    Core,
}

impl From<&str> for Place {
    fn from(text: &str) -> Self {
        match text {
            "external" => Self::External,
            "core" => Self::Core,
            _ if text.contains('/') => Self::Pod(text.to_owned()),
            _ => Self::Node(text.to_owned()),
        }
    }
}

impl From<&String> for Place {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod(name) | Self::Node(name) => f.write_str(name),
            Self::External => f.write_str("external"),
            Self::Core => f.write_str("core"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_a_place() {
        assert_eq!(Place::from("shop/web"), Place::Pod("shop/web".to_owned()));
        assert_eq!(Place::from("n1"), Place::Node("n1".to_owned()));
        assert_eq!(Place::from("external"), Place::External);
        assert_eq!(Place::from("core"), Place::Core);
    }
}

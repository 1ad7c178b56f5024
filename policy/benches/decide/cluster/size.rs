//! How large a cluster is: all its parts in the proportion of the goal.

/// The parts of a cluster, by the number of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) pods: usize,
}

impl Size {
    /// Fifty pods in each.
    pub(crate) const fn namespaces(self) -> usize {
        self.pods / 50
    }

    /// NetworkPolicies: five for each namespace, on the average.
    pub(crate) const fn policies(self) -> usize {
        self.pods / 10
    }

    /// A hundred pods on each.
    pub(crate) const fn nodes(self) -> usize {
        self.pods / 100
    }

    /// How many there are of something that has one for so many pods, and never less than two.
    pub(crate) fn one_per(self, pods: usize) -> usize {
        (self.pods / pods).max(2)
    }
}

//! What is known of single packets of an attempt: when and where they were seen, dropped or turned away.

use crate::event::Nanos;
use std::net::IpAddr;

/// Where in the node a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the node's own network namespace.
    Node,
    /// Inside the pod that opened the connection.
    SourcePod,
    /// Inside the pod that it was for, after arrival.
    DestinationPod,
}

/// A drop that belongs to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropSeen {
    /// The number of the kernel's reason.
    pub reason: u32,
    /// The kernel address that dropped it.
    pub location: u64,
    /// Whether it was an answer that was dropped.
    pub of_answer: bool,
}

/// The first drop in each place. A network namespace behind a veth need not be a pod's: which of
/// these count is known only with the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// In the node.
    pub node: Option<DropSeen>,
    /// Behind the device that the attempt came from.
    pub source_pod: Option<DropSeen>,
    /// Behind the device that it went to.
    pub destination_pod: Option<DropSeen>,
}

impl Drops {
    pub(super) const fn of_mut(&mut self, place: Place) -> &mut Option<DropSeen> {
        match place {
            Place::Node => &mut self.node,
            Place::SourcePod => &mut self.source_pod,
            Place::DestinationPod => &mut self.destination_pod,
        }
    }

    /// The kernel addresses that dropped.
    pub fn locations(&self) -> impl Iterator<Item = u64> {
        [self.node, self.source_pod, self.destination_pod].into_iter().flatten().map(|drop| drop.location)
    }

    /// Whether there was any, anywhere.
    pub const fn is_any(&self) -> bool {
        self.node.is_some() || self.source_pod.is_some() || self.destination_pod.is_some()
    }

    /// The drop that counts, with its place: what happened behind a device that is no pod's of this
    /// node is another node's to tell.
    pub fn counting(&self, source_local: bool, destination_local: bool) -> Option<(Place, DropSeen)> {
        let node = self.node.map(|drop| (Place::Node, drop));
        let source = self.source_pod.filter(|_| source_local).map(|drop| (Place::SourcePod, drop));
        let destination =
            self.destination_pod.filter(|_| destination_local).map(|drop| (Place::DestinationPod, drop));
        node.or(source).or(destination)
    }
}

/// An ICMP unreachable that belongs to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreachableSeen {
    /// Who sent it.
    pub by: IpAddr,
    /// Whether it says that an administrator forbids it.
    pub prohibited: bool,
    /// Whether it came out of the destination's device.
    pub from_destination_device: bool,
}

/// When something was seen, and on which device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Nanos,
    /// The device.
    pub ifindex: u32,
}

//! Interfaces that are no pod's as yet, and what makes them one: a route, or that the other end moves away. Pure.

use super::{
    devices::DeviceChange,
    links::{Link, Standing, has_moved, host_route},
};
use rtnetlink::packet_route::{link::LinkMessage, route::RouteMessage};
use std::collections::BTreeMap;

/// Interfaces that may become a pod's, by index.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// For a route.
    unrouted: BTreeMap<u32, String>,
    /// For their other end to move.
    inner: BTreeMap<u32, Inner>,
}

/// One end of a pair with both ends here.
#[derive(Debug)]
struct Inner {
    peer: u32,
    name: String,
}

impl Waiting {
    /// Takes in an interface as it is now.
    pub(super) fn noticed(&mut self, link: Link) -> Vec<DeviceChange> {
        let Link { ifindex, name, standing } = link;
        self.inner.remove(&ifindex);
        self.unrouted.remove(&ifindex);
        match standing {
            Standing::Pod => vec![DeviceChange::Up { ifindex, name }],
            Standing::PodIfRouted => {
                self.unrouted.insert(ifindex, name);
                Vec::new()
            }
            Standing::Inner { peer } => {
                self.inner.insert(ifindex, Inner { peer, name });
                // Either was taken for a pod's if it was told of before it had its other end.
                vec![DeviceChange::Gone { ifindex }, DeviceChange::Gone { ifindex: peer }]
            }
        }
    }

    /// Takes in that an interface is gone from here. The kernel tells nothing of the end that stays.
    pub(super) fn gone(&mut self, link: &LinkMessage) -> Vec<DeviceChange> {
        let ifindex = link.header.index;
        self.unrouted.remove(&ifindex);
        self.inner.remove(&ifindex);
        let mut changes = vec![DeviceChange::Gone { ifindex }];
        if has_moved(link) {
            let left = self.inner.extract_if(.., |_, inner| inner.peer == ifindex);
            changes.extend(left.map(|(ifindex, Inner { name, .. })| DeviceChange::Up { ifindex, name }));
        }
        changes
    }

    /// Takes in a route, which may make an interface a pod's.
    pub(super) fn routed(&mut self, route: &RouteMessage) -> Option<DeviceChange> {
        if self.unrouted.is_empty() {
            return None;
        }
        let (ifindex, name) = self.unrouted.remove_entry(&host_route(route)?)?;
        Some(DeviceChange::Up { ifindex, name })
    }

    /// Whether a route may make an interface a pod's.
    pub(super) fn is_for_routes(&self) -> bool {
        !self.unrouted.is_empty()
    }
}

/// The interfaces that are a pod's after all these changes.
pub(super) fn standing(changes: impl IntoIterator<Item = DeviceChange>) -> BTreeMap<u32, String> {
    let mut standing = BTreeMap::new();
    for change in changes {
        match change {
            DeviceChange::Up { ifindex, name } => drop(standing.insert(ifindex, name)),
            DeviceChange::Gone { ifindex } => drop(standing.remove(&ifindex)),
            DeviceChange::Addresses | DeviceChange::Overrun => {}
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::link::LinkAttribute;

    const A: u32 = 4;
    const B: u32 = 5;

    fn link(ifindex: u32, standing: Standing) -> Link {
        Link { ifindex, name: format!("v{ifindex}"), standing }
    }

    fn up(ifindex: u32) -> DeviceChange {
        DeviceChange::Up { ifindex, name: format!("v{ifindex}") }
    }

    fn message(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = attributes;
        message
    }

    fn moved(ifindex: u32) -> LinkMessage {
        message(ifindex, vec![LinkAttribute::NewNetnsId(0)])
    }

    /// A pair is made in one network namespace: its second end is told of before it has the first.
    fn made_here() -> Waiting {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.noticed(link(B, Standing::Pod)), [up(B)]);
        let changes = waiting.noticed(link(A, Standing::Inner { peer: B }));
        assert_eq!(changes, [DeviceChange::Gone { ifindex: A }, DeviceChange::Gone { ifindex: B }]);
        waiting
    }

    #[test]
    fn of_a_list_neither_end_of_a_pair_here_is_a_pods() {
        let mut waiting = Waiting::default();
        let links = [link(3, Standing::Pod), link(B, Standing::Pod), link(A, Standing::Inner { peer: B })];
        let changes: Vec<_> = links.into_iter().flat_map(|link| waiting.noticed(link)).collect();
        assert_eq!(standing(changes), BTreeMap::from([(3, "v3".to_owned())]));
    }

    #[test]
    fn an_interface_that_is_a_pods_waits_for_no_route() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.noticed(link(A, Standing::PodIfRouted)), []);
        assert!(waiting.is_for_routes());
        assert_eq!(waiting.noticed(link(A, Standing::Pod)), [up(A)]);
        assert!(!waiting.is_for_routes());
    }

    #[test]
    fn an_end_is_a_pods_when_the_other_has_moved() {
        let mut waiting = made_here();
        assert_eq!(waiting.gone(&moved(B)), [DeviceChange::Gone { ifindex: B }, up(A)]);
        assert_eq!(waiting.gone(&moved(B)), [DeviceChange::Gone { ifindex: B }], "only once");
    }

    #[test]
    fn an_end_that_has_moved_itself_waits_no_longer() {
        let mut waiting = made_here();
        waiting.noticed(link(B, Standing::Inner { peer: A }));
        assert_eq!(waiting.gone(&moved(A)), [DeviceChange::Gone { ifindex: A }, up(B)]);
        assert!(waiting.inner.is_empty(), "{waiting:?}");
    }

    #[test]
    fn a_pair_that_is_deleted_leaves_nothing() {
        let mut waiting = made_here();
        waiting.noticed(link(B, Standing::Inner { peer: A }));
        for ifindex in [A, B] {
            assert_eq!(waiting.gone(&message(ifindex, vec![])), [DeviceChange::Gone { ifindex }]);
        }
        assert!(waiting.inner.is_empty(), "{waiting:?}");
    }

    #[test]
    fn a_pods_device_whose_other_end_comes_here_is_let_go_of() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.noticed(link(A, Standing::Pod)), [up(A)]);
        assert!(
            waiting
                .noticed(link(B, Standing::Inner { peer: A }))
                .contains(&DeviceChange::Gone { ifindex: A })
        );
        assert_eq!(
            waiting.noticed(link(A, Standing::Pod)),
            [up(A)],
            "and taken again when it is a pod's again"
        );
    }
}

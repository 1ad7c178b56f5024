//! The different peers of many rules, to be found by whom they match.

use super::{
    ground::Ground,
    prefixes::Prefixes,
    selections::{ASKED, Selection, Selections},
};
use crate::{domain_name::DomainName, peer::PeerMatch, selector::Selector};
use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};

/// Whom a peer matches; peers of one shape match the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shape<'a> {
    Pods(Selection<'a>),
    Nodes(Selection<'a>),
    Block(Ground),
    Networks(&'a [IpNet]),
    Names(&'a [DomainName]),
}

impl<'a> Shape<'a> {
    /// Reads a peer of policies whose own namespace has the labels `own` for certain; `None` for a
    /// peer that the API would reject.
    pub(super) fn read(peer: &'a PeerMatch, own: &'a Selector) -> Option<Self> {
        Some(match peer {
            PeerMatch::PodsIn { namespace: _, pods } => Self::Pods(Selection::of_pods(own, pods)),
            PeerMatch::PodsOf { namespaces, pods } => Self::Pods(Selection::of_pods(namespaces, pods)),
            PeerMatch::Block(block) => Self::Block(Ground::of(block)),
            PeerMatch::Networks(networks) => Self::Networks(networks),
            PeerMatch::Nodes(nodes) => Self::Nodes(Selection::of(nodes)),
            PeerMatch::Names(names) => Self::Names(names),
            PeerMatch::Nothing => return None,
        })
    }

    /// Whoever `inner` matches, this one matches, whatever pods there are. "No" only means that it
    /// is not certain.
    pub(super) fn covers(&self, inner: &Shape<'_>) -> bool {
        match (self, inner) {
            (Self::Pods(outer), Shape::Pods(inner)) | (Self::Nodes(outer), Shape::Nodes(inner)) => {
                inner.implies(outer)
            }
            (Self::Block(outer), Shape::Block(inner)) => outer.covers(inner),
            (Self::Networks(outer), Shape::Networks(inner)) => {
                inner.iter().all(|inner| outer.iter().any(|outer| outer.contains(inner)))
            }
            (Self::Names(outer), Shape::Names(inner)) => inner.iter().all(|name| outer.contains(name)),
            _ => false,
        }
    }
}

/// Shapes, each with its number.
pub(super) struct PeerIndex<'a> {
    shapes: Vec<Shape<'a>>,
    ids: HashMap<Shape<'a>, usize>,
    pods: Selections<'a>,
    nodes: Selections<'a>,
    blocks: Prefixes<Blocks>,
    networks: Prefixes<Vec<usize>>,
    names: Vec<usize>,
}

/// The blocks of one network.
#[derive(Debug, Default)]
struct Blocks {
    whole: Vec<usize>,
    by_first_hole: BTreeMap<IpNet, Vec<usize>>,
}

impl<'a> PeerIndex<'a> {
    /// Takes in peers, each shape once.
    pub(super) fn new(peers: impl Iterator<Item = Shape<'a>>) -> Self {
        let (mut shapes, mut ids) = (Vec::new(), HashMap::new());
        for shape in peers {
            ids.entry(shape).or_insert_with_key(|shape| {
                shapes.push(shape.clone());
                shapes.len() - 1
            });
        }
        let numbered = || shapes.iter().enumerate();
        let pods = numbered().filter_map(|(id, shape)| match shape {
            Shape::Pods(pods) => Some((id, pods.clone())),
            _ => None,
        });
        let nodes = numbered().filter_map(|(id, shape)| match shape {
            Shape::Nodes(nodes) => Some((id, nodes.clone())),
            _ => None,
        });
        let (pods, nodes) = (Selections::new(pods), Selections::new(nodes));
        let (blocks, networks) = (Prefixes::default(), Prefixes::default());
        let mut index = Self { shapes, ids, pods, nodes, blocks, networks, names: Vec::new() };
        index.place();
        index
    }

    /// Files what is no selection.
    fn place(&mut self) {
        for (id, shape) in self.shapes.iter().enumerate() {
            match shape {
                Shape::Pods(_) | Shape::Nodes(_) => {}
                Shape::Block(Ground { cidr, holes }) => {
                    let blocks: &mut Blocks = self.blocks.entry(*cidr);
                    match holes.first() {
                        None => blocks.whole.push(id),
                        Some(hole) => blocks.by_first_hole.entry(*hole).or_default().push(id),
                    }
                }
                Shape::Networks(networks) => {
                    for network in *networks {
                        self.networks.entry(*network).push(id);
                    }
                }
                Shape::Names(_) => self.names.push(id),
            }
        }
    }

    /// How many shapes there are.
    pub(super) const fn len(&self) -> usize {
        self.shapes.len()
    }

    /// The number of a shape.
    pub(super) fn id(&self, shape: &Shape<'a>) -> Option<usize> {
        self.ids.get(shape).copied()
    }

    /// The numbers of those that match whomever `inner` matches, of selectors itself
    /// included, and else the first that are found.
    pub(super) fn around<'s>(&'s self, inner: &'s Shape<'_>) -> Box<dyn Iterator<Item = usize> + 's> {
        let candidates: Box<dyn Iterator<Item = usize> + 's> = match inner {
            Shape::Pods(pods) => return Box::new(self.pods.around(pods)),
            Shape::Nodes(nodes) => return Box::new(self.nodes.around(nodes)),
            Shape::Block(ground) => Box::new(
                self.blocks.around(ground.cidr).flat_map(|(cidr, blocks)| blocks.around(cidr, ground)),
            ),
            Shape::Networks(networks) => {
                let first = networks.first().into_iter();
                Box::new(
                    first
                        .flat_map(|first| self.networks.around(*first))
                        .flat_map(|(_, ids)| ids.iter().copied()),
                )
            }
            Shape::Names(_) => Box::new(self.names.iter().copied()),
        };
        Box::new(
            candidates.take(ASKED).filter(|id| self.shapes.get(*id).is_some_and(|outer| outer.covers(inner))),
        )
    }
}

impl Blocks {
    /// Those of the network `cidr` that may cover `inner`. Of one network the first hole must be in
    /// a hole of the inner one; of a wider network it may also lie elsewhere.
    fn around<'s>(&'s self, cidr: IpNet, inner: &'s Ground) -> Box<dyn Iterator<Item = usize> + 's> {
        let whole = self.whole.iter().copied();
        if cidr != inner.cidr {
            return Box::new(whole.chain(self.by_first_hole.values().flatten().copied()));
        }
        let within = inner.holes.iter().flat_map(|hole| {
            let last = IpNet::from(hole.broadcast());
            self.by_first_hole.range(*hole..=last).flat_map(|(_, ids)| ids.iter().copied())
        });
        Box::new(whole.chain(within))
    }
}

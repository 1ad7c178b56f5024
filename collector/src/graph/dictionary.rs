//! A day's words, found by what flows say. Owns the bounds: what is beyond them is `Other`, and counted.

use super::{
    Counters,
    answer::Party,
    log::Place,
    met::Met,
    relation::{KindKey, PartyKey, Relation, SideKey},
    table::{Entry as _, Table},
    words::{CellRow, EdgeRow, Kind, Service, Sizes, Words},
};
use portolan_policy::{Flow, ServiceRef, SideDecision, Who};
use std::sync::Arc;

/// How many a day may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Distinct external addresses.
    pub(crate) addresses: usize,
    /// Cells: edges, by outcome, verdict and what the policies say.
    pub(crate) cells: usize,
}

/// The words of a day, each found by its key.
#[derive(Debug)]
pub(super) struct Dictionary {
    parties: Table<Party>,
    services: Table<Service>,
    kinds: Table<Kind>,
    sides: Table<SideDecision>,
    edges: Table<EdgeRow>,
    cells: Table<CellRow>,
    met_parties: Met<Who>,
    met_services: Met<ServiceRef>,
    met_sides: Met<SideDecision>,
    /// How many of the parties are external addresses.
    addresses: usize,
    /// What is on disk.
    written: Sizes,
}

impl From<Words> for Dictionary {
    fn from(words: Words) -> Self {
        let written = words.sizes();
        let Words { parties, services, kinds, sides, edges, cells } = words;
        let addresses = parties.iter().filter(|party| matches!(party, Party::External { .. })).count();
        Self {
            parties: parties.into(),
            services: services.into(),
            kinds: kinds.into(),
            sides: sides.into(),
            edges: edges.into(),
            cells: cells.into(),
            met_parties: Met::default(),
            met_services: Met::default(),
            met_sides: Met::default(),
            addresses,
            written,
        }
    }
}

impl Dictionary {
    /// The words as they are now.
    pub(super) fn words(&self) -> Words {
        Words {
            parties: self.parties.log().clone(),
            services: self.services.log().clone(),
            kinds: self.kinds.log().clone(),
            sides: self.sides.log().clone(),
            edges: self.edges.log().clone(),
            cells: self.cells.log().clone(),
        }
    }

    /// How many words there are.
    pub(super) fn sizes(&self) -> Sizes {
        let Self { parties, services, kinds, sides, edges, cells, .. } = self;
        Sizes {
            parties: parties.len() as u32,
            services: services.len() as u32,
            kinds: kinds.len() as u32,
            sides: sides.len() as u32,
            edges: edges.len() as u32,
            cells: cells.len() as u32,
        }
    }

    /// How many of them are on disk.
    pub(super) const fn written(&self) -> Sizes {
        self.written
    }

    /// So many are on disk now.
    pub(super) const fn wrote(&mut self, sizes: Sizes) {
        self.written = sizes;
    }

    /// The cell of a flow.
    pub(super) fn cell(&mut self, flow: &Flow, bounds: Bounds, counters: &Counters) -> Place {
        if let Some(cell) = self.again(flow) {
            return cell;
        }
        let relation = Relation::from(flow);
        let cell = self.find(&relation).unwrap_or_else(|| self.make(&relation, bounds, counters));
        self.meet(flow, &relation);
        cell
    }

    /// The cell, where all that the flow names was met before.
    fn again(&self, flow: &Flow) -> Option<Place> {
        let service = match &flow.service {
            Some(service) => Some(self.met_services.find(service)?),
            None => None,
        };
        let edge = self.edges.find(&EdgeRow {
            source: self.party_again(flow.source.shared())?,
            destination: self.party_again(flow.destination.shared())?,
            service,
            port: flow.destination.port(),
            protocol: flow.protocol,
        })?;
        self.cells.find(&CellRow {
            edge,
            kind: self.kinds.find(&KindKey::from(flow))?,
            egress: self.met_sides.find(&flow.egress)?,
            ingress: self.met_sides.find(&flow.ingress)?,
        })
    }

    /// Addresses say all they are, and there may be very many.
    fn party_again(&self, who: &Arc<Who>) -> Option<Place> {
        match **who {
            Who::External { ip } => self.parties.find(&PartyKey::External { ip }),
            _ => self.met_parties.find(who),
        }
    }

    /// Remembers what a flow names, as far as it has places.
    fn meet(&mut self, flow: &Flow, relation: &Relation<'_>) {
        let ends = [(&flow.source, &relation.source), (&flow.destination, &relation.destination)];
        for (end, key) in ends.into_iter().filter(|(end, _)| !matches!(end.who(), Who::External { .. })) {
            if let Some(place) = self.parties.find(key) {
                self.met_parties.meet(end.shared(), place);
            }
        }
        if let (Some(service), Some(key)) = (&flow.service, &relation.service)
            && let Some(place) = self.services.find(key)
        {
            self.met_services.meet(service, place);
        }
        for side in [&flow.egress, &flow.ingress] {
            if let Some(place) = self.sides.find(&SideKey::from(&**side)) {
                self.met_sides.meet(side, place);
            }
        }
    }

    /// The cell that is there already.
    fn find(&self, relation: &Relation<'_>) -> Option<Place> {
        let service = match &relation.service {
            Some(service) => Some(self.services.find(service)?),
            None => None,
        };
        let edge = self.edges.find(&EdgeRow {
            source: self.parties.find(&relation.source)?,
            destination: self.parties.find(&relation.destination)?,
            service,
            port: relation.port,
            protocol: relation.protocol,
        })?;
        self.cells.find(&CellRow {
            edge,
            kind: self.kinds.find(&relation.kind)?,
            egress: self.sides.find(&relation.egress)?,
            ingress: self.sides.find(&relation.ingress)?,
        })
    }

    /// A new cell, or the one that stands for those beyond the bounds.
    fn make(&mut self, relation: &Relation<'_>, bounds: Bounds, counters: &Counters) -> Place {
        let near = Relation {
            source: self.within(relation.source, bounds, counters),
            destination: self.within(relation.destination, bounds, counters),
            ..*relation
        };
        if let Some(cell) = self.find(&near) {
            return cell;
        }
        if self.cells.len() < bounds.cells {
            return self.place(&near);
        }
        counters.other_edges.inc();
        self.place(&near.beyond())
    }

    /// The party, or `Other` where it is one address too many.
    fn within<'a>(&self, party: PartyKey<'a>, bounds: Bounds, counters: &Counters) -> PartyKey<'a> {
        let is_external = matches!(party, PartyKey::External { .. });
        if is_external && self.addresses >= bounds.addresses && self.parties.find(&party).is_none() {
            counters.other_addresses.inc();
            return PartyKey::Other;
        }
        party
    }

    fn place(&mut self, relation: &Relation<'_>) -> Place {
        let edge = EdgeRow {
            source: self.party(&relation.source),
            destination: self.party(&relation.destination),
            service: relation.service.map(|service| self.services.place(&service)),
            port: relation.port,
            protocol: relation.protocol,
        };
        let cell = CellRow {
            edge: self.edges.place(&edge),
            kind: self.kinds.place(&relation.kind),
            egress: self.sides.place(&relation.egress),
            ingress: self.sides.place(&relation.ingress),
        };
        self.cells.place(&cell)
    }

    fn party(&mut self, party: &PartyKey<'_>) -> Place {
        let before = self.parties.len();
        let place = self.parties.place(party);
        if self.parties.len() > before && matches!(party, PartyKey::External { .. }) {
            self.addresses += 1;
        }
        place
    }

    /// The places that another day's cells have here; what is new is taken in.
    pub(super) fn take_in(&mut self, words: &Words) -> Vec<Place> {
        let parties: Vec<_> = words.parties.iter().map(|party| self.parties.place(&party.key())).collect();
        let services: Vec<_> =
            words.services.iter().map(|service| self.services.place(&service.key())).collect();
        let kinds: Vec<_> = words.kinds.iter().map(|kind| self.kinds.place(&kind.key())).collect();
        let sides: Vec<_> = words.sides.iter().map(|side| self.sides.place(&side.key())).collect();
        let edge = |edge: &EdgeRow| EdgeRow {
            source: parties[edge.source as usize],
            destination: parties[edge.destination as usize],
            service: edge.service.map(|service| services[service as usize]),
            ..*edge
        };
        let edges: Vec<_> = words.edges.iter().map(|row| self.edges.place(&edge(row))).collect();
        let cell = |cell: &CellRow| CellRow {
            edge: edges[cell.edge as usize],
            kind: kinds[cell.kind as usize],
            egress: sides[cell.egress as usize],
            ingress: sides[cell.ingress as usize],
        };
        words.cells.iter().map(|row| self.cells.place(&cell(row))).collect()
    }
}

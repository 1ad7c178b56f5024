//! Words as they are kept: what is new since the last time.

use super::{
    answer::Party,
    words::{CellRow, EdgeRow, Kind, NO_CELL, NO_EDGE, Service, Sizes, Words},
};
use portolan_policy::{PolicyKind, PolicyRef, SideDecision, SideVerdict};
use serde::{Deserialize, Serialize};

/// What came after others, in the form that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Addition {
    after: Sizes,
    parties: Vec<Party>,
    services: Vec<Service>,
    kinds: Vec<Kind>,
    sides: Vec<SideForm>,
    edges: Vec<EdgeRow>,
    cells: Vec<CellRow>,
}

/// The most bytes of a piece before it is compressed; what is unpacked has an end.
const PIECE: usize = 16 * 1024 * 1024;

impl Addition {
    /// Its rows in several, one after the other, none of which is larger than can be read again.
    pub(super) fn pieces(self) -> Vec<Self> {
        self.pieces_of(PIECE)
    }

    fn pieces_of(self, most: usize) -> Vec<Self> {
        let size = postcard::experimental::serialized_size(&self).unwrap_or(usize::MAX);
        let rows = self.rows();
        if size <= most || rows < 2 {
            return vec![self];
        }
        let (first, rest) = self.split(rows / 2);
        [first.pieces_of(most), rest.pieces_of(most)].concat()
    }

    const fn rows(&self) -> usize {
        let Self { after: _, parties, services, kinds, sides, edges, cells } = self;
        parties.len() + services.len() + kinds.len() + sides.len() + edges.len() + cells.len()
    }

    /// The first so many rows, and the others. What a row names stands before it.
    fn split(mut self, mut rows: usize) -> (Self, Self) {
        let mut after = self.after;
        let rest = Self {
            parties: rest_of(&mut self.parties, &mut rows, &mut after.parties),
            services: rest_of(&mut self.services, &mut rows, &mut after.services),
            kinds: rest_of(&mut self.kinds, &mut rows, &mut after.kinds),
            sides: rest_of(&mut self.sides, &mut rows, &mut after.sides),
            edges: rest_of(&mut self.edges, &mut rows, &mut after.edges),
            cells: rest_of(&mut self.cells, &mut rows, &mut after.cells),
            after,
        };
        (self, rest)
    }

    /// Whether it adds nothing.
    pub(super) const fn is_empty(&self) -> bool {
        let Self { after: _, parties, services, kinds, sides, edges, cells } = self;
        parties.is_empty()
            && services.is_empty()
            && kinds.is_empty()
            && sides.is_empty()
            && edges.is_empty()
            && cells.is_empty()
    }

    fn ends_within(&self, most: Sizes) -> bool {
        let Self { after, parties, services, kinds, sides, edges, cells } = self;
        let fits =
            |after: u32, count: usize, most: u32| (after as usize).saturating_add(count) <= most as usize;
        fits(after.parties, parties.len(), most.parties)
            && fits(after.services, services.len(), most.services)
            && fits(after.kinds, kinds.len(), most.kinds)
            && fits(after.sides, sides.len(), most.sides)
            && fits(after.edges, edges.len(), most.edges)
            && fits(after.cells, cells.len(), most.cells)
    }
}

/// Leaves as many as there are rows to be left, and gives the others.
fn rest_of<T>(entries: &mut Vec<T>, rows: &mut usize, after: &mut u32) -> Vec<T> {
    let left = entries.len().min(*rows);
    *rows -= left;
    *after += left as u32;
    entries.split_off(left)
}

/// A side; in JSON it leaves out what it has not, which this form cannot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SideForm(SideVerdict, Vec<PolicyForm>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct PolicyForm(PolicyKind, Option<String>, String, Option<u32>);

impl SideForm {
    fn of(SideDecision { verdict, policies, reason: _ }: &SideDecision) -> Self {
        let policy = |PolicyRef { kind, namespace, name, rule }: &PolicyRef| {
            PolicyForm(*kind, namespace.clone(), name.clone(), *rule)
        };
        Self(*verdict, policies.iter().map(policy).collect())
    }

    fn into_side(self) -> SideDecision {
        let Self(verdict, policies) = self;
        let policy = |PolicyForm(kind, namespace, name, rule)| PolicyRef { kind, namespace, name, rule };
        SideDecision { policies: policies.into_iter().map(policy).collect(), ..SideDecision::plain(verdict) }
    }
}

impl Words {
    /// What has been added since there were so many.
    pub(super) fn since(&self, after: Sizes) -> Addition {
        Addition {
            after,
            parties: self.parties.from(after.parties as usize).cloned().collect(),
            services: self.services.from(after.services as usize).cloned().collect(),
            kinds: self.kinds.from(after.kinds as usize).cloned().collect(),
            sides: self.sides.from(after.sides as usize).map(SideForm::of).collect(),
            edges: self.edges.from(after.edges as usize).copied().collect(),
            cells: self.cells.from(after.cells as usize).copied().collect(),
        }
    }

    /// Takes an addition in, if there is room for it among so many. Where one before it is missing, what
    /// it named is [`Party::Other`].
    pub(super) fn add(&mut self, addition: Addition, most: Sizes) -> Result<(), &'static str> {
        if !addition.ends_within(most) {
            return Err("these names are more than there are");
        }
        let Addition { after, parties, services, kinds, sides, edges, cells } = addition;
        self.fill(after);
        self.parties.extend(parties);
        self.services.extend(services);
        self.kinds.extend(kinds);
        self.sides.extend(sides.into_iter().map(SideForm::into_side));
        for edge in edges {
            self.edges.push(if self.knows_edge(edge) { edge } else { NO_EDGE });
        }
        for cell in cells {
            self.cells.push(if self.knows_cell(cell) { cell } else { NO_CELL });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portolan_policy::Protocol;

    #[test]
    fn words_in_pieces_are_the_words() {
        let mut words = Words::default();
        let before = words.sizes();
        for place in 1..60 {
            words.parties.push(Party::Node { name: format!("n{place}") });
            words.services.push(Service("shop".to_owned(), format!("s{place}")));
            let service = Some(place - 1);
            let edge =
                EdgeRow { source: place, destination: 0, service, port: None, protocol: Protocol::Tcp };
            words.edges.push(edge);
            words.cells.push(CellRow { edge: place, kind: 0, egress: 0, ingress: 0 });
        }
        let pieces = words.since(before).pieces_of(100);
        assert!(pieces.len() > 10);
        let (mut again, most) = (Words::default(), words.sizes());
        for piece in pieces {
            assert!(postcard::to_stdvec(&piece).unwrap().len() <= 100);
            again.add(piece, most).unwrap();
        }
        assert_eq!(format!("{again:?}"), format!("{words:?}"));
    }
}

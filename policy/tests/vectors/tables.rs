//! Cases with a table of all connections between the pods, each side by itself and both together.

use crate::{
    read,
    state::{Evaluators, State},
};
use portolan_policy::{Connection, Protocol, SideVerdict};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    state: State,
    order: Vec<String>,
    tables: Vec<Table>,
}

#[derive(Deserialize)]
struct Table {
    port: u16,
    protocol: Protocol,
    egress: Vec<String>,
    ingress: Vec<String>,
    combined: Vec<String>,
}

/// How many cells were checked in the tables of each sort.
#[derive(Debug, Default, PartialEq)]
struct Checked {
    egress: usize,
    ingress: usize,
    combined: usize,
}

impl Case {
    fn check(&self, checked: &mut Checked) {
        let evaluators = self.state.evaluators([]);
        for table in &self.tables {
            for row in 0..self.order.len() {
                for column in 0..self.order.len() {
                    self.check_cell(&evaluators, table, (row, column), checked);
                }
            }
        }
    }

    fn check_cell(&self, evaluators: &Evaluators, table: &Table, at: (usize, usize), checked: &mut Checked) {
        let connection = Connection {
            source: self.state.ip(&self.order[at.0]),
            destination: self.state.ip(&self.order[at.1]),
            port: Some(table.port),
            protocol: table.protocol,
        };
        let decision = evaluators.decide(&connection);
        let sides = [
            (&table.egress, Some(decision.egress.verdict != SideVerdict::Denied), &mut checked.egress),
            (&table.ingress, Some(decision.ingress.verdict != SideVerdict::Denied), &mut checked.ingress),
            (&table.combined, decision.admits(), &mut checked.combined),
        ];
        for (rows, admits, count) in sides {
            if let Some(expected) = expected(rows[at.0].as_bytes()[at.1]) {
                assert_eq!(admits, Some(expected), "{}: {connection:?}: {decision:?}", self.state.id);
                *count += 1;
            }
        }
    }
}

/// What a cell says; the pod itself and ports that nobody serves are not asserted.
fn expected(cell: u8) -> Option<bool> {
    match cell {
        b'.' => Some(true),
        b'X' => Some(false),
        _ => None,
    }
}

#[test]
fn the_simulator_of_cyclonus_agrees() {
    let Some(cases) = read::<Case>("cyclonus-odd.json") else { return };
    let mut checked = Checked::default();
    for case in &cases {
        case.check(&mut checked);
    }
    assert_eq!(checked, Checked { egress: 55_620, ingress: 55_620, combined: 55_620 });
}

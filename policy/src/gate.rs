//! What a rule needs at the very least: most rules are ruled out by it, and are not read at all.
//!
//! ```text
//! question -> [ Sought ] -> [ Gate ] per rule, side by side -> those that may match -> [ Rule ]
//! ```

use crate::{
    Protocol,
    marks::Marks,
    peer::Surroundings,
    port::PortMatch,
    rule::{Question, Rule},
    tier_policy::Matched,
};
use smallvec::SmallVec;

/// What a rule needs at the very least: what does not pass, it does not match for certain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    needs: Marks,
    first: u16,
    last: u16,
    protocols: u8,
    /// The place of the rule in its policy.
    rule: u32,
    /// The place of the policy in a list.
    policy: u32,
}

/// What passes gates: the other end, the port and the protocol of a question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    marks: Marks,
    /// From and to the same port; from the first to the last while it is not known.
    low: u16,
    high: u16,
    protocol: u8,
}

const fn bit(protocol: Protocol) -> u8 {
    1 << protocol as u8
}

impl Gate {
    /// Everything passes.
    const OPEN: Self =
        Self { needs: Marks::NONE, first: 0, last: u16::MAX, protocols: u8::MAX, rule: 0, policy: 0 };
    /// Nothing passes.
    const SHUT: Self = Self { protocols: 0, ..Self::OPEN };

    pub(crate) fn of(rule: &Rule) -> Self {
        let ports = match rule.ports.as_slice() {
            [] => Self::OPEN,
            ports => ports.iter().map(Self::of_port).fold(Self::SHUT, Self::or),
        };
        Self { needs: rule.peers.needs(), ..ports }
    }

    pub(crate) fn of_matched(matched: &Matched) -> Self {
        match matched {
            Matched::Rule(rule) => Self::of(rule),
            Matched::All => Self::OPEN,
            Matched::Nothing => Self::SHUT,
        }
    }

    fn of_port(port: &PortMatch) -> Self {
        match port {
            PortMatch::All(protocol) | PortMatch::Named(Some(protocol), _) => {
                Self { protocols: bit(*protocol), ..Self::OPEN }
            }
            PortMatch::Range(protocol, range) => {
                Self { first: *range.start(), last: *range.end(), protocols: bit(*protocol), ..Self::OPEN }
            }
            PortMatch::Named(None, _) => Self::OPEN,
            PortMatch::Nothing => Self::SHUT,
        }
    }

    /// What passes one or the other port.
    fn or(self, other: Self) -> Self {
        match (self.protocols, other.protocols) {
            (0, _) => other,
            (_, 0) => self,
            (one, two) => Self {
                first: self.first.min(other.first),
                last: self.last.max(other.last),
                protocols: one | two,
                ..Self::OPEN
            },
        }
    }

    /// Whether the rule may match.
    const fn lets(&self, sought: &Sought) -> bool {
        sought.marks.have(self.needs)
            && self.protocols & sought.protocol != 0
            && self.first <= sought.high
            && sought.low <= self.last
    }
}

/// The gates of the rules of one policy, in their order.
pub(crate) fn of_policy(gates: impl Iterator<Item = Gate>) -> Box<[Gate]> {
    (0..).zip(gates).map(|(rule, gate)| Gate { rule, ..gate }).collect()
}

/// The gates of the rules of a list of policies, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(SmallVec<[Gate; 6]>);

impl Gates {
    pub(crate) fn of_list(policies: &[&[Gate]]) -> Self {
        let numbered = (0..).zip(policies);
        Self(
            numbered
                .flat_map(|(policy, gates)| gates.iter().map(move |gate| Gate { policy, ..*gate }))
                .collect(),
        )
    }

    /// Asks for each rule that may match, by the places of its policy and of itself, until the answer
    /// is yes.
    pub(crate) fn any_open(&self, sought: Sought, mut rule: impl FnMut(usize, u32) -> bool) -> bool {
        self.0.iter().any(|gate| gate.lets(&sought) && rule(gate.policy as usize, gate.rule))
    }
}

impl Sought {
    pub(crate) fn new<S: Surroundings>(question: &Question<'_, S>) -> Self {
        let (low, high) = question.dialled.port.map_or((0, u16::MAX), |port| (port, port));
        Self { marks: question.marks, low, high, protocol: bit(question.dialled.protocol) }
    }
}

#[cfg(test)]
mod tests;

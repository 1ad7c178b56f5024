//! What the rules say about themselves: asked for when a packet meets one, and remembered.

use super::{
    event::{Fate, Place, Step},
    link::{Link, Request},
    wire::{Attributes, attributes, number, text},
};
use portolan_policy::{Enforcer, RuleVerdict};
use std::{collections::HashMap, sync::Arc};
use tracing::debug;

/// Rules that are remembered. So few decide about openings that more is a sign of a ruleset that grows.
const REMEMBERED: usize = 4096;

const GET_RULE: u16 = 7;
const GET_GENERATION: u16 = 16;

/// The rules of the network namespace, asked one by one.
#[derive(Debug)]
pub(super) struct Rules {
    generation: Option<u32>,
    known: HashMap<(Place, Fate), Option<Arc<Enforcer>>>,
}

impl Rules {
    /// None is known yet.
    pub(super) fn new() -> Self {
        Self { generation: None, known: HashMap::new() }
    }

    /// Forgets all when the ruleset has changed: another rule may bear the same handle in a table that
    /// was made anew.
    pub(super) fn look_again(&mut self, link: &mut Link) {
        let question =
            Request { message: GET_GENERATION, flags: 0, family: 0, attributes: Attributes::new() };
        let generation = link.ask(&question).ok().and_then(|answer| {
            attributes(&answer).find(|(kind, _)| *kind == 1).and_then(|(_, value)| number(value))
        });
        if generation.is_none() || generation != self.generation || self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.generation = generation;
    }

    /// The rule that decided at this step; `None` where nothing was decided about the packet's way.
    pub(super) fn enforcer(&mut self, step: &Step, link: &mut Link) -> Option<Arc<Enforcer>> {
        let verdict = match (step.fate, step.place.handle) {
            // The policy of a chain that lets everything go on has decided nothing.
            (Fate::GoesOn, _) | (Fate::Accepted, None) => return None,
            (Fate::Accepted, Some(_)) => RuleVerdict::Accept,
            (Fate::Dropped, _) => RuleVerdict::Drop,
            (Fate::Queued, _) => RuleVerdict::Queue,
        };
        let key = (step.place.clone(), step.fate);
        self.known.entry(key).or_insert_with(|| named(&step.place, verdict, link)).clone()
    }
}

fn named(place: &Place, verdict: RuleVerdict, link: &mut Link) -> Option<Arc<Enforcer>> {
    let rule = place.handle.map(|handle| ask(place, handle, link)).unwrap_or_default();
    // To choose a backend or another source is no decision whether the packet may go on.
    if rule.translates && verdict == RuleVerdict::Accept {
        return None;
    }
    let verdict = if rule.tells && verdict == RuleVerdict::Drop { RuleVerdict::Reject } else { verdict };
    Some(Arc::new(Enforcer {
        family: family(place.family),
        table: place.table.clone(),
        chain: place.chain.clone(),
        handle: place.handle,
        comment: rule.comment,
        verdict,
    }))
}

/// A rule that is gone by now has its handle and nothing more to say.
fn ask(place: &Place, handle: u64, link: &mut Link) -> Rule {
    let attributes = Attributes::new().text(1, &place.table).text(2, &place.chain).u64(3, handle);
    let question = Request { message: GET_RULE, flags: 0, family: place.family, attributes };
    match link.ask(&question) {
        Ok(answer) => Rule::read(&answer),
        Err(error) => {
            debug!(?place, %error, "A rule that decided cannot be asked for its comment.");
            Rule::default()
        }
    }
}

fn family(number: u8) -> String {
    match number {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        other => return format!("family-{other}"),
    }
    .to_owned()
}

/// What is of interest in a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    comment: Option<String>,
    /// It changes addresses.
    translates: bool,
    /// It tells the sender that it dropped the packet.
    tells: bool,
}

impl Rule {
    fn read(bytes: &[u8]) -> Self {
        const EXPRESSIONS: u16 = 4;
        const USERDATA: u16 = 7;
        let mut rule = Self::default();
        for (kind, value) in attributes(bytes) {
            match kind {
                EXPRESSIONS => attributes(value).for_each(|(_, expression)| rule.take(expression)),
                USERDATA => rule.comment = comment(value).or(rule.comment),
                _ => {}
            }
        }
        rule
    }

    /// Takes in an expression: one of nftables, or a match or target of iptables in its clothes.
    fn take(&mut self, expression: &[u8]) {
        let part =
            |bytes, wanted: u16| attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        let name = |bytes| part(bytes, 1).map(text).unwrap_or_default();
        let data = part(expression, 2).unwrap_or_default();
        match (name(expression).as_str(), name(data).as_str()) {
            ("nat" | "masq" | "redir" | "tproxy", _)
            | ("target", "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT" | "NETMAP" | "TPROXY") => {
                self.translates = true;
            }
            ("reject", _) | ("target", "REJECT") => self.tells = true,
            ("match", "comment") => self.comment = part(data, 3).map(text).or(self.comment.take()),
            _ => {}
        }
    }
}

/// The comment in what a rule's maker wrote to itself: a number, a length and the value, each.
fn comment(mut userdata: &[u8]) -> Option<String> {
    const COMMENT: u8 = 0;
    loop {
        let [kind, length, rest @ ..] = userdata else { return None };
        let value = rest.get(..usize::from(*length))?;
        if *kind == COMMENT {
            return Some(text(value));
        }
        userdata = &rest[value.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expression(name: &str, data: &Attributes) -> Attributes {
        Attributes::new().nested(1, &Attributes::new().text(1, name).nested(2, data))
    }

    fn rule(expressions: &Attributes, userdata: &[u8]) -> Rule {
        let bytes = crate::trace::wire::message(
            crate::trace::wire::Head { kind: 0, flags: 0, sequence: 0, family: 0, resource: 0 },
            &Attributes::new().text(1, "filter").nested(4, expressions).bytes(7, userdata),
        );
        Rule::read(crate::trace::wire::messages(&bytes).next().unwrap().attributes)
    }

    #[test]
    fn a_comment_stands_beside_other_words_of_the_rules_maker() {
        let userdata = [&[3, 2, 1, 1, 0, 5][..], b"by x\0"].concat();
        let found = rule(&expression("reject", &Attributes::new()), &userdata);
        assert_eq!(found, Rule { comment: Some("by x".to_owned()), translates: false, tells: true });
        assert_eq!(comment(&[0, 9, b'x']), None, "it is shorter than it says");
        assert_eq!(comment(&[1, 1, 7]), None);
    }

    #[test]
    fn rules_of_iptables_are_understood_in_their_clothes() {
        let target = |name| rule(&expression("target", &Attributes::new().text(1, name)), &[]);
        assert_eq!((target("DNAT").translates, target("DROP").translates), (true, false));
        assert_eq!((target("REJECT").tells, target("DROP").tells), (true, false));
        let remark = [&b"by y"[..], &[0; 252]].concat();
        let data = Attributes::new().text(1, "comment").u32(2, 0).bytes(3, &remark);
        assert_eq!(rule(&expression("match", &data), &[]).comment.as_deref(), Some("by y"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>) {
            Rule::read(&bytes);
            comment(&bytes);
        }
    }
}

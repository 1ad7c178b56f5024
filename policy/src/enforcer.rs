//! The very rule of a node's firewall that decided about an attempt.

use crate::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a firewall's rule did with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// It let it go on.
    Accept,
    /// It dropped it.
    Drop,
    /// It dropped it and told the sender.
    Reject,
    /// It gave it to a program, which decides.
    Queue,
}

impl RuleVerdict {
    /// Every verdict, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Accept, Self::Drop, Self::Reject, Self::Queue];

    /// The spelling used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Queue => "queue",
        }
    }

    /// Whether the packet went no further.
    pub const fn is_denial(self) -> bool {
        matches!(self, Self::Drop | Self::Reject)
    }
}

/// The rule of nftables that decided, or the policy of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Enforcer {
    /// The family of its table: `inet`, `ip`, `ip6`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// Its handle in the table; null where no rule decided but the policy of the chain.
    pub handle: Option<u64>,
    /// Its comment, which network plugins use to say what it is for.
    pub comment: Option<String>,
    /// What it did.
    pub verdict: RuleVerdict,
}

impl Enforcer {
    /// Whether this may be what brought about the outcome.
    pub const fn agrees_with(&self, outcome: Outcome) -> bool {
        match self.verdict {
            RuleVerdict::Accept => !matches!(outcome, Outcome::Dropped | Outcome::Rejected),
            RuleVerdict::Drop | RuleVerdict::Reject => {
                !matches!(outcome, Outcome::Established | Outcome::Refused)
            }
            RuleVerdict::Queue => true,
        }
    }
}

impl fmt::Display for Enforcer {
    /// In few words: `drop in inet filter forward (rule 17, "by policy x")`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, table, chain, handle, comment, verdict } = self;
        write!(f, "{} in {family} {table} {chain} (", verdict.as_str())?;
        match handle {
            Some(handle) => write!(f, "rule {handle}")?,
            None => f.write_str("the chain's policy")?,
        }
        if let Some(comment) = comment {
            write!(f, ", \"{comment}\"")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_spelled_as_in_json() {
        for verdict in RuleVerdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }

    #[test]
    fn a_rule_that_let_it_go_on_did_not_drop_it_and_one_that_dropped_it_did_not_connect_it() {
        use Outcome::{Delivered, Dropped, Established, NoReply, Refused, Rejected};
        let agreeing = |verdict| {
            let rule = |outcome| rule(verdict).agrees_with(outcome);
            Outcome::ALL.into_iter().filter(|outcome| rule(*outcome)).collect::<Vec<_>>()
        };
        assert_eq!(agreeing(RuleVerdict::Accept), [Established, Refused, NoReply, Delivered]);
        assert_eq!(agreeing(RuleVerdict::Drop), [Rejected, Dropped, NoReply, Delivered]);
        assert_eq!(agreeing(RuleVerdict::Reject), [Rejected, Dropped, NoReply, Delivered]);
        assert_eq!(agreeing(RuleVerdict::Queue), Outcome::ALL);
    }

    fn rule(verdict: RuleVerdict) -> Enforcer {
        Enforcer {
            family: "inet".to_owned(),
            table: "filter".to_owned(),
            chain: "forward".to_owned(),
            handle: Some(17),
            comment: Some("by policy x".to_owned()),
            verdict,
        }
    }

    #[test]
    fn a_rule_is_named_with_its_comment_and_a_chain_by_its_policy() {
        let rule = rule(RuleVerdict::Drop);
        assert_eq!(rule.to_string(), "drop in inet filter forward (rule 17, \"by policy x\")");
        let policy = Enforcer { handle: None, comment: None, ..rule };
        assert_eq!(policy.to_string(), "drop in inet filter forward (the chain's policy)");
    }
}

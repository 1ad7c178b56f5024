//! The tiers of one side, asked in their order (T1–T4, C2–C5, N26–N28, U3, U4).
//!
//! ```text
//! Admin -> NetworkPolicy -> Baseline -> default allow
//! ```

use crate::{
    Pod,
    endings::{Endings, Missing},
    evaluation::{Hit, Hits},
    gate::Sought,
    network_policy::Direction,
    peer::Surroundings,
    policy_id::PolicyId,
    rule::Question,
    sides::{Isolating, NetworkSide, Selecting, TierSide},
    template::Template,
    tier_policy::{Action, TierPolicy},
    truth::{Fact, Truth},
};
use smallvec::SmallVec;
use std::sync::Arc;

/// Which pods NetworkPolicy keeps from the Baseline tier (T3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BaselineReading {
    /// Those that a NetworkPolicy isolates in the direction in question.
    #[default]
    PerDirection,
    /// Those that a NetworkPolicy isolates in any direction.
    AnyDirection,
}

/// The policies that speak about one side of a pod, by tier, in the order in which they are asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SideOf<'a> {
    pub(crate) direction: Direction,
    pub(crate) subject: &'a Template,
    pub(crate) admin: &'a TierSide,
    pub(crate) network: &'a NetworkSide,
    pub(crate) baseline: &'a TierSide,
    /// The NetworkPolicies that isolate it in the other direction, where those count too (T3).
    pub(crate) elsewhere: &'a [Isolating],
    /// The pod, where it reaches itself through a service (N31, C15).
    pub(crate) hairpin: Option<&'a Pod>,
}

impl<'a> SideOf<'a> {
    /// Adds every way in which the side may end.
    pub(crate) fn ask<S: Surroundings>(&self, question: &Question<'a, S>, endings: &mut Endings<'a>) {
        let sought = Sought::new(question);
        let goes_on = self.ask_tier(self.admin, question, sought, endings)
            && self.ask_network_policies(question, sought, endings)
            && self.ask_baseline(question, sought, endings);
        if goes_on {
            endings.open();
        }
    }

    /// Asks the policies of a cluster-wide tier; whether the next tier may be reached.
    fn ask_tier<S: Surroundings>(
        &self,
        tier: &'a TierSide,
        question: &Question<'a, S>,
        sought: Sought,
        endings: &mut Endings<'a>,
    ) -> bool {
        let may_match = |policy: &TierPolicy, rule: u32| {
            policy.rules(self.direction)[rule as usize].matches(question) != Truth::No
        };
        if !tier.any_open(sought, may_match) {
            return true;
        }
        let mut passes = false;
        for level in tier.policies.chunk_by(|one, next| one.policy.id.priority == next.policy.id.priority) {
            let asked = self.ask_level(level, question, endings);
            passes |= asked.passes;
            if !asked.falls_through {
                return passes;
            }
        }
        true
    }

    /// Asks the policies of one priority, each of which may be the first (C5).
    fn ask_level<S: Surroundings>(
        &self,
        level: &'a [Selecting],
        question: &Question<'a, S>,
        endings: &mut Endings<'a>,
    ) -> LevelAnswer {
        let mut matches = Matches::new();
        let mut falls_through = true;
        for selecting in level {
            falls_through &= self.ask_policy(selecting, question, &mut matches, endings);
        }
        note_tie(&matches, endings);
        let mut passes = false;
        for (at, matched) in matches.iter().enumerate() {
            // Where all do the same, the first that matches for certain stands for those behind it.
            let is_other = |other: &&Match<'_>| other.hit.policy != matched.hit.policy;
            let stands_behind = matches.iter().take(at).filter(is_other).any(|other| other.certain);
            let mut others = matches.iter().filter(is_other);
            if stands_behind && others.all(|other| other.action == matched.action) {
                continue;
            }
            match matched.action {
                Action::Accept => endings.allow([matched.hit]),
                Action::Deny => endings.deny([matched.hit]),
                Action::Pass => passes = true,
            }
        }
        LevelAnswer { passes, falls_through }
    }

    /// Collects what may be the first match of a policy; whether none may match.
    fn ask_policy<S: Surroundings>(
        &self,
        selecting: &'a Selecting,
        question: &Question<'a, S>,
        matches: &mut Matches<'a>,
        endings: &mut Endings<'a>,
    ) -> bool {
        let policy = &selecting.policy.id;
        let mut miss = |fact| endings.miss(Missing::fact(fact, policy, self.subject, question));
        let mut told = false;
        for (rule, tier_rule) in (0..).zip(selecting.policy.rules(self.direction)) {
            let truth = tier_rule.matches(question);
            let (Truth::Yes | Truth::Unknown(_)) = truth else { continue };
            if let (Some(fact), false) = (selecting.unless, told) {
                miss(fact);
                told = true;
            }
            let certain = truth == Truth::Yes && selecting.unless.is_none();
            let hit = Hit { policy, rule: Some(rule) };
            matches.push(Match { hit, action: tier_rule.action, certain });
            match truth {
                Truth::Unknown(fact) => miss(fact),
                _ => return !certain,
            }
        }
        true
    }

    /// Asks the policies of the namespace; whether the Baseline tier may be reached (T3).
    fn ask_network_policies<S: Surroundings>(
        &self,
        question: &Question<'a, S>,
        sought: Sought,
        endings: &mut Endings<'a>,
    ) -> bool {
        let NetworkSide { isolates, doubtful, .. } = *self.network;
        if !(isolates || doubtful) {
            return true;
        }
        if let Some(pod) = self.hairpin {
            self.ask_hairpin(pod, endings);
            return !isolates;
        }
        let tally = self.tally(question, sought, endings);
        if tally.admits {
            return false;
        }
        if isolates {
            endings.deny(self.isolating(true));
        } else if self.is_perhaps_denied(&tally) {
            endings.deny(self.isolating(false));
        }
        if tally.perhaps_admits || !tally.perhaps_admitting.is_empty() {
            endings.allow(tally.perhaps_admitting);
        }
        !isolates
    }

    /// Whether a pod may reach itself through a service is undefined once it is isolated (N31).
    fn ask_hairpin(&self, pod: &Pod, endings: &mut Endings<'a>) {
        endings.open();
        endings.deny(self.isolating(false));
        endings.miss(Missing::Words(format!(
            "hairpin: whether {} may reach itself through a service is up to the network plugin",
            pod.title()
        )));
    }

    /// What the rules of all policies say together (N14, N27).
    fn tally<S: Surroundings>(
        &self,
        question: &Question<'a, S>,
        sought: Sought,
        endings: &mut Endings<'a>,
    ) -> Tally<'a> {
        let mut tally = Tally::default();
        self.network.each_open(sought, |isolating, rule| {
            let policy = &isolating.policy.id;
            let hit = Hit { policy, rule: Some(rule) };
            let rule = &isolating.policy.rules(self.direction)[rule as usize];
            match (rule.matches(question), isolating.unless) {
                (Truth::No, _) => {}
                (Truth::Yes, None) => {
                    endings.allow_also(hit, !tally.admits);
                    tally.admits = true;
                }
                (Truth::Yes, Some(_)) => tally.perhaps_admitting.push(hit),
                (Truth::Unknown(fact), _) => {
                    tally.perhaps_admits = true;
                    endings.miss(Missing::fact(fact, policy, self.subject, question));
                }
            }
        });
        if self.network.doubtful {
            self.note_doubts(question, endings);
        }
        tally
    }

    /// What hangs on whom the policies select.
    fn note_doubts<S: Surroundings>(&self, question: &Question<'a, S>, endings: &mut Endings<'a>) {
        for isolating in self.network.policies() {
            if let Some(fact) = isolating.unless {
                endings.miss(Missing::fact(fact, &isolating.policy.id, self.subject, question));
            }
        }
    }

    /// Whether some policy may isolate and does not admit for certain.
    fn is_perhaps_denied(&self, tally: &Tally<'a>) -> bool {
        let admits = |policy: &PolicyId| tally.perhaps_admitting.iter().any(|hit| hit.policy == policy);
        let mut doubtful = self.network.policies().iter().filter(|isolating| isolating.unless.is_some());
        doubtful.any(|isolating| !admits(&isolating.policy.id))
    }

    /// The policies that isolate: for certain, or all that may.
    fn isolating(&self, certain: bool) -> impl Iterator<Item = Hit<'a>> + use<'a> {
        let counts = move |isolating: &&Isolating| !certain || isolating.unless.is_none();
        self.network
            .policies()
            .iter()
            .filter(counts)
            .map(|isolating| Hit { policy: &isolating.policy.id, rule: None })
    }

    /// Whether a policy isolates in this direction wherever it does in the other, so that it never
    /// hides the Baseline tier alone: all that is not known of it here is whom it selects.
    fn isolates_here_too(&self, other: &Isolating) -> bool {
        let is_same = |here: &Isolating| Arc::ptr_eq(&here.policy, &other.policy);
        self.network.policies().iter().any(|here| is_same(here) && here.unless == Some(Fact::Subject))
    }

    /// Asks the Baseline tier, unless the other direction keeps the pod from it (T3).
    fn ask_baseline<S: Surroundings>(
        &self,
        question: &Question<'a, S>,
        sought: Sought,
        endings: &mut Endings<'a>,
    ) -> bool {
        if self.elsewhere.iter().any(|isolating| isolating.unless.is_none()) {
            return true;
        }
        if let Some(perhaps) = self.elsewhere.iter().find(|isolating| !self.isolates_here_too(isolating)) {
            endings.open();
            endings.miss(Missing::fact(
                perhaps.unless.unwrap_or(Fact::Subject),
                &perhaps.policy.id,
                self.subject,
                question,
            ));
        }
        self.ask_tier(self.baseline, question, sought, endings)
    }
}

/// What became of asking the policies of one priority.
struct LevelAnswer {
    /// A rule may pass to the next tier.
    passes: bool,
    /// None of them may match.
    falls_through: bool,
}

/// Rules that match or may match.
type Matches<'a> = SmallVec<[Match<'a>; 2]>;

/// A rule that matches or may match.
struct Match<'a> {
    hit: Hit<'a>,
    action: Action,
    certain: bool,
}

/// Two policies of one priority that may do different things leave the answer open.
fn note_tie<'a>(matches: &Matches<'a>, endings: &mut Endings<'a>) {
    let differ =
        |one: &Match<'a>, other: &Match<'a>| one.action != other.action && one.hit.policy != other.hit.policy;
    for (at, one) in matches.iter().enumerate() {
        if let Some(other) = matches.iter().skip(at + 1).find(|other| differ(one, other)) {
            endings.miss(Missing::Tie(one.hit.policy, other.hit.policy));
        }
    }
}

/// What the NetworkPolicies say together.
#[derive(Default)]
struct Tally<'a> {
    /// A rule admits for certain, of a policy that isolates for certain.
    admits: bool,
    /// Rules that admit for certain, of policies that may or may not isolate.
    perhaps_admitting: Hits<'a>,
    /// Whether some rule may admit.
    perhaps_admits: bool,
}

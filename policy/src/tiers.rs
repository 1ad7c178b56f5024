//! The tiers of one side, asked in their order (T1–T4, C2–C5, N26–N28, U3, U4).
//!
//! ```text
//! Admin -> NetworkPolicy -> Baseline -> default allow
//! ```

use crate::{
    Pod,
    endings::{Endings, Missing},
    evaluation::{Hit, Hits},
    network_policy::{Direction, NetworkPolicy},
    peer::Surroundings,
    rule::{Question, Rule},
    template::Template,
    tier_policy::{Action, Matched, TierPolicy},
    truth::{Fact, Truth},
};
use smallvec::SmallVec;
use std::sync::Arc;

/// A NetworkPolicy that isolates a pod in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Isolating {
    pub(crate) policy: Arc<NetworkPolicy>,
    /// The fact that this hangs on.
    pub(crate) unless: Option<Fact>,
    /// Its rules of that direction, held here as well so that they are close by.
    pub(crate) rules: SmallVec<[Rule; 1]>,
}

/// The cluster-wide policies of a tier whose subject a pod is and that speak about one direction, in
/// the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct TierSide {
    pub(crate) policies: Vec<Selecting>,
    /// All their rules, held here as well so that they are close by: mostly none matches.
    rules: Box<[Matched]>,
}

/// A cluster-wide policy whose subject a pod is, with rules of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Selecting {
    pub(crate) policy: Arc<TierPolicy>,
    /// The fact that this hangs on.
    pub(crate) unless: Option<Fact>,
}

impl TierSide {
    pub(crate) fn new(policies: Vec<Selecting>, direction: Direction) -> Self {
        let rules = policies.iter().flat_map(|selecting| selecting.policy.rules(direction));
        Self { rules: rules.map(|rule| rule.matched().clone()).collect(), policies }
    }
}

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
    pub(crate) network: &'a [Isolating],
    pub(crate) baseline: &'a TierSide,
    /// The NetworkPolicies that isolate it in the other direction, where those count too (T3).
    pub(crate) elsewhere: &'a [Isolating],
    /// The pod, where it reaches itself through a service (N31, C15).
    pub(crate) hairpin: Option<&'a Pod>,
}

impl<'a> SideOf<'a> {
    /// Every way in which the side may end.
    pub(crate) fn endings<S: Surroundings>(&self, question: &Question<'a, S>) -> Endings<'a> {
        let mut endings = Endings::default();
        let goes_on = self.ask_tier(self.admin, question, &mut endings)
            && self.ask_network_policies(question, &mut endings)
            && self.ask_baseline(question, &mut endings);
        if goes_on {
            endings.open();
        }
        endings
    }

    /// Asks the policies of a cluster-wide tier; whether the next tier may be reached.
    fn ask_tier<S: Surroundings>(
        &self,
        tier: &'a TierSide,
        question: &Question<'a, S>,
        endings: &mut Endings<'a>,
    ) -> bool {
        if tier.rules.iter().all(|rule| rule.matches(question) == Truth::No) {
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
    ) -> Asked {
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
        Asked { passes, falls_through }
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
        endings: &mut Endings<'a>,
    ) -> bool {
        if self.network.is_empty() {
            return true;
        }
        let is_isolated = self.network.iter().any(|isolating| isolating.unless.is_none());
        if let Some(pod) = self.hairpin {
            self.ask_hairpin(pod, endings);
            return !is_isolated;
        }
        let tally = self.tally(question, endings);
        if !tally.admitting.is_empty() {
            endings.allow(tally.admitting);
            return false;
        }
        if is_isolated {
            endings.deny(self.isolating(true));
        } else if tally.perhaps_isolated {
            endings.deny(self.isolating(false));
        }
        if tally.perhaps_admitted || !tally.perhaps_admitting.is_empty() {
            endings.allow(tally.perhaps_admitting);
        }
        !is_isolated
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
    fn tally<S: Surroundings>(&self, question: &Question<'a, S>, endings: &mut Endings<'a>) -> Tally<'a> {
        let mut tally = Tally::default();
        for isolating in self.network {
            let policy = &isolating.policy.id;
            let mut miss = |fact| endings.miss(Missing::fact(fact, policy, self.subject, question));
            let mut admits = false;
            for (rule, truth) in (0..).zip(isolating.rules.iter().map(|rule| rule.matches(question))) {
                match truth {
                    Truth::No => {}
                    Truth::Yes => {
                        admits = true;
                        tally.list(isolating).push(Hit { policy, rule: Some(rule) });
                    }
                    Truth::Unknown(fact) => {
                        tally.perhaps_admitted = true;
                        miss(fact);
                    }
                }
            }
            if let Some(fact) = isolating.unless {
                tally.perhaps_isolated |= !admits;
                miss(fact);
            }
        }
        tally
    }

    /// The policies that isolate: for certain, or all that may.
    fn isolating(&self, certain: bool) -> impl Iterator<Item = Hit<'a>> + use<'a> {
        let counts = move |isolating: &&Isolating| !certain || isolating.unless.is_none();
        self.network.iter().filter(counts).map(|isolating| Hit { policy: &isolating.policy.id, rule: None })
    }

    /// Whether a policy isolates in this direction wherever it does in the other, so that it never
    /// hides the Baseline tier alone: all that is not known of it here is whom it selects.
    fn isolates_here_too(&self, other: &Isolating) -> bool {
        let is_same = |here: &Isolating| Arc::ptr_eq(&here.policy, &other.policy);
        self.network.iter().any(|here| is_same(here) && here.unless == Some(Fact::Subject))
    }

    /// Asks the Baseline tier, unless the other direction keeps the pod from it (T3).
    fn ask_baseline<S: Surroundings>(&self, question: &Question<'a, S>, endings: &mut Endings<'a>) -> bool {
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
        self.ask_tier(self.baseline, question, endings)
    }
}

/// What became of asking the policies of one priority.
struct Asked {
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
    /// Rules that admit for certain, of policies that isolate for certain.
    admitting: Hits<'a>,
    /// Rules that admit for certain, of policies that may or may not isolate.
    perhaps_admitting: Hits<'a>,
    /// Whether some policy may isolate and does not admit for certain.
    perhaps_isolated: bool,
    /// Whether some rule may admit.
    perhaps_admitted: bool,
}

impl<'a> Tally<'a> {
    fn list(&mut self, isolating: &Isolating) -> &mut Hits<'a> {
        if isolating.unless.is_none() { &mut self.admitting } else { &mut self.perhaps_admitting }
    }
}

//! The endings that an evaluation may still have, and the answer they make (U1–U4).

use crate::{
    SideVerdict,
    evaluation::{Hit, Hits, Side},
    peer::Surroundings,
    policy_id::PolicyId,
    rule::Question,
    service::Service,
    template::Template,
    truth::Fact,
};
use std::{collections::BTreeSet, net::IpAddr};

/// How an evaluation may end, as far as the facts at hand tell.
#[derive(Debug, Default)]
pub(crate) struct Endings<'a> {
    /// Who allows or denies; of use only while there is but one kind of ending.
    hits: Hits<'a>,
    /// How many lists of hits were put together.
    lists: usize,
    may_allow: bool,
    may_deny: bool,
    /// There may be a subject.
    applicable: bool,
    /// What it hangs on which.
    missing: Vec<Missing<'a>>,
}

/// What an answer hangs on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Missing<'a> {
    /// A fact that a policy asks for, the subject's namespace, and the peer's namespace or node.
    Fact { fact: Fact, policy: &'a PolicyId, subject: &'a str, peer: &'a str },
    /// Two policies of one tier and priority that do different things (C5).
    Tie(&'a PolicyId, &'a PolicyId),
    /// Anything else, in words.
    Words(String),
}

impl<'a> Endings<'a> {
    /// There may be no subject.
    pub(crate) const fn not_applicable(&mut self) {
        self.may_allow = true;
    }

    /// It may be allowed by nobody.
    pub(crate) const fn open(&mut self) {
        self.applicable = true;
        self.may_allow = true;
    }

    /// It may be allowed by these, which come in order.
    pub(crate) fn allow(&mut self, hits: impl IntoIterator<Item = Hit<'a>>) {
        self.open();
        self.add(hits);
    }

    /// It may be denied by these, which come in order.
    pub(crate) fn deny(&mut self, hits: impl IntoIterator<Item = Hit<'a>>) {
        self.applicable = true;
        self.may_deny = true;
        self.add(hits);
    }

    /// It may be allowed by this one as well, the first of a list or the next.
    pub(crate) fn allow_also(&mut self, hit: Hit<'a>, is_first: bool) {
        self.open();
        self.lists += usize::from(is_first);
        self.hits.push(hit);
    }

    fn add(&mut self, hits: impl IntoIterator<Item = Hit<'a>>) {
        self.lists += 1;
        for hit in hits {
            self.hits.push(hit);
        }
    }

    /// What it hangs on.
    pub(crate) fn miss(&mut self, missing: Missing<'a>) {
        self.missing.push(missing);
    }

    /// Whether it may be denied.
    pub(crate) const fn may_deny(&self) -> bool {
        self.may_deny
    }

    /// Whether it may be allowed as well as denied, so that nothing is decided.
    pub(crate) const fn is_undecided(&self) -> bool {
        self.may_allow && self.may_deny
    }

    /// Takes in the endings of an alternative.
    pub(crate) fn or(&mut self, other: Self) {
        let Self { hits, lists, may_allow, may_deny, applicable, missing } = other;
        self.hits.extend(hits);
        self.lists += lists;
        self.may_allow |= may_allow;
        self.may_deny |= may_deny;
        self.applicable |= applicable;
        self.missing.extend(missing);
    }

    /// The answer: decided iff every ending gives one (U2).
    pub(crate) fn side(mut self) -> Side<'a> {
        if self.lists > 1 {
            self.hits.sort_unstable();
            self.hits.dedup();
        }
        let verdict = match (self.may_allow, self.may_deny) {
            (true, true) => return undecidable(self.missing),
            (false, true) => SideVerdict::Denied,
            _ if !self.hits.is_empty() => SideVerdict::Admitted,
            _ if self.applicable => SideVerdict::NotIsolated,
            _ => SideVerdict::NotApplicable,
        };
        Side { verdict, hits: self.hits, reason: None }
    }
}

fn undecidable(missing: Vec<Missing<'_>>) -> Side<'_> {
    let words: BTreeSet<String> = missing.into_iter().map(Missing::words).collect();
    let reason = words.into_iter().collect::<Vec<_>>().join("; ");
    Side { reason: Some(reason), ..Side::plain(SideVerdict::Undecidable) }
}

impl<'a> Missing<'a> {
    /// A fact that a policy asks for.
    pub(crate) fn fact<S: Surroundings>(
        fact: Fact,
        policy: &'a PolicyId,
        subject: &'a Template,
        question: &Question<'a, S>,
    ) -> Self {
        let Question { peer, surroundings, .. } = question;
        if let (Fact::Backend, Some(service)) = (fact, surroundings.hidden_behind()) {
            return Self::backend(service, peer.ip);
        }
        let peer = match fact {
            Fact::NodeLabels => surroundings.unlabelled_node(peer.ip).unwrap_or_default(),
            _ => peer.pod.map_or("", |pod| &pod.template.namespace.name),
        };
        Self::Fact { fact, policy, subject: &subject.namespace.name, peer }
    }

    /// What stands behind a service, in the family that is dialled.
    pub(crate) fn backend(service: &Service, dialled: IpAddr) -> Self {
        let of_family = if dialled.is_ipv4() { "" } else { " of addressType IPv6" };
        Self::Words(format!(
            "what stands behind service {0}/{1} is not known; add the EndpointSlice{of_family} with the label \
             kubernetes.io/service-name={1} in namespace {0}",
            service.namespace, service.name
        ))
    }

    /// Names the fact and, where one can, the mend.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Fact { fact, policy, subject, peer } => words_of(fact, policy, subject, peer),
            Self::Tie(one, other) => format!(
                "{one} and {other} have the same priority {} in tier {} and do different things; give them different \
                 priorities",
                one.priority.unwrap_or_default(),
                one.tier.as_str(),
            ),
            Self::Words(words) => words,
        }
    }
}

fn words_of(fact: Fact, policy: &PolicyId, subject: &str, peer: &str) -> String {
    let labels_of =
        |namespace| format!("the labels of namespace {namespace} are not known; add its Namespace object");
    match fact {
        Fact::PeerNamespaceLabels => labels_of(peer),
        Fact::SubjectNamespaceLabels => labels_of(subject),
        Fact::NodeLabels => format!("the labels of node {peer} are not known; add its Node object"),
        Fact::Port => "the destination port is not known".to_owned(),
        Fact::Backend => "what stands behind the service is not known".to_owned(),
        Fact::DnsAnswers => format!("the DNS answers that {policy} asks for are not known"),
        Fact::Subject if policy.namespace.is_some() => {
            format!("spec.podSelector of {policy} is not valid; mend it")
        }
        Fact::Subject => format!("spec.subject of {policy} is not valid; mend it"),
        Fact::PolicyTypes => {
            format!("spec.policyTypes of {policy} holds a word other than Ingress and Egress; mend it")
        }
    }
}

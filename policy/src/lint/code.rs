//! The codes of the findings: stable words that scripts and annotations may name.

use super::Severity;
use serde::Serialize;
use std::fmt;

/// Writes the enum, its words and its severities from one table.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $code:ident = $word:literal, $severity:ident;)+) => {
        /// What kind of thing a finding is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $code,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The word used in text and JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)+
                }
            }

            /// How much findings of this code matter, unless one says less.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    /// The API would reject a field.
    InvalidField = "invalid-field", Error;
    /// The object cannot be used at all.
    InvalidObject = "invalid-object", Error;
    /// Two objects have the same kind, namespace and name.
    DuplicateObject = "duplicate-object", Error;
    /// An address block is written in a way that newer API servers reject.
    SloppyCidr = "sloppy-cidr", Info;
    /// A policy selects no pod.
    SelectsNoPod = "selects-no-pod", Warning;
    /// A policy selects host-network pods, for which it does not hold.
    SelectsHostNetwork = "selects-host-network", Warning;
    /// A rule has peers, and none of them matches anybody.
    RuleMatchesNobody = "rule-matches-nobody", Warning;
    /// One of a rule's peers matches nobody.
    PeerMatchesNobody = "peer-matches-nobody", Warning;
    /// Two selectors in one peer: both must hold, and nobody has both.
    SelectorsAreAnded = "selectors-are-anded", Warning;
    /// Two selectors in two peers: either is enough.
    SelectorsAreOred = "selectors-are-ored", Warning;
    /// A peer is among what another peer of the rule matches.
    RedundantPeer = "redundant-peer", Warning;
    /// A port is among what another port entry of the rule matches.
    RedundantPort = "redundant-port", Warning;
    /// A rule admits nothing that others do not admit.
    RedundantRule = "redundant-rule", Warning;
    /// A policy changes nothing beside the others.
    RedundantPolicy = "redundant-policy", Warning;
    /// Rules of a direction that `policyTypes` leaves out.
    IgnoredRules = "ignored-rules", Warning;
    /// `egress: []` without `policyTypes` does not isolate egress.
    EmptyEgress = "empty-egress", Warning;
    /// A port name that no pod concerned has.
    UnknownPortName = "unknown-port-name", Warning;
    /// A port without a protocol means TCP, and the pods concerned use it with UDP or SCTP only.
    ProtocolForgotten = "protocol-forgotten", Warning;
    /// A port by which pods are known to clients of a service only.
    ServicePort = "service-port", Warning;
    /// An address block is the address of a service.
    ServiceAddress = "service-address", Warning;
    /// An address block covers addresses of pods.
    BlockCoversPods = "block-covers-pods", Warning;
    /// An exception takes nothing away.
    ExceptWithoutEffect = "except-without-effect", Warning;
    /// Pods are isolated in egress and cannot ask the cluster's DNS.
    DnsForgotten = "dns-forgotten", Warning;
    /// Pods of a namespace that no policy isolates in ingress.
    NoDefaultDenyIngress = "no-default-deny-ingress", Warning;
    /// Pods of a namespace that no policy isolates in egress.
    NoDefaultDenyEgress = "no-default-deny-egress", Info;
    /// Policies of equal priority that say different things about the same.
    EqualPriorities = "equal-priorities", Warning;
    /// A rule behind a broader one that always matches first.
    UnreachableRule = "unreachable-rule", Warning;
    /// `Pass` in the Baseline tier lets through.
    BaselinePass = "baseline-pass", Info;
    /// Both generations of the cluster-wide policy API are in use.
    MixedApis = "mixed-apis", Info;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

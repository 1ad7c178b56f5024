//! The enums: each word of the domain and its number on the wire.

use super::error::{ConvertError, Problem};
use crate::v1;
use portolan_policy::{Outcome, PolicyKind, Protocol, Reporter, RuleVerdict, SideVerdict, Verdict};

/// A domain word that has a number on the wire.
pub(crate) trait Word: Sized {
    /// The word behind the number, which came in `field`.
    fn from_wire(number: i32, field: &str) -> Result<Self, ConvertError>;
}

/// Both directions of one enum. The unspecified value is left out, so it is an error like any other
/// unknown number.
macro_rules! word {
    ($domain:ident { $($variant:ident = $wire:ident),+ $(,)? }) => {
        impl From<$domain> for v1::$domain {
            fn from(word: $domain) -> Self {
                match word { $($domain::$variant => Self::$wire),+ }
            }
        }

        impl TryFrom<v1::$domain> for $domain {
            type Error = ConvertError;

            fn try_from(wire: v1::$domain) -> Result<Self, ConvertError> {
                match wire {
                    $(v1::$domain::$wire => Ok(Self::$variant),)+
                    v1::$domain::Unspecified => Err(Problem::UnknownValue(0).at(stringify!($domain))),
                }
            }
        }

        impl Word for $domain {
            fn from_wire(number: i32, field: &str) -> Result<Self, ConvertError> {
                v1::$domain::try_from(number)
                    .ok()
                    .and_then(|wire| Self::try_from(wire).ok())
                    .ok_or_else(|| Problem::UnknownValue(number).at(field))
            }
        }
    };
}

word!(Protocol { Tcp = Tcp, Udp = Udp, Sctp = Sctp, Icmp = Icmp, Icmpv6 = Icmpv6 });
word!(Outcome {
    Established = Established,
    Refused = Refused,
    Rejected = Rejected,
    Dropped = Dropped,
    NoReply = NoReply,
    Delivered = Delivered,
});
word!(Verdict {
    Allowed = Allowed,
    Denied = Denied,
    Unenforced = Unenforced,
    Blocked = Blocked,
    Failed = Failed,
    Settling = Settling,
    Undecided = Undecided,
});
word!(Reporter { Source = Source, Destination = Destination, Both = Both });
word!(RuleVerdict { Accept = Accept, Drop = Drop, Reject = Reject, Queue = Queue });
word!(SideVerdict {
    NotIsolated = NotIsolated,
    Admitted = Admitted,
    Denied = Denied,
    NotApplicable = NotApplicable,
    Undecidable = Undecidable,
});

/// The kinds are open to additions, so the mapping names what it knows and no macro applies.
pub(crate) fn policy_kind_to_proto(kind: PolicyKind) -> v1::PolicyKind {
    match kind {
        PolicyKind::NetworkPolicy => v1::PolicyKind::NetworkPolicy,
        PolicyKind::ClusterNetworkPolicy => v1::PolicyKind::ClusterNetworkPolicy,
        PolicyKind::AdminNetworkPolicy => v1::PolicyKind::AdminNetworkPolicy,
        PolicyKind::BaselineAdminNetworkPolicy => v1::PolicyKind::BaselineAdminNetworkPolicy,
        _ => v1::PolicyKind::Unspecified,
    }
}

impl Word for PolicyKind {
    fn from_wire(number: i32, field: &str) -> Result<Self, ConvertError> {
        match v1::PolicyKind::try_from(number) {
            Ok(v1::PolicyKind::NetworkPolicy) => Ok(Self::NetworkPolicy),
            Ok(v1::PolicyKind::ClusterNetworkPolicy) => Ok(Self::ClusterNetworkPolicy),
            Ok(v1::PolicyKind::AdminNetworkPolicy) => Ok(Self::AdminNetworkPolicy),
            Ok(v1::PolicyKind::BaselineAdminNetworkPolicy) => Ok(Self::BaselineAdminNetworkPolicy),
            Ok(v1::PolicyKind::Unspecified) | Err(_) => Err(Problem::UnknownValue(number).at(field)),
        }
    }
}

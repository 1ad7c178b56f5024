//! The names of the kernel's drop reasons, which are its own and differ from kernel to kernel.

use crate::kernel::KernelTypes;
use std::collections::HashMap;

/// The kernel's enumerations of drop reasons: its own, and those of its subsystems, whose numbers carry
/// the subsystem's in the upper half.
pub const ENUMERATIONS: [&str; 3] = ["skb_drop_reason", "ovs_drop_reason", "mac80211_drop_reason"];

/// The kernel's enumeration of those subsystems.
pub const SUBSYSTEMS: &str = "skb_drop_reason_subsys";

/// Drop reasons by number. Unknown numbers survive as `reason-<n>`.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    names: HashMap<u32, String>,
    subsystems: HashMap<u32, String>,
}

impl Reasons {
    /// Those that the types of a kernel name.
    pub fn of(types: &KernelTypes) -> Self {
        let reasons = ENUMERATIONS.into_iter().flat_map(|name| types.enumerators(name));
        Self::new(reasons, types.enumerators(SUBSYSTEMS))
    }

    /// Takes the enumerators of reasons and of subsystems, with or without their common prefixes.
    pub fn new(
        reasons: impl IntoIterator<Item = (u32, String)>,
        subsystems: impl IntoIterator<Item = (u32, String)>,
    ) -> Self {
        let strip = |prefix: &'static str| {
            move |(number, name): (u32, String)| {
                (number, name.strip_prefix(prefix).map(str::to_owned).unwrap_or(name))
            }
        };
        let lower = |(number, name): (u32, String)| (number, name.to_ascii_lowercase());
        Self {
            names: reasons.into_iter().map(strip("SKB_DROP_REASON_")).collect(),
            subsystems: subsystems.into_iter().map(strip("SKB_DROP_REASON_SUBSYS_")).map(lower).collect(),
        }
    }

    /// The kernel's name for a reason.
    pub fn name(&self, reason: u32) -> String {
        let (subsystem, rest) = (reason >> 16, reason & 0xffff);
        match (self.names.get(&reason), self.subsystems.get(&subsystem)) {
            (Some(name), _) => name.clone(),
            (None, _) if subsystem == 0 => format!("reason-{reason}"),
            (None, Some(subsystem)) => format!("{subsystem}-{rest}"),
            (None, None) => format!("subsystem-{subsystem}-{rest}"),
        }
    }

    /// The number of a reason, where this kernel has it.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.names.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons() -> Reasons {
        let own =
            [(12, "SKB_DROP_REASON_NETFILTER_DROP"), (1, "SKB_CONSUMED"), (0x2_0001, "OVS_DROP_LAST_ACTION")];
        let subsystems = [(0, "SKB_DROP_REASON_SUBSYS_CORE"), (2, "SKB_DROP_REASON_SUBSYS_OPENVSWITCH")];
        Reasons::new(
            own.map(|(number, name)| (number, name.to_owned())),
            subsystems.map(|(number, name)| (number, name.to_owned())),
        )
    }

    #[test]
    fn names_are_the_kernels() {
        assert_eq!(reasons().name(12), "NETFILTER_DROP");
        assert_eq!(reasons().name(0x2_0001), "OVS_DROP_LAST_ACTION");
        assert_eq!(reasons().number("SKB_CONSUMED"), Some(1));
    }

    #[test]
    fn unknown_numbers_survive_with_what_is_known_of_them() {
        assert_eq!(reasons().name(999), "reason-999");
        assert_eq!(reasons().name(0x2_0003), "openvswitch-3");
        assert_eq!(reasons().name(0x7_0003), "subsystem-7-3");
    }
}

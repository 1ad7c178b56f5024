//! The names of the kernel's drop reasons, which are its own and differ from kernel to kernel.

use std::collections::HashMap;

/// Drop reasons by number. Unknown numbers survive as `reason-<n>`.
#[derive(Clone, Debug, Default)]
pub struct Reasons {
    names: HashMap<u32, String>,
}

impl Reasons {
    /// Takes the enumerators of `skb_drop_reason`, with or without their common prefix.
    pub fn new(enumerators: impl IntoIterator<Item = (u32, String)>) -> Self {
        let strip = |name: String| match name.strip_prefix("SKB_DROP_REASON_") {
            Some(short) => short.to_owned(),
            None => name,
        };
        Self { names: enumerators.into_iter().map(|(number, name)| (number, strip(name))).collect() }
    }

    /// The kernel's name for a reason.
    pub fn name(&self, reason: u32) -> String {
        const SUBSYSTEM: u32 = 0xffff_0000;
        match self.names.get(&reason) {
            Some(name) => name.clone(),
            None if reason & SUBSYSTEM != 0 => {
                format!("subsystem-{}-reason-{}", reason >> 16, reason & !SUBSYSTEM)
            }
            None => format!("reason-{reason}"),
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

    #[test]
    fn names_are_the_kernels_and_unknown_numbers_survive() {
        let reasons =
            Reasons::new([(12, "SKB_DROP_REASON_NETFILTER_DROP".to_owned()), (1, "SKB_CONSUMED".to_owned())]);
        assert_eq!(reasons.name(12), "NETFILTER_DROP");
        assert_eq!(reasons.number("SKB_CONSUMED"), Some(1));
        assert_eq!(reasons.name(999), "reason-999");
        assert_eq!(reasons.name(0x2_0003), "subsystem-2-reason-3");
    }
}

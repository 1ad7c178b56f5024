//! What the demo needs of the machine beyond the lab: probes that can be loaded.

use std::fs;
use std::path::Path;

use super::DemoError;

const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";
/// CAP_PERFMON and CAP_BPF; both are in CAP_SYS_ADMIN.
const CAPABILITIES: [(u32, &str); 2] = [(38, "CAP_PERFMON"), (39, "CAP_BPF")];
const SYS_ADMIN: u32 = 21;

/// Refuses with everything that is missing at once. What the lab itself needs, the lab checks.
pub(super) fn check() -> Result<(), DemoError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut missing = missing_capabilities(&status);
    if !Path::new(KERNEL_TYPES).exists() {
        missing.push(format!(
            "the kernel does not show its types in {KERNEL_TYPES}; use a kernel built with CONFIG_DEBUG_INFO_BTF"
        ));
    }
    if missing.is_empty() { Ok(()) } else { Err(DemoError::Missing { missing }) }
}

fn missing_capabilities(status: &str) -> Vec<String> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| effective & (1 << bit) != 0;
    CAPABILITIES
        .iter()
        .filter(|(bit, _)| !has(*bit) && !has(SYS_ADMIN))
        .map(|(_, name)| format!("{name} is missing to load the probes; run as root"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_lacks_both_capabilities_and_an_administrator_none() {
        assert_eq!(missing_capabilities("CapEff:\t0000000000000000").len(), 2);
        assert!(missing_capabilities("CapEff:\t0000000000200000").is_empty());
        assert!(missing_capabilities("CapEff:\t000000c000000000").is_empty());
    }
}

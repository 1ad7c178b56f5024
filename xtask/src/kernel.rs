//! What the end-to-end tests, the demo and the benchmarks ask of the running kernel. Pure.

use crate::facts::Privilege;

/// The kernel's type information, from which the agent takes the layout of kernel structures.
pub(crate) const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Drop reasons exist since then; the probes want them.
const KERNEL_LEAST: (u32, u32) = (5, 17);

/// Capabilities and their bits, with what they are for here.
const CAPABILITIES: [(u8, &str); 5] =
    [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW"), (21, "CAP_SYS_ADMIN"), (38, "CAP_PERFMON"), (39, "CAP_BPF")];

/// The kernel and this process's rights, as far as they matter.
#[derive(Debug, Clone)]
pub(crate) struct KernelFacts {
    /// Major and minor of the release; none when it could not be read.
    pub(crate) release: Option<(u32, u32)>,
    /// Capabilities that the lab will run with.
    pub(crate) capabilities: u64,
    /// How the lab becomes root.
    pub(crate) privilege: Privilege,
    /// Capabilities count for BPF in the first user namespace only.
    pub(crate) initial_user_namespace: bool,
    /// `BTF` is there.
    pub(crate) btf: bool,
    /// The kernel hides its memory from root too.
    pub(crate) confidential: bool,
    /// A network namespace with an nftables ruleset could be made, or not be tried yet; else what the system said.
    pub(crate) firewall: Result<(), String>,
}

/// What is missing, one line each with its mend; empty when the kernel part can run.
pub(crate) fn missing(facts: &KernelFacts) -> Vec<String> {
    if facts.privilege == Privilege::None {
        // Nothing else can be tried then, and would only repeat it.
        return vec!["root rights: run it as root, or have sudo work without a password".to_owned()];
    }
    let checks = [
        lacks_capabilities(facts.capabilities),
        (!facts.initial_user_namespace).then(|| {
            "the first user namespace: capabilities do not count for BPF here, run outside this container"
                .to_owned()
        }),
        too_old(facts.release),
        (!facts.btf).then(|| format!("{BTF}: a kernel built with CONFIG_DEBUG_INFO_BTF=y")),
        facts.confidential.then(|| {
            "kernel lockdown is `confidentiality`: boot with `lockdown=integrity` or none".to_owned()
        }),
        facts.firewall.as_ref().err().map(|said| {
            format!(
                "network namespaces with nftables and address translation (nf_tables, nft_chain_nat): {said}"
            )
        }),
    ];
    checks.into_iter().flatten().collect()
}

fn lacks_capabilities(held: u64) -> Option<String> {
    let lacking = CAPABILITIES.iter().filter(|(bit, _)| held & (1 << bit) == 0);
    let names: Vec<&str> = lacking.map(|(_, name)| *name).collect();
    if names.is_empty() {
        return None;
    }
    Some(format!("{}: root without them; in a container add them or run it privileged", names.join(", ")))
}

fn too_old(release: Option<(u32, u32)>) -> Option<String> {
    let (major, minor) = KERNEL_LEAST;
    match release {
        Some(release) if release >= KERNEL_LEAST => None,
        Some((has_major, has_minor)) => {
            Some(format!("a kernel of {major}.{minor} or newer: this is {has_major}.{has_minor}"))
        }
        None => Some(format!("a kernel of {major}.{minor} or newer: this one does not tell its release")),
    }
}

/// Reads a capability set (`CapEff`, `CapBnd`) from `/proc/<pid>/status`.
pub(crate) fn capability_set(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// Tells by `/proc/self/uid_map` whether this is the first user namespace: it maps every id to itself.
pub(crate) fn maps_every_id(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn able() -> KernelFacts {
        KernelFacts {
            release: Some((6, 18)),
            capabilities: u64::MAX,
            privilege: Privilege::Root,
            initial_user_namespace: true,
            btf: true,
            confidential: false,
            firewall: Ok(()),
        }
    }

    #[test]
    fn an_able_machine_misses_nothing() {
        assert_eq!(missing(&able()), Vec::<String>::new());
    }

    #[test]
    fn each_thing_that_is_missing_is_named() {
        for (facts, name) in [
            (KernelFacts { privilege: Privilege::None, ..able() }, "root"),
            (KernelFacts { capabilities: !(1 << 39), ..able() }, "CAP_BPF:"),
            (KernelFacts { initial_user_namespace: false, ..able() }, "user namespace"),
            (KernelFacts { release: Some((5, 10)), ..able() }, "this is 5.10"),
            (KernelFacts { release: None, ..able() }, "5.17"),
            (KernelFacts { btf: false, ..able() }, "CONFIG_DEBUG_INFO_BTF"),
            (KernelFacts { confidential: true, ..able() }, "lockdown"),
            (KernelFacts { firewall: Err("nft: not permitted".to_owned()), ..able() }, "nft: not permitted"),
        ] {
            let said = missing(&facts);
            assert_eq!(said.len(), 1, "{name}: {said:?}");
            assert!(said[0].contains(name), "{name}: {said:?}");
        }
    }

    #[test]
    fn a_capability_set_is_hexadecimal_and_absent_means_none() {
        let status = "CapPrm:\t0000000000000000\nCapEff:\t000001fffeffffff\nCapBnd:\t0000000000003000\n";
        assert_eq!(capability_set(status, "CapEff"), 0x01ff_feff_ffff);
        assert_eq!(lacks_capabilities(capability_set(status, "CapEff")), None);
        let bounded = lacks_capabilities(capability_set(status, "CapBnd")).unwrap();
        assert!(bounded.starts_with("CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF"), "{bounded}");
        assert_eq!(capability_set("", "CapEff"), 0);
    }

    #[test]
    fn only_the_first_user_namespace_maps_every_id() {
        assert!(maps_every_id("         0          0 4294967295\n"));
        assert!(!maps_every_id("         0       1000          1\n"));
    }
}

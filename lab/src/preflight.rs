//! Whether this machine can host a lab, found out before anything is made: each missing thing with its mend.

use std::env;
use std::fs;
use std::path::Path;

use crate::error::{LabError, Result};

/// Capabilities a lab needs: number, name, for what.
const CAPABILITIES: [(u32, &str, &str); 3] = [
    (21, "CAP_SYS_ADMIN", "to make network namespaces"),
    (12, "CAP_NET_ADMIN", "to wire them"),
    (13, "CAP_NET_RAW", "to send raw frames"),
];

/// Programs a lab runs, and their Debian packages.
const PROGRAMS: [(&str, &str); 2] = [("ip", "iproute2"), ("nft", "nftables")];

/// Refuses with everything that is missing at once.
pub(crate) fn check() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut missing = missing_capabilities(&status);
    missing.extend(missing_programs(&env::var("PATH").unwrap_or_default()));
    if !Path::new("/proc/net/if_inet6").exists() {
        missing.push("IPv6 is off in this kernel; boot without ipv6.disable=1".to_owned());
    }
    if missing.is_empty() { Ok(()) } else { Err(LabError::Missing { missing }) }
}

/// Turns a kernel's refusal of a feature into what is missing; other errors stay as they are.
pub(crate) fn explain(err: LabError) -> LabError {
    let LabError::Program { program, stderr, .. } = &err else { return err };
    let lacking = if program.starts_with("ip ") && stderr.contains("Unknown device type") {
        "the kernel has no veth devices (CONFIG_VETH); try `modprobe veth`"
    } else if program.starts_with("nft ")
        && ["not supported", "No such file or directory"].iter().any(|words| stderr.contains(words))
    {
        "the kernel has no nftables with NAT, fib and numgen (CONFIG_NF_TABLES_INET, NFT_NAT, NFT_FIB_INET, \
         NFT_NUMGEN); try `modprobe nf_tables nft_chain_nat nft_fib_inet nft_numgen`"
    } else {
        return err;
    };
    LabError::Missing { missing: vec![lacking.to_owned()] }
}

fn missing_capabilities(status: &str) -> Vec<String> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    CAPABILITIES
        .iter()
        .filter(|(bit, ..)| effective & (1 << bit) == 0)
        .map(|(_, name, purpose)| format!("{name} is missing {purpose}; run as root"))
        .collect()
}

fn missing_programs(path: &str) -> Vec<String> {
    PROGRAMS
        .iter()
        .filter(|(program, _)| !env::split_paths(path).any(|folder| folder.join(program).is_file()))
        .map(|(program, package)| format!("no `{program}` in PATH; apt-get install {package}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_is_told_each_missing_capability() {
        let missing = missing_capabilities("Name:\tx\nCapEff:\t0000000000000000\n");
        assert_eq!(missing.len(), CAPABILITIES.len());
        assert!(missing[0].starts_with("CAP_SYS_ADMIN is missing"), "{missing:?}");
        assert!(missing_capabilities("CapEff:\t000001ffffffffff\n").is_empty());
    }

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = missing_programs("/nonexistent");
        assert_eq!(missing[1], "no `nft` in PATH; apt-get install nftables");
    }

    #[test]
    fn an_error_of_the_input_is_not_taken_for_a_missing_feature() {
        let program = |program: &str, stderr: &str| LabError::Program {
            program: program.to_owned(),
            place: String::new(),
            status: String::new(),
            stderr: stderr.to_owned(),
            input: String::new(),
        };
        let explained = explain(program("ip -batch -", "Error: Unknown device type."));
        assert!(matches!(explained, LabError::Missing { .. }), "{explained}");
        let kept = explain(program("nft -f -", "Error: syntax error, unexpected newline"));
        assert!(matches!(kept, LabError::Program { .. }), "{kept}");
    }
}

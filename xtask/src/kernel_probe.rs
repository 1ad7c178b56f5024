//! Looks at the running kernel, by trying what cannot be read.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::error::Failure;
use crate::facts::{Privilege, major_minor};
use crate::kernel::{self, BTF, KernelFacts};
use crate::needs::Need;
use crate::probe;
use crate::provide;
use crate::toolchain::Toolchain;

/// What the lab's firewalls are made of; loaded once into a namespace that goes away with the trial.
const TRIAL: &str = "
add table inet trial
add chain inet trial passing { type filter hook forward priority 0; policy accept; }
add rule inet trial passing ct state established accept
add chain inet trial services { type nat hook prerouting priority -100; }
add rule inet trial services ip daddr 10.96.0.1 tcp dport 80 dnat ip to 10.0.0.1:80
";

/// Provides what the lab needs, after a look whether this kernel can do it at all, for installing takes minutes.
/// Refuses, naming all that is missing, when the kernel part of `verb` cannot run here.
pub(crate) fn provide(
    verb: &'static str,
    mend: Option<&str>,
    toolchain: &Toolchain,
) -> Result<Privilege, Failure> {
    demand(verb, mend, toolchain)?;
    provide::provide(verb, Need::LAB, toolchain)?;
    demand(verb, mend, toolchain)
}

fn demand(verb: &'static str, mend: Option<&str>, toolchain: &Toolchain) -> Result<Privilege, Failure> {
    let privilege = probe::privilege(toolchain);
    let missing = kernel::missing(&look(privilege, toolchain));
    if missing.is_empty() {
        return Ok(privilege);
    }
    Err(Failure::Machine { verb, missing, mend: mend.map(str::to_owned) })
}

fn look(privilege: Privilege, toolchain: &Toolchain) -> KernelFacts {
    let status = read("/proc/self/status");
    // Through sudo a process gets what its bounding set leaves.
    let set = if privilege == Privilege::Root { "CapEff" } else { "CapBnd" };
    KernelFacts {
        release: major_minor(&read("/proc/sys/kernel/osrelease")),
        capabilities: kernel::capability_set(&status, set),
        privilege,
        initial_user_namespace: kernel::maps_every_id(&read("/proc/self/uid_map")),
        btf: Path::new(BTF).exists(),
        confidential: read("/sys/kernel/security/lockdown").contains("[confidentiality]"),
        firewall: try_firewall(privilege, toolchain),
    }
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Nothing to try while nft is not there: then it is still to be installed.
fn try_firewall(privilege: Privilege, toolchain: &Toolchain) -> Result<(), String> {
    if toolchain.find("nft").is_none() {
        return Ok(());
    }
    let mut trial = match privilege {
        Privilege::Root => toolchain.tool("unshare"),
        Privilege::Sudo => {
            let mut sudo = toolchain.tool("sudo");
            sudo.arg("unshare");
            sudo
        }
        Privilege::None => return Ok(()),
    };
    trial.args(["--net", "nft", "--file", "-"]);
    trial.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child =
        trial.spawn().map_err(|err| format!("cannot start {}: {err}", trial.get_program().display()))?;
    let mut rules = child.stdin.take().expect("standard input was asked for as a pipe");
    // A child that ends early says why on stderr.
    rules.write_all(TRIAL.as_bytes()).ok();
    drop(rules);
    let output = child.wait_with_output().map_err(|err| err.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("failed without a word").trim().to_owned())
}

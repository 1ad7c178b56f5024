//! The virtual machine.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::guest;
use super::packages::Kernel;
use crate::error::Failure;
use crate::say;

/// Who does the guest's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// The processor itself.
    Kvm,
    /// A program. The guest's clock goes by what it has done, so that no deadline in it is missed by slowness.
    Emulated,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "on KVM",
            Self::Emulated => {
                "emulated, which takes some minutes: this machine has no KVM for unmodified kernels"
            }
        })
    }
}

impl Machine {
    /// The better one that this host has.
    pub(crate) fn of_this_host() -> Self {
        let usable = File::options().read(true).write(true).open("/dev/kvm").is_ok();
        Self::of(usable, &fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    /// A KVM without the processor's help runs no kernel as it is.
    fn of(usable: bool, cpuinfo: &str) -> Self {
        let helps = cpuinfo.split_ascii_whitespace().any(|flag| flag == "vmx" || flag == "svm");
        if usable && helps { Self::Kvm } else { Self::Emulated }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host", "-smp", "2"],
            Self::Emulated => &["-accel", "tcg,thread=single", "-icount", "shift=1", "-cpu", "max"],
        }
    }

    /// Boots, prints what the guest's program prints, and answers its exit code.
    pub(crate) fn run(self, tools: &Path, kernel: &Kernel, image: &Path) -> Result<u8, Failure> {
        let console = kernel.root.join("console.log");
        let mut command = qemu(tools);
        command.args(self.options()).args(["-m", "3G", "-no-reboot", "-display", "none"]);
        command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(image);
        command.args(["-append", "console=ttyS1 panic=-1 tsc=reliable no_timer_check random.trust_cpu=on"]);
        command
            .args(["-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"]);
        command.args(["-serial", "stdio", "-serial"]).arg(format!("file:{}", console.display()));
        follow(&mut command)?.ok_or_else(|| {
            Failure::Step(format!("{} ended without a result: see {}", kernel.version, console.display()))
        })
    }
}

/// The unpacked program finds its libraries and firmware beside itself, and what the host had already there.
fn qemu(tools: &Path) -> Command {
    let mut command = Command::new(tools.join("usr/bin/qemu-system-x86_64"));
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|folder| tools.join(folder));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap_or_default());
    for root in [tools, Path::new("/")] {
        for folder in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(root.join(folder));
        }
    }
    command.args(["-nodefaults", "-no-user-config", "-machine", "pc"]);
    command
}

/// Passes the output on line by line, and keeps the exit code in it.
fn follow(command: &mut Command) -> Result<Option<u8>, Failure> {
    let program = command.get_program().to_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|err| Failure::Start { program, err })?;
    let mut code = None;
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line);
            match guest::ended(&text) {
                Some(ended) => code = Some(ended),
                None => say::answer(&text),
            }
            line.clear();
        }
    }
    child.wait().ok();
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kvm_that_the_processor_does_not_help_is_not_used() {
        assert_eq!(Machine::of(true, "flags\t: fpu vmx sse"), Machine::Kvm);
        assert_eq!(Machine::of(true, "flags\t: fpu svm"), Machine::Kvm);
        assert_eq!(Machine::of(true, "flags\t: fpu hypervisor"), Machine::Emulated);
        assert_eq!(Machine::of(false, "flags\t: fpu vmx"), Machine::Emulated);
    }
}

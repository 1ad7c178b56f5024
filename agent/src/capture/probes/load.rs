//! Loading the programs, each by itself: what this kernel refuses, lacks or is not asked for is off, and the rest
//! goes on.

use super::{
    FROM_POD, OBJECT, PROBES, ProbeOff, ProbesError, SECONDS, SOCKETS, TO_POD, Wishes, chain, device_program,
};
use crate::kernel::{Layout, loaders_types};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    programs::{BtfTracePoint, ProgramError, SchedClassifier},
    util::nr_cpus,
};

/// Parts of programs that can be missing by themselves, and what is not seen without each.
const PARTS: [(&str, &str); 2] = [
    ("conntrack", "the backend behind a service address where only the packet tells it"),
    (CONNECT, "the service that was dialled where a load balancer at the sockets led to the backend"),
];

const CONNECT: &str = "connect";

/// What an agent can be told to leave out.
pub fn switches() -> impl Iterator<Item = &'static str> {
    PROBES.iter().map(|(probe, _)| *probe).chain([CONNECT])
}

/// Whether a probe is not among those that are off.
pub(super) fn is_on(off: &[ProbeOff], probe: &str) -> bool {
    off.iter().all(|off| off.probe != probe)
}

/// Loads the programs. Where closing sockets are not told, the device programs must tell every end: then they are
/// loaded once more.
pub(super) fn object(layout: &Layout, wishes: &Wishes) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
    let mut plan = Plan { layout, wishes, off: Vec::new() };
    for (probe, lost) in PARTS.into_iter().chain(PROBES) {
        plan.off.extend(plan.unsupported(probe, lost));
    }
    let (ebpf, refused) = plan.load()?;
    if is_on(&refused, SOCKETS) {
        return plan.concluded(ebpf, refused);
    }
    drop(ebpf);
    plan.off.extend(refused.into_iter().filter(|off| off.probe == SOCKETS));
    let (ebpf, refused) = plan.load()?;
    plan.concluded(ebpf, refused)
}

/// What is to be loaded, and what is off already.
struct Plan<'a> {
    layout: &'a Layout,
    wishes: &'a Wishes,
    off: Vec<ProbeOff>,
}

impl Plan<'_> {
    /// Why a probe is off before it is tried.
    fn unsupported(&self, probe: &'static str, lost: &'static str) -> Option<ProbeOff> {
        if self.wishes.without.contains(probe) {
            return Some(ProbeOff { probe, lost, reason: "switched off by --without".to_owned() });
        }
        let missing = self.layout.missing.iter().filter(|missing| missing.probe == probe);
        let members: Vec<&str> = missing.map(|missing| missing.member.as_str()).collect();
        let reason = format!("this kernel has no {}", members.join(", "));
        (!members.is_empty()).then_some(ProbeOff { probe, lost, reason })
    }

    /// Loads what is not off; answers what the kernel refused.
    fn load(&self) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
        let mut ebpf = self.open()?;
        let btf = loaders_types(&self.layout.tracepoints).map_err(|error| chain(&error));
        let mut refused = Vec::new();
        for (probe, lost) in PROBES.into_iter().filter(|(probe, _)| is_on(&self.off, probe)) {
            let loaded = match probe {
                FROM_POD | TO_POD => load_device_program(&mut ebpf, probe)?,
                _ => load_tracepoint(&mut ebpf, probe, btf.as_ref()),
            };
            refused.extend(loaded.err().map(|reason| ProbeOff { probe, lost, reason }));
        }
        Ok((ebpf, refused))
    }

    fn open(&self) -> Result<Ebpf, ProbesError> {
        let sockets_tell = u32::from(is_on(&self.off, SOCKETS));
        let connect = is_on(&self.off, CONNECT);
        let mut loader = EbpfLoader::new();
        // The object has nothing to relocate by the kernel's types.
        loader.btf(None);
        for (name, value) in &self.layout.globals {
            // The program looks at what was dialled where this is not 0.
            if *name != "REGS_SYSCALL" || connect {
                loader.override_global(name, value, true);
            }
        }
        loader.override_global("SOCKETS_TELL", &sockets_tell, true);
        loader.map_max_entries("EVENTS", self.wishes.ring_bytes.unwrap_or_else(ring_bytes));
        loader.load(OBJECT).map_err(load_error)
    }

    fn concluded(self, ebpf: Ebpf, refused: Vec<ProbeOff>) -> Result<(Ebpf, Vec<ProbeOff>), ProbesError> {
        let mut off = self.off;
        off.extend(refused);
        if PROBES.iter().any(|(probe, _)| is_on(&off, probe)) {
            return Ok((ebpf, off));
        }
        let why = off.iter().map(|off| format!("{}: {}", off.probe, off.reason));
        Err(ProbesError::Nothing { why: why.collect::<Vec<_>>().join("; ") })
    }
}

/// A ring that holds what all processors can fill between two readings, some times over.
fn ring_bytes() -> u32 {
    const ENOUGH: usize = 4;
    // Those of the node: what the agent itself may use does not matter.
    let processors = nr_cpus().unwrap_or(ENOUGH);
    (processors.next_power_of_two().min(ENOUGH) as u32) << 20
}

/// Loads a device program; the inner failure is the kernel's, the outer one a missing right.
fn load_device_program(ebpf: &mut Ebpf, name: &'static str) -> Result<Result<(), String>, ProbesError> {
    match device_program(ebpf, name).and_then(SchedClassifier::load) {
        Ok(()) => Ok(Ok(())),
        Err(error) if is_permission(&error) || !may_read_kernel_memory() => {
            Err(ProbesError::NotPermitted { what: format!("loading {name}") })
        }
        Err(error) => Ok(Err(in_short(&error))),
    }
}

/// Both programs of a tracepoint; the kernel runs them in the order in which they are attached.
fn load_tracepoint(ebpf: &mut Ebpf, name: &'static str, btf: Result<&Btf, &String>) -> Result<(), String> {
    let btf = btf.map_err(Clone::clone)?;
    let second = SECONDS.iter().filter(|(first, _)| *first == name).map(|(_, second)| *second);
    let mut programs = [name].into_iter().chain(second);
    programs
        .try_for_each(|program| attach_tracepoint(ebpf, program, name, btf))
        .map_err(|error| in_short(&error))
}

fn attach_tracepoint(
    ebpf: &mut Ebpf,
    program: &'static str,
    tracepoint: &'static str,
    btf: &Btf,
) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = ebpf.program_mut(program).ok_or(ProgramError::NotLoaded)?.try_into()?;
    program.load(tracepoint, btf)?;
    program.attach()?;
    Ok(())
}

/// An error in one line: of what the verifier wrote, its last word before the statistics.
fn in_short(error: &ProgramError) -> String {
    let ProgramError::LoadError { io_error, verifier_log } = error else { return chain(error) };
    let log = verifier_log.to_string();
    match last_word(&log) {
        Some(word) => format!("the kernel refuses it: {io_error}: {word}"),
        None => format!("the kernel refuses it: {io_error}"),
    }
}

fn last_word(log: &str) -> Option<&str> {
    const STATISTICS: [&str; 3] = ["processed ", "verification time ", "stack depth "];
    let is_word = |line: &&str| !line.is_empty() && !STATISTICS.iter().any(|word| line.starts_with(word));
    log.lines().map(str::trim).rfind(is_word)
}

fn load_error(error: EbpfError) -> ProbesError {
    if is_permission(&error) {
        ProbesError::NotPermitted { what: "creating a map".to_owned() }
    } else {
        ProbesError::Load(error)
    }
}

/// Whether the verifier lets our programs do what they do. Without CAP_PERFMON it refuses them with EACCES and the
/// same long words that it has for a broken program.
fn may_read_kernel_memory() -> bool {
    const SYS_ADMIN: u64 = 1 << 21;
    const PERFMON: u64 = 1 << 38;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    effective.is_none_or(|set| set & (SYS_ADMIN | PERFMON) != 0)
}

/// Whether EPERM without a verifier's word is at the bottom of an error.
fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.raw_os_error() == Some(libc::EPERM)
        {
            return true;
        }
        current = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_last_word_is_told_without_its_statistics() {
        let log = "0: (79) r2 = *(u64 *)(r1 +16)\nfunc 'kfree_skb' doesn't have 3-th argument\n\
                   verification time 12 usec\nstack depth 232+0\nprocessed 1 insns (limit 1000000) max_states_per_insn 0\n\n";
        assert_eq!(last_word(log), Some("func 'kfree_skb' doesn't have 3-th argument"));
        assert_eq!(last_word("\n"), None);
    }

    #[test]
    fn what_is_not_wanted_or_not_there_is_off_before_it_is_tried() {
        let missing = crate::kernel::Missing { member: "sk_buff.dev".to_owned(), probe: "kfree_skb" };
        let layout = Layout { missing: vec![missing], ..Layout::default() };
        let wishes = Wishes { without: [TO_POD.to_owned()].into(), ..Wishes::default() };
        let plan = Plan { layout: &layout, wishes: &wishes, off: Vec::new() };
        let reason = |probe| plan.unsupported(probe, "").map(|off| off.reason);
        assert_eq!(reason("kfree_skb").as_deref(), Some("this kernel has no sk_buff.dev"));
        assert_eq!(reason(TO_POD).as_deref(), Some("switched off by --without"));
        assert_eq!(reason(FROM_POD), None);
    }
}

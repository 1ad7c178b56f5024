//! Where processor time went: the whole machine's, the agent's, and that of all others.

use std::fs;
use std::io;
use std::process;
use std::time::{Duration, Instant};

use nix::unistd::{SysconfVar, sysconf};

use super::BenchError;

/// Processor time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// In its own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl Times {
    /// What process `pid` has used.
    pub fn of(pid: u32) -> Result<Self, BenchError> {
        let path = format!("/proc/{pid}/stat");
        let text = read(&path)?;
        let tick = tick().map_err(|source| BenchError::Read { path: path.clone(), source })?;
        Self::parse(&text, tick).ok_or(BenchError::Form { path })
    }

    /// The command name may hold spaces and brackets; the fields after its last bracket do not.
    fn parse(stat: &str, tick: Duration) -> Option<Self> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut time = || Some(tick * fields.next()?.parse().ok()?);
        Some(Self { user: time()?, system: time()? })
    }

    /// Both.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// What all processes but this one have used, with those that they have outlived. The kernel's threads are left out:
/// they work for whoever sends packets.
fn others() -> Result<Duration, BenchError> {
    const PATH: &str = "/proc";
    let failed = |source| BenchError::Read { path: PATH.to_owned(), source };
    let tick = tick().map_err(failed)?;
    let own = process::id();
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir(PATH).map_err(failed)?.flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if id.is_none_or(|id| id == own) {
            continue;
        }
        // A process may end while we look; what is no process has no such file.
        if let Ok(stat) = fs::read_to_string(entry.path().join("stat")) {
            sum += tick * with_children(&stat);
        }
    }
    Ok(sum)
}

/// Ticks of a process and of the children that it has waited for; none for a thread of the kernel.
fn with_children(stat: &str) -> u32 {
    const KTHREADD: &str = "2";
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0 };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    match (fields.get(1), fields.get(11..15)) {
        (Some(parent), Some(times)) if *parent != KTHREADD => {
            times.iter().filter_map(|time| time.parse::<u32>().ok()).sum()
        }
        _ => 0,
    }
}

/// The processors of the machine, summed, at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    processors: u32,
    idle: Duration,
    stolen: Duration,
}

impl Machine {
    fn parse(stat: &str, tick: Duration) -> Option<Self> {
        let is_processor = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let processors = stat.lines().filter(is_processor).count() as u32;
        let fields: Vec<u32> =
            stat.lines().next()?.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
        // user nice system idle iowait irq softirq steal
        let [.., idle, waiting, _, _, stolen] = *fields.first_chunk::<8>()?;
        Some(Self { processors, idle: tick * (idle + waiting), stolen: tick * stolen })
    }
}

/// What the machine had done at one time.
#[derive(Debug)]
pub struct Reading {
    at: Instant,
    machine: Machine,
    /// All other processes.
    others: Duration,
}

/// What the machine did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time that all processors were there for, together.
    pub capacity: Duration,
    /// Time that they were busy.
    pub busy: Duration,
    /// The part of it that other processes had. The agent's is still in it.
    pub others: Duration,
    /// Time that the host of a virtual machine gave to somebody else.
    pub stolen: Duration,
}

impl Usage {
    /// Reads now.
    pub fn read() -> Result<Reading, BenchError> {
        const PATH: &str = "/proc/stat";
        let failed = |source| BenchError::Read { path: PATH.to_owned(), source };
        let others = others()?;
        let (text, at) = (read(PATH)?, Instant::now());
        let machine = Machine::parse(&text, tick().map_err(failed)?)
            .ok_or_else(|| BenchError::Form { path: PATH.to_owned() })?;
        Ok(Reading { at, machine, others })
    }

    /// How much of the capacity `time` is.
    pub fn share(self, time: Duration) -> f64 {
        time.as_secs_f64() / self.capacity.as_secs_f64()
    }
}

impl Reading {
    /// What was done since `before`.
    pub fn since(&self, before: &Self) -> Usage {
        let (now, then) = (self.machine, before.machine);
        let capacity = (self.at - before.at) * now.processors;
        let stolen = now.stolen.saturating_sub(then.stolen);
        let idle = now.idle.saturating_sub(then.idle);
        Usage {
            capacity,
            busy: capacity.saturating_sub(idle + stolen),
            others: self.others.saturating_sub(before.others),
            stolen,
        }
    }
}

/// Memory of process `pid`, in bytes: now, and at the most so far.
pub fn memory(pid: u32) -> Result<[u64; 2], BenchError> {
    let path = format!("/proc/{pid}/status");
    let status = read(&path)?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line?.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    match (field("VmRSS"), field("VmHWM")) {
        (Some(now), Some(most)) => Ok([now * 1024, most * 1024]),
        _ => Err(BenchError::Form { path }),
    }
}

fn read(path: &str) -> Result<String, BenchError> {
    fs::read_to_string(path).map_err(|source| BenchError::Read { path: path.to_owned(), source })
}

/// The unit of processor time in /proc.
fn tick() -> io::Result<Duration> {
    let per_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100);
    Ok(Duration::from_secs(1) / per_second as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn a_process_is_read_past_a_name_with_brackets() {
        let stat = "42 (a) b) S 1 42 42 0 -1 0 0 0 0 0 150 30 0 0 20 0 1 0 99";
        let times = Times::parse(stat, TICK).unwrap();
        assert_eq!(times, Times { user: Duration::from_millis(1500), system: Duration::from_millis(300) });
        assert_eq!(times.total(), Duration::from_millis(1800));
    }

    #[test]
    fn a_process_counts_with_its_children_and_a_thread_of_the_kernel_does_not() {
        let stat = |parent: u32| format!("42 (2 2) S {parent} 42 42 0 -1 0 0 0 0 0 150 30 20 10 20 0 1 0 99");
        assert_eq!(with_children(&stat(1)), 210);
        assert_eq!(with_children(&stat(2)), 0);
    }

    #[test]
    fn idle_and_stolen_time_is_not_busy() {
        let stat = |idle: u32, stolen: u32| {
            let text = format!("cpu  7 7 7 {idle} 0 7 7 {stolen} 0 0\ncpu0 1\ncpu1 1\nintr 5\n");
            Machine::parse(&text, TICK).unwrap()
        };
        let at = Instant::now();
        let reading = |at, machine, others| Reading { at, machine, others: Duration::from_millis(others) };
        let before = reading(at, stat(0, 0), 0);
        let after = reading(at + Duration::from_secs(1), stat(100, 10), 100);
        let expected = Usage {
            capacity: Duration::from_secs(2),
            busy: Duration::from_millis(900),
            others: Duration::from_millis(100),
            stolen: Duration::from_millis(100),
        };
        assert_eq!(after.since(&before), expected);
        assert!((expected.share(expected.others) - 0.05).abs() < 1e-9);
    }
}

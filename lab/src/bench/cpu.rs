//! Where processor time went: the whole machine's, this process's, and another process's.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};

use super::BenchError;

/// Processor time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    /// In its own code.
    pub(super) user: Duration,
    /// In the kernel.
    pub(super) system: Duration,
}

impl Times {
    /// What this process, with all its threads, has used.
    fn own() -> io::Result<Self> {
        let used = getrusage(UsageWho::RUSAGE_SELF)?;
        let time = |value: nix::sys::time::TimeVal| {
            Duration::new(value.tv_sec() as u64, value.tv_usec() as u32 * 1000)
        };
        Ok(Self { user: time(used.user_time()), system: time(used.system_time()) })
    }

    /// What process `pid` has used.
    pub(super) fn of(pid: u32) -> Result<Self, BenchError> {
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
    pub(super) fn total(self) -> Duration {
        self.user + self.system
    }

    /// What came since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// The processors of the machine, summed, at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Machine {
    processors: u32,
    user: Duration,
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
        let [user, nice, _, idle, waiting, _, _, stolen] = *fields.first_chunk()?;
        Some(Self {
            processors,
            user: tick * (user + nice),
            idle: tick * (idle + waiting),
            stolen: tick * stolen,
        })
    }
}

/// What the machine had done at one time.
#[derive(Debug)]
pub(super) struct Reading {
    at: Instant,
    machine: Machine,
    own: Times,
}

/// What the machine did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Time that all processors were there for, together.
    pub(super) capacity: Duration,
    /// Time that they were busy.
    pub(super) busy: Duration,
    /// Time in the code of others than this process. The agent's is still in it.
    pub(super) others: Duration,
    /// Time that the host of a virtual machine gave to somebody else.
    pub(super) stolen: Duration,
}

impl Usage {
    /// Reads now.
    pub(super) fn read() -> Result<Reading, BenchError> {
        const PATH: &str = "/proc/stat";
        let failed = |source| BenchError::Read { path: PATH.to_owned(), source };
        let (text, at) = (read(PATH)?, Instant::now());
        let machine = Machine::parse(&text, tick().map_err(failed)?)
            .ok_or_else(|| BenchError::Form { path: PATH.to_owned() })?;
        Ok(Reading { at, machine, own: Times::own().map_err(failed)? })
    }

    /// How much of the capacity `time` is.
    pub(super) fn share(self, time: Duration) -> f64 {
        time.as_secs_f64() / self.capacity.as_secs_f64()
    }
}

impl Reading {
    /// What was done since `before`.
    pub(super) fn since(&self, before: &Self) -> Usage {
        let (now, then) = (self.machine, before.machine);
        let capacity = (self.at - before.at) * now.processors;
        let stolen = now.stolen.saturating_sub(then.stolen);
        let idle = now.idle.saturating_sub(then.idle);
        let user = now.user.saturating_sub(then.user);
        Usage {
            capacity,
            busy: capacity.saturating_sub(idle + stolen),
            others: user.saturating_sub(self.own.since(before.own).user),
            stolen,
        }
    }
}

/// Memory of process `pid`, in bytes: now, and at the most so far.
pub(super) fn memory(pid: u32) -> Result<[u64; 2], BenchError> {
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
    fn idle_and_stolen_time_is_not_busy_and_our_own_is_not_others() {
        let stat = |user: u32, idle: u32, stolen: u32| {
            let text = format!("cpu  {user} 0 0 {idle} 0 0 0 {stolen} 0 0\ncpu0 1\ncpu1 1\nintr 5\n");
            Machine::parse(&text, TICK).unwrap()
        };
        let at = Instant::now();
        let own = |millis| Times { user: Duration::from_millis(millis), system: Duration::ZERO };
        let before = Reading { at, machine: stat(0, 0, 0), own: own(0) };
        let after = Reading { at: at + Duration::from_secs(1), machine: stat(60, 100, 10), own: own(500) };
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

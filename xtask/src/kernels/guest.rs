//! What runs in the virtual machine: from the first step to the program, and off.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Before the exit code, on a line of its own.
const ENDED: &str = "portolan-guest-ended ";

/// The first program: reaches the root of the host, with changes in memory, and goes on there.
pub(crate) const INIT: &str = "\
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /dev /host /memory /root
$b mount -t devtmpfs dev /dev
for module in /modules/*; do $b insmod $module; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=524288,cache=loose host /host
$b mount -t tmpfs memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
$b cp /run-tests /root/portolan-guest
exec $b switch_root /root /bin/sh /portolan-guest
";

/// What is done on the root.
pub(crate) struct Script<'a> {
    /// Where the tools are.
    pub(crate) tools: &'a Path,
    /// The kernel's modules.
    pub(crate) modules: &'a Path,
    /// The program to run.
    pub(crate) program: &'a Path,
    /// Its arguments.
    pub(crate) words: &'a [OsString],
}

impl Script<'_> {
    /// The script; the program's output goes to the first serial line, the kernel's to the second.
    pub(crate) fn text(&self) -> String {
        let Self { tools, modules, program, words } = self;
        let words: Vec<String> = words.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        let path = |path: PathBuf| quoted(&path.to_string_lossy());
        let (busybox, kmod) = (path(tools.join("bin/busybox")), path(tools.join("bin/kmod")));
        let (modules, program) = (path(modules.to_path_buf()), path(program.to_path_buf()));
        let words = words.join(" ");
        format!(
            "\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb RUST_TEST_THREADS=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
stty -onlcr 2>/dev/null
mkdir -p /dev/shm /lib/modules
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tracefs trace /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
cp {kmod} /usr/bin/kmod
ln -sf /usr/bin/kmod /usr/sbin/modprobe
mount --bind {modules} /lib/modules
modprobe tun
ip link set lo up
cat {program} >/dev/null
{program} {words}
echo \"{ENDED}$?\"
{busybox} sync
{busybox} poweroff -f
"
        )
    }
}

/// The exit code that a line of the guest tells.
pub(crate) fn ended(line: &str) -> Option<u8> {
    line.trim_end().strip_prefix(ENDED)?.parse().ok()
}

/// A word as the shell must be told it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_program_are_quoted() {
        let words = ["--skip".into(), "it's".into()];
        let script = Script {
            tools: Path::new("/cache/tools"),
            modules: Path::new("/cache/6.1/lib/modules"),
            program: Path::new("/target/kernel tests"),
            words: &words,
        };
        assert!(
            script.text().contains("\n'/target/kernel tests' '--skip' 'it'\\''s'\n"),
            "{}",
            script.text()
        );
    }

    #[test]
    fn the_exit_code_stands_on_the_last_line() {
        assert_eq!(ended("portolan-guest-ended 101\r\n"), Some(101));
        assert_eq!(ended("test result: ok"), None);
    }
}

//! A control group of a lab's own, and sockets that are born in it.
//!
//! A socket belongs to the group of the process that opens it. This process stays where it is, with all its other
//! labs: a child joins the group, opens the socket in the table of descriptors that both share, and ends.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, clone};
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;
use socket2::{Domain, Protocol, Socket, Type};

const STACK: usize = 64 * 1024;

/// A folder of the cgroup v2 tree; removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    folder: File,
    /// Where a process writes itself to join.
    members: File,
}

impl Cgroup {
    /// Makes one under the root of the tree.
    pub(crate) fn make(name: &str) -> io::Result<Self> {
        let path = root()?.join(name);
        fs::create_dir(&path)?;
        let open = || Ok((File::open(&path)?, File::options().write(true).open(path.join("cgroup.procs"))?));
        match open() {
            Ok((folder, members)) => Ok(Self { path, folder, members }),
            Err(err) => {
                remove(&path);
                Err(err)
            }
        }
    }

    /// Its number, to attach a program.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.folder.as_raw_fd()
    }

    /// Opens a socket that belongs to the group, in the network namespace of this thread.
    pub(crate) fn socket(
        &self,
        domain: Domain,
        kind: Type,
        protocol: Option<Protocol>,
    ) -> io::Result<Socket> {
        let (mut told, tell) = io::pipe()?;
        let (members, tell) = (self.members.as_raw_fd(), File::from(std::os::fd::OwnedFd::from(tell)));
        let (domain, kind, protocol) = (domain.into(), kind.into(), protocol.map_or(0, Into::into));
        let mut stack = vec![0; STACK];
        let child = Box::new(|| born(members, tell.as_raw_fd(), domain, kind, protocol));
        #[expect(unsafe_code, reason = "a child that shares descriptors has no safe wrapper")]
        // SAFETY: the child has its own memory and only makes system calls before it ends.
        let pid = unsafe { clone(child, &mut stack, CloneFlags::CLONE_FILES, Some(Signal::SIGCHLD as i32)) }?;
        waitpid(pid, None)?;
        drop(tell);
        let mut answer = Vec::new();
        told.read_to_end(&mut answer)?;
        let answer = <[u8; 4]>::try_from(answer).map_err(|_short| io::ErrorKind::UnexpectedEof)?;
        match RawFd::from_ne_bytes(answer) {
            errno @ ..0 => Err(io::Error::from_raw_os_error(-errno)),
            #[expect(unsafe_code, reason = "the child hands the descriptor over as a number")]
            // SAFETY: the child opened it in the table that we share, and has ended.
            number => Ok(unsafe { Socket::from_raw_fd(number) }),
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// What the child does: joins, opens, tells the descriptor or the negative errno. Nothing here allocates: another
/// thread of the parent may have held the allocator's lock.
#[expect(unsafe_code, reason = "system calls only")]
fn born(members: RawFd, tell: RawFd, domain: i32, kind: i32, protocol: i32) -> isize {
    // SAFETY: the pointers are to values that live through their calls.
    unsafe {
        let joined = libc::write(members, c"0".as_ptr().cast(), 1);
        let socket = if joined == 1 { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) } else { -1 };
        let told = if socket < 0 { -*libc::__errno_location() } else { socket };
        libc::write(tell, (&raw const told).cast(), size_of::<i32>())
    }
}

/// Removes the groups whose name `stale` picks.
pub(crate) fn sweep(stale: impl Fn(&str) -> bool) {
    let Ok(entries) = root().and_then(fs::read_dir) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(&stale) {
            remove(&entry.path());
        }
    }
}

fn remove(path: &Path) {
    if let Err(err) = fs::remove_dir(path)
        && err.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %err, "Control group not removed.");
    }
}

/// Where the cgroup v2 tree is mounted.
fn root() -> io::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no cgroup2 file system is mounted");
    mount_point(&mounts).ok_or_else(missing)
}

fn mount_point(mounts: &str) -> Option<PathBuf> {
    let mut fields = mounts.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.find(|fields| fields.get(2) == Some(&"cgroup2")).map(|fields| PathBuf::from(fields[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_of_the_second_version_is_found_beside_the_first() {
        let mounts =
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mount_point(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_point("proc /proc proc rw 0 0\n"), None);
    }
}

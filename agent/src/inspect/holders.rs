//! Which processes hold which BPF programs.

use std::{collections::BTreeMap, fs, path::Path};

/// The process that holds each program, by the program's number. Only what we may look at is seen.
pub(super) fn holders() -> BTreeMap<u32, u32> {
    let own = std::process::id();
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir("/proc") else { return found };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids.filter(|pid| *pid != own) {
        for program in programs_of(pid) {
            found.entry(program).or_insert(pid);
        }
    }
    found
}

fn programs_of(pid: u32) -> Vec<u32> {
    let directory = format!("/proc/{pid}");
    let Ok(entries) = fs::read_dir(Path::new(&directory).join("fd")) else { return Vec::new() };
    let is_program =
        |path: &Path| fs::read_link(path).is_ok_and(|target| target.as_os_str() == "anon_inode:bpf-prog");
    let descriptors = entries.flatten().filter(|entry| is_program(&entry.path()));
    let info = |entry: fs::DirEntry| {
        fs::read_to_string(Path::new(&directory).join("fdinfo").join(entry.file_name())).ok()
    };
    descriptors.filter_map(info).filter_map(|info| program_id(&info)).collect()
}

fn program_id(info: &str) -> Option<u32> {
    info.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_program_is_read_from_its_descriptor() {
        assert_eq!(program_id("pos:\t0\nprog_type:\t3\nprog_id:\t417\n"), Some(417));
        assert_eq!(program_id("pos:\t0\n"), None);
    }
}

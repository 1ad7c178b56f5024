//! Running other programs: quietly, loudly, or in this process's place.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::Failure;

/// Runs with its output in view; a failure carries its exit code on.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|err| start(command, err))?;
    if status.success() {
        return Ok(());
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Failure::Exit { program: name(command), code })
}

/// Runs without a terminal, its output kept for the caller.
pub(crate) fn capture(command: &mut Command) -> Result<Output, Failure> {
    command.stdin(Stdio::null()).output().map_err(|err| start(command, err))
}

/// The standard output, when the program is there and ends well.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = capture(command).ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// Becomes the program: its exit code, signals and terminal are then its own. Returns only when it cannot.
pub(crate) fn become_it(command: &mut Command) -> Failure {
    let err = command.exec();
    start(command, err)
}

/// The first executable of that name in the folders of `path`.
pub(crate) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

/// A regular file that someone may run.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn start(command: &Command, err: std::io::Error) -> Failure {
    Failure::Start { program: command.get_program().to_owned(), err }
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    match command.get_args().next() {
        Some(first) => format!("{} {}", program.display(), first.display()),
        None => program.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_passed_on() {
        let failure = run(Command::new("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(failure.code(), 7);
        assert!(failure.to_string().starts_with("sh -c failed"), "{failure}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = run(&mut Command::new("/nowhere/at-all")).unwrap_err();
        assert!(failure.to_string().contains("cannot start /nowhere/at-all"), "{failure}");
    }

    #[test]
    fn an_answer_is_given_by_success_only() {
        assert_eq!(answer(Command::new("echo").arg("yes")).as_deref(), Some("yes\n"));
        assert_eq!(answer(Command::new("sh").args(["-c", "echo no; exit 1"])), None);
    }

    #[test]
    fn a_folder_is_no_program() {
        assert!(find("sh", OsStr::new("/nowhere:/usr/bin:/bin")).is_some());
        assert_eq!(find("usr", OsStr::new("/")), None);
    }
}

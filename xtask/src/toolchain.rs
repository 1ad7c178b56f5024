//! The user's cargo, the one that started this, and the environment in which it is run again.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;
use crate::shadow;

/// Folders in which Debian keeps the tools of root; a plain user's `PATH` lacks them.
const ROOT_TOOLS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Where cargo, its tools and the workspace are.
#[derive(Debug)]
pub(crate) struct Toolchain {
    cargo: PathBuf,
    workspace: PathBuf,
    cargo_bin: PathBuf,
    /// `PATH` as the user has it.
    given_path: OsString,
    /// `PATH` for what is run from here.
    path: OsString,
    rustup: bool,
}

impl Toolchain {
    /// The toolchain that started this process. Cargo says so in the environment of what it runs.
    pub(crate) fn current() -> Self {
        let cargo = std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
        let workspace = Path::new(&package).parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
        let rustup = std::env::var_os("RUSTUP_TOOLCHAIN").is_some();
        let cargo_bin = cargo_home().join("bin");
        let given = std::env::var_os("PATH").unwrap_or_default();
        let own = if rustup { Some(cargo_bin.as_path()) } else { cargo.parent() };
        let path =
            child_path(&given, own, &cargo_bin, |folder| command::is_executable(&folder.join("rustc")));
        Self { cargo, workspace, cargo_bin, given_path: given, path, rustup }
    }

    /// A run of the user's cargo in the workspace.
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut command = self.tool(&self.cargo);
        command.arg(verb).current_dir(&self.workspace);
        command
    }

    /// Another program, with the same `PATH`.
    pub(crate) fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }

    /// Where a program is on that `PATH`.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        command::find(program, &self.path)
    }

    /// A tool of the toolchain itself, as `cargo-clippy`. Rustup has a stand-in for each on `PATH` even when
    /// the component is missing, so that only the folder of the real cargo counts there.
    pub(crate) fn has_component(&self, tool: &str) -> bool {
        let beside = self.cargo.parent().is_some_and(|folder| command::is_executable(&folder.join(tool)));
        beside || (!self.rustup && self.find(tool).is_some())
    }

    /// Rustup manages this toolchain.
    pub(crate) fn by_rustup(&self) -> bool {
        self.rustup && self.find("rustup").is_some()
    }

    /// The folder of the user's cargo, when Debian's would hide it.
    pub(crate) fn hidden_by_usr_bin(&self) -> Option<PathBuf> {
        let path: Vec<PathBuf> = std::env::split_paths(&self.given_path).collect();
        shadow::hidden_by_usr_bin(&path, |folder| command::is_executable(&folder.join("cargo")))
    }

    /// The folder into which `cargo install` puts programs, when the user's `PATH` lacks it.
    pub(crate) fn cargo_bin_off_path(&self) -> Option<&Path> {
        let on_path = std::env::split_paths(&self.given_path).any(|folder| folder == self.cargo_bin);
        (!on_path).then_some(self.cargo_bin.as_path())
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target(&self) -> PathBuf {
        let told = std::env::var_os("CARGO_TARGET_DIR").filter(|told| !told.is_empty());
        told.map_or_else(|| self.workspace.join("target"), |told| self.workspace.join(told))
    }

    /// The workspace's folder.
    pub(crate) fn workspace(&self) -> &Path {
        &self.workspace
    }
}

fn cargo_home() -> PathBuf {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return PathBuf::from(home);
    }
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    home.join(".cargo")
}

/// The `PATH` of what is run: the given one, with the user's own toolchain (`own`) ahead when the first `rustc`
/// on it would be Debian's, and with the folders of `cargo install` and of root's tools at the end.
fn child_path(
    given: &OsStr,
    own: Option<&Path>,
    cargo_bin: &Path,
    has_rustc: impl Fn(&Path) -> bool,
) -> OsString {
    let mut folders: Vec<PathBuf> = std::env::split_paths(given).collect();
    let first_rustc = folders.iter().find(|folder| has_rustc(folder));
    let own = own.filter(|own| has_rustc(own) && !shadow::is_system(own));
    if let (Some(own), Some(first)) = (own, first_rustc)
        && shadow::is_system(first)
    {
        folders.insert(0, own.to_owned());
    }
    for last in [cargo_bin].into_iter().chain(ROOT_TOOLS.map(Path::new)) {
        if !folders.iter().any(|folder| folder == last) {
            folders.push(last.to_owned());
        }
    }
    std::env::join_paths(folders).unwrap_or_else(|_| given.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(given: &str, own: Option<&str>) -> String {
        let has_rustc = |folder: &Path| folder == Path::new("/usr/bin") || folder.starts_with("/opt/rust");
        let path =
            child_path(OsStr::new(given), own.map(Path::new), Path::new("/home/me/.cargo/bin"), has_rustc);
        path.into_string().unwrap()
    }

    #[test]
    fn the_users_compiler_comes_before_debians() {
        let seen = path("/usr/bin:/opt/rust/bin", Some("/opt/rust/bin"));
        assert!(seen.starts_with("/opt/rust/bin:/usr/bin:"), "{seen}");
    }

    #[test]
    fn a_path_in_order_is_left_as_it_is() {
        let given = "/opt/rust/bin:/usr/bin:/home/me/.cargo/bin:/usr/sbin:/sbin";
        assert_eq!(path(given, Some("/opt/rust/bin")), given);
    }

    #[test]
    fn debians_own_cargo_stays_first() {
        assert!(path("/usr/bin", Some("/usr/bin")).starts_with("/usr/bin:/home/me/.cargo/bin:"));
    }

    #[test]
    fn installed_programs_and_roots_tools_are_found() {
        assert!(path("/usr/bin", None).ends_with(":/home/me/.cargo/bin:/usr/sbin:/sbin"));
    }
}

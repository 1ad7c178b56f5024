//! Debian's compiler must not hide the user's: it is installed into `/usr/bin`, so the user's folder has to
//! come first on `PATH`.

use std::path::{Path, PathBuf};

/// Folders that Debian's packages install programs into; `/bin` is a link to the first.
const SYSTEM: [&str; 2] = ["/usr/bin", "/bin"];

/// The folder of `cargo` on this `PATH`, when a cargo in `/usr/bin` would be found before it.
///
/// `has_cargo` tells whether a folder holds a cargo. None when cargo is Debian's own or comes first.
pub(crate) fn hidden_by_usr_bin(path: &[PathBuf], has_cargo: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    let system = path.iter().position(|folder| is_system(folder))?;
    let users = path.iter().position(|folder| !is_system(folder) && has_cargo(folder))?;
    (system < users).then(|| path[users].clone())
}

/// A folder of the system's packages.
pub(crate) fn is_system(folder: &Path) -> bool {
    SYSTEM.iter().any(|system| folder == Path::new(system))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(path: &str) -> Option<PathBuf> {
        let path: Vec<PathBuf> = std::env::split_paths(path).collect();
        hidden_by_usr_bin(&path, |folder| {
            folder.starts_with("/home/me/.cargo") || folder.starts_with("/opt/rust")
        })
    }

    #[test]
    fn a_folder_ahead_of_usr_bin_is_not_hidden() {
        assert_eq!(hidden("/home/me/.cargo/bin:/usr/local/bin:/usr/bin:/bin"), None);
    }

    #[test]
    fn a_folder_behind_usr_bin_is_hidden() {
        assert_eq!(hidden("/usr/bin:/opt/rust/bin"), Some(PathBuf::from("/opt/rust/bin")));
        assert_eq!(hidden("/bin:/opt/rust/bin"), Some(PathBuf::from("/opt/rust/bin")));
    }

    #[test]
    fn without_another_cargo_nothing_is_hidden() {
        assert_eq!(hidden("/usr/local/bin:/usr/bin"), None);
    }
}

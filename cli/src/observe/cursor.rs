//! A cursor in a file, for whoever wants to go on tomorrow.

use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// No cursor is longer; a file that is was written by somebody else.
const MOST: usize = 200;

/// A file that always holds one whole cursor.
#[derive(Debug)]
pub(crate) struct CursorFile {
    path: PathBuf,
    /// What stands in it.
    written: String,
}

impl CursorFile {
    /// The file and the cursor in it. One that is not there yet begins without.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let written = match fs::read_to_string(path) {
            Ok(text) => text.trim_end().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                let problem = format!("cannot read a cursor from {}; name another file", path.display());
                return Err(Failure::usage(anyhow!(error).context(problem)));
            }
        };
        if written.len() > MOST || written.contains(char::is_whitespace) {
            let path = path.display();
            return Err(Failure::usage(anyhow!(
                "{path} holds no cursor: name another file, or remove this one"
            )));
        }
        Ok(Self { path: path.to_owned(), written })
    }

    /// What stands in it; nothing at first.
    pub(super) fn cursor(&self) -> &str {
        &self.written
    }

    /// What may be done where the cursor in it is refused.
    pub(super) fn mend(&self) -> String {
        let path = self.path.display();
        format!(
            "cannot go on behind the cursor in {path} (name another file, or remove this one to begin anew)"
        )
    }

    /// Puts a cursor there in one go.
    pub(super) fn write(&mut self, cursor: &str) -> Result<(), Failure> {
        if self.written == cursor {
            return Ok(());
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        fs::write(&beside, format!("{cursor}\n"))
            .and_then(|()| fs::rename(&beside, &self.path))
            .with_context(|| {
                format!(
                    "cannot keep the cursor in {}: is its folder there, and writable?",
                    self.path.display()
                )
            })?;
        cursor.clone_into(&mut self.written);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_found_again_and_anything_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursor");
        let mut file = CursorFile::open(&path).unwrap();
        assert_eq!(file.cursor(), "");
        file.write("00ff.1").unwrap();
        file.write("00ff.2").unwrap();
        assert_eq!(CursorFile::open(&path).unwrap().cursor(), "00ff.2");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&path, "dear diary\n").unwrap();
        assert!(CursorFile::open(&path).is_err());
        assert!(CursorFile::open(folder.path()).is_err());
        assert!(CursorFile { path: path.join("none"), written: String::new() }.write("00ff.3").is_err());
    }
}

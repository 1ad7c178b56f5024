//! The tables in a document: what stands between two lines of it is replaced.

use std::fs;
use std::path::Path;

use super::BenchError;

const END: &str = "<!-- end of what is written -->";

/// Puts the tables into a document, after the line `begin`.
pub fn put(path: &Path, begin: &str, tables: &str) -> Result<(), BenchError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|source| BenchError::Read { path: name.clone(), source })?;
    let text = replaced(&text, begin, tables).ok_or_else(|| BenchError::Document {
        path: name.clone(),
        begin: begin.to_owned(),
        end: END,
    })?;
    fs::write(path, text).map_err(|source| BenchError::Write { what: name, source })
}

fn replaced(text: &str, begin: &str, tables: &str) -> Option<String> {
    let (before, rest) = text.split_once(begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}\n\n{}\n\n{END}{after}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        const BEGIN: &str = "<!-- ours -->";
        let document =
            |tables: &str| format!("# Words\n<!-- others -->\n{END}\n{BEGIN}\n\n{tables}\n\n{END}\nmore\n");
        let new = replaced(&document("old"), BEGIN, "| new |\n").unwrap();
        assert_eq!(new, document("| new |"));
        assert_eq!(replaced(&new, BEGIN, "| new |").unwrap(), new, "the same again");
        assert_eq!(replaced("# Words\n", BEGIN, "| new |"), None);
    }
}

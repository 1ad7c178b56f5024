//! Lines for a terminal: indented, and broken where they grow too long.

use crate::shown::fit;
use std::fmt;

/// No line is longer, as far as its words allow.
const WIDTH: usize = 110;

/// Lines of text.
#[derive(Default)]
pub(super) struct Page(Vec<String>);

impl Page {
    /// Adds a sentence; its further lines are indented below the first.
    pub(super) fn say(&mut self, depth: usize, sentence: &str) {
        let indent = " ".repeat(2 * depth);
        let mut line = indent.clone();
        let mut is_fresh = true;
        for word in fit(sentence).split(' ') {
            if !is_fresh && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.0.push(line);
                line = format!("{indent}    ");
                is_fresh = true;
            }
            if !is_fresh {
                line.push(' ');
            }
            line.push_str(word);
            is_fresh = false;
        }
        self.0.push(line);
    }

    /// Adds a text whose lines stay as they are.
    pub(super) fn quote(&mut self, depth: usize, text: &str) {
        let indent = " ".repeat(2 * depth);
        self.0.extend(text.lines().map(|line| format!("{indent}{line}")));
    }

    pub(super) fn blank(&mut self) {
        self.0.push(String::new());
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_sentence_is_broken_between_words_and_a_long_word_is_not() {
        let mut page = Page::default();
        page.say(1, &format!("{} {} end", "a".repeat(70), "b".repeat(200)));
        let text = page.to_string();
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [72, 206, 9]);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let mut page = Page::default();
        page.say(0, "a\nb\u{1b}[31m");
        assert_eq!(page.to_string(), "a\u{fffd}b\u{fffd}[31m");
    }
}

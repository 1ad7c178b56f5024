//! Values of others in sentences: on one line, harmless to a terminal, and cut where they are long.

/// The characters of a value that are shown; values may be huge.
const SHOWN: usize = 80;

/// A value in a sentence: in backticks, on one line, cut where it is long.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", short(text))
}

/// A value on one line, cut where it is long.
pub(crate) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN).map(visible).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Control characters would break lines and terminals.
pub(crate) fn visible(letter: char) -> char {
    if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_cut_at_a_character_and_kept_on_one_line() {
        assert_eq!(quote("web"), "`web`");
        assert_eq!(quote("a\nb\u{1b}[1m"), "`a\u{fffd}b\u{fffd}[1m`");
        assert_eq!(quote(&"é".repeat(SHOWN)), format!("`{}`", "é".repeat(SHOWN)));
        assert_eq!(quote(&"é".repeat(SHOWN + 1)), format!("`{}…`", "é".repeat(SHOWN)));
    }
}

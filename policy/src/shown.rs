//! Values of others in sentences: on one line, harmless to a terminal, and cut where they are long.

/// The characters of a value that are shown; values may be huge.
const SHOWN: usize = 80;

/// The entries of a list that are shown.
const LISTED: usize = 8;

/// The letters of a word that are shown: the longest label, key and value, is shorter.
const WORD: usize = 400;

/// The letters of a sentence that are shown.
const SENTENCE: usize = 4000;

/// A value in a sentence: in backticks, on one line, cut where it is long.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", short(text))
}

/// A value on one line, cut where it is long.
pub(crate) fn short(text: &str) -> String {
    cut(text, SHOWN)
}

/// A sentence on one line, its words and itself cut where they are longer than anybody reads.
pub(crate) fn fit(sentence: &str) -> String {
    let words: Vec<String> = sentence.split(' ').map(|word| cut(word, WORD)).collect();
    cut(&words.join(" "), SENTENCE)
}

/// The first letters of a text, on one line.
fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(most).map(visible).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A list in a sentence, cut after its first entries: `80/TCP, 443/TCP, 7 more`.
pub(crate) fn listed(entries: impl ExactSizeIterator<Item = impl ToString>) -> String {
    let more = entries.len().saturating_sub(LISTED);
    let mut told: Vec<String> = entries.take(LISTED).map(|entry| entry.to_string()).collect();
    if more > 0 {
        told.push(format!("{more} more"));
    }
    told.join(", ")
}

/// Control characters would break lines and terminals.
pub(crate) fn visible(letter: char) -> char {
    if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_and_says_by_how_much() {
        assert_eq!(listed([80, 443].iter()), "80, 443");
        assert_eq!(listed((1..=8).collect::<Vec<u16>>().iter()), "1, 2, 3, 4, 5, 6, 7, 8");
        assert_eq!(listed((1..=10).collect::<Vec<u16>>().iter()), "1, 2, 3, 4, 5, 6, 7, 8, 2 more");
    }

    #[test]
    fn a_sentence_is_cut_at_its_long_words_and_at_its_end() {
        assert_eq!(fit("all of it\u{1b}[1m"), "all of it\u{fffd}[1m");
        let huge = "x".repeat(1_000_000);
        assert_eq!(fit(&format!("label {huge} is long")), format!("label {}… is long", "x".repeat(WORD)));
        assert_eq!(fit(&"ab ".repeat(1_000_000)).chars().count(), SENTENCE + 1);
    }

    #[test]
    fn a_value_is_cut_at_a_character_and_kept_on_one_line() {
        assert_eq!(quote("web"), "`web`");
        assert_eq!(quote("a\nb\u{1b}[1m"), "`a\u{fffd}b\u{fffd}[1m`");
        assert_eq!(quote(&"é".repeat(SHOWN)), format!("`{}`", "é".repeat(SHOWN)));
        assert_eq!(quote(&"é".repeat(SHOWN + 1)), format!("`{}…`", "é".repeat(SHOWN)));
    }
}

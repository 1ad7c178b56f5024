//! How little two words differ, when it is little enough to be a slip.

use crate::nearest::LONGEST;

/// What stands between the parts of a name.
const SEPARATORS: [char; 3] = ['-', '_', '.'];

/// In words shorter than these, one or two wrong letters make another word.
const LONG_ENOUGH_FOR_ONE: usize = 5;
const LONG_ENOUGH_FOR_TWO: usize = 9;
const LONG_ENOUGH_TO_SWAP: usize = 3;

/// How two words differ, where it may be a slip: `one hyphen apart`.
pub(super) fn close(one: &str, other: &str) -> Option<String> {
    let lower = |text: &str| text.to_lowercase();
    let is_too_long = [one, other].iter().any(|text| text.len() > LONGEST);
    if one == other || is_too_long || digits(one) != digits(other) {
        return None;
    }
    if lower(one) == lower(other) {
        return Some("they differ in case only".to_owned());
    }
    if without_separators(one) == without_separators(other) {
        return separators(one, other);
    }
    if is_plural(one, other) || is_plural(other, one) {
        return Some("one s apart".to_owned());
    }
    letters(one, other)
}

/// Numbers that differ are versions or shards, not slips.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn without_separators(text: &str) -> String {
    text.chars().filter(|letter| !SEPARATORS.contains(letter)).collect()
}

fn separators(one: &str, other: &str) -> Option<String> {
    if without_separators(one).is_empty() {
        return None;
    }
    let hyphens = |text: &str| text.matches('-').count();
    let only_hyphens = one.replace('-', "") == other.replace('-', "");
    Some(match hyphens(one).abs_diff(hyphens(other)) {
        1 if only_hyphens => "one hyphen apart".to_owned(),
        _ => "they differ in hyphens, underscores or dots only".to_owned(),
    })
}

fn is_plural(one: &str, other: &str) -> bool {
    one.strip_suffix('s') == Some(other) && other.chars().count() >= LONG_ENOUGH_TO_SWAP
}

fn letters(one: &str, other: &str) -> Option<String> {
    let shorter = one.chars().count().min(other.chars().count());
    let swapped = strsim::osa_distance(one, other) == 1 && strsim::levenshtein(one, other) == 2;
    match strsim::osa_distance(one, other) {
        1 if swapped && shorter >= LONG_ENOUGH_TO_SWAP => Some("two letters changed places".to_owned()),
        1 if shorter >= LONG_ENOUGH_FOR_ONE => Some("one letter apart".to_owned()),
        2 if shorter >= LONG_ENOUGH_FOR_TWO => Some("two letters apart".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::close;

    #[test]
    fn words_of_any_length_are_compared_at_once() {
        let long = "a".repeat(1 << 20);
        assert_eq!(close(&long, &format!("{long}b")), None);
    }

    #[test]
    fn slips_are_named() {
        let cases = [
            ("front-end", "frontend", "one hyphen apart"),
            ("front_end", "front-end", "they differ in hyphens, underscores or dots only"),
            ("Frontend", "frontend", "they differ in case only"),
            ("worker", "workers", "one s apart"),
            ("databse", "database", "one letter apart"),
            ("dbwe", "dbew", "two letters changed places"),
            ("monitorring", "monitoing", "two letters apart"),
        ];
        for (one, other, words) in cases {
            assert_eq!(close(one, other).as_deref(), Some(words), "{one} {other}");
            assert_eq!(close(other, one).as_deref(), Some(words), "{other} {one}");
        }
    }

    #[test]
    fn other_words_are_no_slips() {
        for (one, other) in [
            ("web", "web"),
            ("web", "db"),
            ("a", "b"),
            ("blue", "glue"),
            ("v1", "v2"),
            ("shard-1", "shard-2"),
            ("prod1", "prod"),
            ("", "-"),
            ("a", "as"),
            ("staging", "production"),
        ] {
            assert_eq!(close(one, other), None, "{one} {other}");
        }
    }
}

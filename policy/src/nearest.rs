//! The word that was perhaps meant: of those that are there, the one that is most alike.

/// The Kubernetes API allows no longer name or label, so nothing longer is compared.
pub(crate) const LONGEST: usize = 317;

/// Two words that begin alike, as the pods of one workload do.
const KIN: f64 = 0.75;

/// A third of the letters wrong is a slip in a short word; more is another word.
const SLIP: f64 = 0.66;

/// The tag of the word that is most alike, the first of several; `None` where nothing is alike.
pub(crate) fn nearest<W: AsRef<str>, T>(wanted: &str, words: impl Iterator<Item = (W, T)>) -> Option<T> {
    let wanted = Some(wanted).filter(|wanted| wanted.len() <= LONGEST)?.to_lowercase();
    let mut best = None;
    for (word, tag) in words.filter(|(word, _)| word.as_ref().len() <= LONGEST) {
        let alike = likeness(&wanted, &word.as_ref().to_lowercase());
        if alike >= SLIP && best.as_ref().is_none_or(|(most, _)| alike > *most) {
            best = Some((alike, tag));
        }
    }
    best.map(|(_, tag)| tag)
}

/// From 0 to 1.
fn likeness(one: &str, other: &str) -> f64 {
    let kin = strsim::jaro_winkler(one, other);
    if kin >= KIN {
        return kin;
    }
    let longest = one.chars().count().max(other.chars().count()).max(1);
    1.0 - strsim::osa_distance(one, other) as f64 / longest as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among<'a>(wanted: &str, words: &[&'a str]) -> Option<&'a str> {
        nearest(wanted, words.iter().map(|word| (*word, *word)))
    }

    #[test]
    fn slips_and_kin_are_found() {
        assert_eq!(among("wbe", &["api", "web"]), Some("web"));
        assert_eq!(among("web", &["db-0", "web-7d9f-x2"]), Some("web-7d9f-x2"));
        assert_eq!(among("frontend", &["backend", "front-end"]), Some("front-end"));
        assert_eq!(among("App", &["api", "app"]), Some("app"));
    }

    #[test]
    fn of_words_as_much_alike_the_first_is_taken() {
        assert_eq!(among("shard-1", &["shard-2", "shard-3"]), Some("shard-2"));
    }

    #[test]
    fn another_word_is_not_offered() {
        assert_eq!(among("web", &["database", "db"]), None);
    }

    #[test]
    fn huge_words_are_not_compared() {
        let huge = "x".repeat(1_000_000);
        assert_eq!(among(&huge, &["x"]), None);
        assert_eq!(among("x", &[&huge]), None);
    }
}

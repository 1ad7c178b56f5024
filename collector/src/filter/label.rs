//! Label selectors in the syntax of `kubectl -l`.

use std::str::FromStr;

/// Why a text is no selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SelectorError(pub(super) &'static str);

/// Requirements that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// Holds of an absent label too, as in Kubernetes.
    NotIn(Vec<String>),
}

impl Selector {
    /// Whether the labels meet every requirement.
    pub(super) fn matches<'end>(&self, label: impl Fn(&str) -> Option<&'end str>) -> bool {
        self.0.iter().all(|Requirement { key, test }| {
            let value = label(key);
            let is_among =
                |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
            match test {
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
                Test::In(values) => is_among(values),
                Test::NotIn(values) => !is_among(values),
            }
        })
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        split(text)?.into_iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }
}

/// Splits at the commas outside parentheses.
fn split(text: &str) -> Result<Vec<&str>, SelectorError> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match (letter, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(', true) | (')', false) => return Err(SelectorError("has a parenthesis without its pair")),
            (',', false) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(SelectorError("has a parenthesis without its pair"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, SelectorError> {
    let text = text.trim();
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement { key: self::key(key)?, test: Test::Absent });
    }
    if let Some(list) = text.strip_suffix(')') {
        return set_requirement(list);
    }
    let (key, test) = if let Some((key, value)) = text.split_once("!=") {
        (key, Test::NotIn(vec![self::value(value)?]))
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (key, Test::In(vec![self::value(value)?]))
    } else {
        (text, Test::Exists)
    };
    Ok(Requirement { key: self::key(key)?, test })
}

/// `key in (a,b` or `key notin (a,b`, the closing parenthesis already taken off.
fn set_requirement(text: &str) -> Result<Requirement, SelectorError> {
    let malformed = SelectorError("is no `key in (a,b)` or `key notin (a,b)`");
    let (head, list) = text.split_once('(').ok_or(malformed)?;
    let (key, operator) = head.trim().split_once(char::is_whitespace).ok_or(malformed)?;
    let values = list.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
    let test = match operator.trim() {
        "in" => Test::In(values),
        "notin" => Test::NotIn(values),
        _ => return Err(malformed),
    };
    Ok(Requirement { key: self::key(key)?, test })
}

fn key(text: &str) -> Result<String, SelectorError> {
    let key = text.trim();
    let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
    if prefix.is_empty() || name.is_empty() || name.contains('/') || !key.chars().all(is_label_letter) {
        return Err(SelectorError("has a key that is no label key"));
    }
    Ok(key.to_owned())
}

fn value(text: &str) -> Result<String, SelectorError> {
    let value = text.trim();
    if value.contains('/') || !value.chars().all(is_label_letter) {
        return Err(SelectorError("has a value that is no label value"));
    }
    Ok(value.to_owned())
}

fn is_label_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("app", "web"), ("tier", "front"), ("empty", ""), ("example.com/team", "a")];
        let label = |key: &str| Some(labels.iter().find(|(known, _)| *known == key)?.1);
        selector.parse::<Selector>().unwrap_or_else(|error| panic!("{selector}: {error:?}")).matches(label)
    }

    #[test]
    fn selectors_mean_what_kubectl_means() {
        let holds = [
            "app=web",
            "app==web",
            " app = web , tier = front ",
            "app!=db",
            "absent!=anything",
            "app",
            "!absent",
            "app in (db, web)",
            "tier notin (back)",
            "absent notin (back)",
            "app in (web),tier=front,!x",
            "empty=",
            "example.com/team=a",
        ];
        for selector in holds {
            assert!(matches(selector), "{selector} holds");
        }
        let fails =
            ["app=db", "app!=web", "absent", "!app", "app in (db)", "absent in (a)", "app=web,tier=back"];
        for selector in fails {
            assert!(!matches(selector), "{selector} does not hold");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        let wrong = [
            "",
            ",",
            "app=web,",
            "=web",
            "app in web",
            "app in (a",
            "app)",
            "app near (a)",
            "a b",
            "app=a b",
            "/x",
            "a/b/c",
        ];
        for text in wrong {
            assert!(text.parse::<Selector>().is_err(), "`{text}` is refused");
        }
    }
}

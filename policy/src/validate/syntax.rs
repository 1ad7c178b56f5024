//! The words of the Kubernetes API: label keys and values, names, port names, domain names.
//!
//! Each function says what is wrong with a word, or nothing.

/// The longest label value, name part of a label key, and DNS label.
const LABEL_MAX: usize = 63;
/// The longest DNS name.
const DNS_MAX: usize = 253;
/// The longest name of a port.
const PORT_NAME_MAX: usize = 15;

/// `[prefix/]name`.
pub(super) fn label_key(key: &str) -> Result<(), &'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.contains('/') {
        return Err("has more than one `/`");
    }
    if prefix.is_some_and(|prefix| dns_subdomain(prefix).is_err()) {
        return Err("has a prefix that is no lower-case DNS name");
    }
    if name.is_empty() { Err("has no name") } else { label_word(name) }
}

/// Empty, or a word of at most 63 characters.
pub(super) fn label_value(value: &str) -> Result<(), &'static str> {
    if value.is_empty() { Ok(()) } else { label_word(value) }
}

fn label_word(word: &str) -> Result<(), &'static str> {
    if word.len() > LABEL_MAX {
        return Err("is longer than 63 characters");
    }
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err("has characters other than letters, digits, `-`, `_` and `.`");
    }
    if is_alphanumeric_at_ends(word) { Ok(()) } else { Err("does not begin and end with a letter or digit") }
}

fn is_alphanumeric_at_ends(word: &str) -> bool {
    let ends = [word.bytes().next(), word.bytes().next_back()];
    ends.into_iter().flatten().all(|byte| byte.is_ascii_alphanumeric())
}

/// Lower-case DNS labels with dots between them.
pub(super) fn dns_subdomain(name: &str) -> Result<(), &'static str> {
    if name.len() > DNS_MAX {
        return Err("is longer than 253 characters");
    }
    name.split('.').try_for_each(dns_characters)
}

/// One lower-case DNS label.
pub(super) fn dns_label(name: &str) -> Result<(), &'static str> {
    if name.len() > LABEL_MAX {
        return Err("is longer than 63 characters");
    }
    dns_characters(name)
}

fn dns_characters(label: &str) -> Result<(), &'static str> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if label.is_empty() {
        Err("is empty or has two dots in a row")
    } else if !label.bytes().all(known) {
        Err("has characters other than lower-case letters, digits and `-`")
    } else if is_alphanumeric_at_ends(label) {
        Ok(())
    } else {
        Err("does not begin and end with a letter or digit")
    }
}

/// The name of a container port.
pub(super) fn port_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.len() > PORT_NAME_MAX {
        return Err("is longer than 15 characters");
    }
    if !name.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return Err("has no letter");
    }
    if name.contains("--") {
        return Err("has two `-` in a row");
    }
    dns_characters(name)
}

/// `name.example` or `*.name.example`, in any case, a final dot allowed (C11).
pub(super) fn domain_name(name: &str) -> Result<(), &'static str> {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    if bare.contains('*') {
        return Err("has `*` elsewhere than as its first label");
    }
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    if !bare.contains('.') {
        return Err("has one label only");
    }
    bare.split('.').try_for_each(domain_label)
}

fn domain_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        Err("has two dots in a row, or one at the front")
    } else if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        Err("has characters other than letters, digits, `-` and `_`")
    } else if is_alphanumeric_at_ends(label) {
        Ok(())
    } else {
        Err("has a label that does not begin and end with a letter or digit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the first words are fine and the others are not.
    fn sorts(check: fn(&str) -> Result<(), &'static str>, good: &[&str], bad: &[&str]) {
        for word in good {
            assert_eq!(check(word), Ok(()), "{word:?}");
        }
        for word in bad {
            assert!(check(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn label_keys() {
        let long = "a".repeat(64);
        sorts(
            label_key,
            &["app", "app.kubernetes.io/name", "A_b-c.d", "1", &"a".repeat(63)],
            &["", "/app", "a/b/c", "Example.com/app", "a b", "-a", "a-", "x/", &long, "ä"],
        );
    }

    #[test]
    fn label_values() {
        sorts(label_value, &["", "web", "Web_1.2-3", "1"], &["a b", "-", "web/1", &"a".repeat(64), "a=b"]);
    }

    #[test]
    fn names_of_objects() {
        sorts(
            dns_subdomain,
            &["web", "a.b-c", "0", &"a".repeat(253)],
            &["", "Web", "a..b", "-a", &"a".repeat(254)],
        );
        sorts(dns_label, &["web", "a-b"], &["a.b", "", "Web", &"a".repeat(64)]);
    }

    #[test]
    fn names_of_ports() {
        sorts(
            port_name,
            &["http", "8080-tcp", "a"],
            &["", "80", "HTTP", "a--b", "-a", "a-", &"a".repeat(16)],
        );
    }

    #[test]
    fn domain_names() {
        sorts(
            domain_name,
            &["kubernetes.io", "*.kubernetes.io", "A.b.", "x_y.example"],
            &["", "*", "*.", "io", "*.io", "a.*.io", "*a.io", ".io", "a..io", "a b.io", "-a.io"],
        );
    }
}

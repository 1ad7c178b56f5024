//! Names of the DNS as peers (C11).

/// A name, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DomainName {
    /// Lower case, without a final dot and without the `*.`.
    name: String,
    /// Whether it stands for all names below, itself not among them.
    below: bool,
}

impl DomainName {
    /// Reads a name; `None` where a label of it is empty or a `*` stands anywhere but in front.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let name = canonical(text);
        let (name, below) = name.strip_prefix("*.").map_or((name.as_str(), false), |name| (name, true));
        let is_label = |label: &str| !label.is_empty() && !label.contains('*');
        name.split('.').all(is_label).then(|| Self { name: name.to_owned(), below })
    }

    /// Whether it stands for a canonical name: itself, or one or more whole labels before it.
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.below {
            name.strip_suffix(self.name.as_str())
                .and_then(|front| front.strip_suffix('.'))
                .is_some_and(|front| !front.is_empty())
        } else {
            name == self.name
        }
    }
}

/// Lower case, without a final dot.
pub(crate) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        DomainName::read(pattern).unwrap().matches(&canonical(name))
    }

    #[test]
    fn a_name_matches_itself_in_any_case_and_with_a_final_dot() {
        assert!(matches("Kubernetes.io", "kubernetes.IO."));
        assert!(!matches("kubernetes.io", "www.kubernetes.io"));
        assert!(!matches("kubernetes.io", "my-kubernetes.io"));
    }

    #[test]
    fn a_star_is_one_or_more_whole_labels() {
        assert!(matches("*.kubernetes.io", "www.kubernetes.io"));
        assert!(matches("*.kubernetes.io.", "latest.blog.kubernetes.io"));
        assert!(!matches("*.kubernetes.io", "kubernetes.io"));
        assert!(!matches("*.kubernetes.io", "wikipedia.org"));
        assert!(!matches("*.kubernetes.io", "mykubernetes.io"));
    }

    #[test]
    fn what_is_no_name_is_not_read() {
        for text in ["", ".", "*", "*.", "a..b", "w*.example.com", "a.*.com"] {
            assert_eq!(DomainName::read(text), None, "{text}");
        }
    }
}

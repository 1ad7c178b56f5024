//! A line of kernels, such as 6.1, and the newest package of it.

use std::fmt;
use std::str::FromStr;

/// Major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Release(u32, u32);

impl Release {
    /// Those that are tried when none is named: without tcx, and with it.
    pub(crate) const ALL: [Self; 2] = [Self(6, 1), Self(6, 12)];

    /// What the names of its packages begin with.
    pub(crate) fn prefix(self) -> String {
        format!("linux-image-{self}.")
    }

    /// The newest of its packages among many names: the plain, signed build.
    pub(crate) fn newest(self, names: &str) -> Option<&str> {
        let is_plain = |name: &&str| {
            name.strip_prefix(&self.prefix()).and_then(|rest| rest.strip_suffix("-amd64")).is_some_and(
                |rest| !["cloud", "rt"].iter().any(|flavour| rest.ends_with(&format!("-{flavour}"))),
            )
        };
        names.lines().filter(is_plain).max_by_key(|name| numbers(name))
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) =
            parts.ok_or_else(|| format!("`{text}` is no kernel: give major and minor, as `6.1`"))?;
        Ok(Self(major, minor))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The numbers in a name, by which versions are ordered.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|letter: char| !letter.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &str = "linux-image-6.1.0-9-amd64\nlinux-image-6.1.0-56-amd64\nlinux-image-6.1.0-56-cloud-amd64\n\
                         linux-image-6.1.0-57-amd64-unsigned\nlinux-image-6.1.0-58-rt-amd64\n\
                         linux-image-6.12.117+deb12-amd64\nlinux-image-6.12.99+deb12-amd64\nlinux-image-6.1-amd64\n";

    #[test]
    fn the_newest_plain_package_of_a_line_is_taken() {
        assert_eq!(Release(6, 1).newest(NAMES), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(Release(6, 12).newest(NAMES), Some("linux-image-6.12.117+deb12-amd64"));
        assert_eq!(Release(5, 15).newest(NAMES), None);
    }

    #[test]
    fn a_release_is_two_numbers() {
        assert_eq!("6.12".parse(), Ok(Release(6, 12)));
        assert!("6".parse::<Release>().unwrap_err().contains("`6`"));
        assert!("6.x".parse::<Release>().is_err());
    }
}

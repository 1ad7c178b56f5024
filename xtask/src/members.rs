//! The packages of the workspace that have tests for the real kernel, read from the manifests, so that no list
//! of them can go stale.

use std::ffi::OsString;
use std::path::Path;

use crate::error::Failure;

/// The cargo feature that such tests are behind.
pub(crate) const FEATURE: &str = "kernel-tests";

/// The packages among the default members that declare the feature, in their order.
pub(crate) fn with_kernel_tests(workspace: &Path) -> Result<Vec<String>, Failure> {
    let root = read(&workspace.join("Cargo.toml"))?;
    let mut names = Vec::new();
    for member in default_members(&root) {
        let manifest = read(&workspace.join(member).join("Cargo.toml"))?;
        if declares(&manifest, FEATURE) {
            names.extend(package_name(&manifest).map(str::to_owned));
        }
    }
    Ok(names)
}

fn read(manifest: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(manifest)
        .map_err(|err| Failure::Step(format!("cannot read {}: {err}", manifest.display())))
}

fn default_members(manifest: &str) -> Vec<&str> {
    let Some((_, after)) = manifest.split_once("default-members") else { return Vec::new() };
    let Some((_, list)) = after.split_once('[') else { return Vec::new() };
    let (list, _) = list.split_once(']').unwrap_or((list, ""));
    list.split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
        .collect()
}

fn package_name(manifest: &str) -> Option<&str> {
    section(manifest, "[package]").find_map(|line| line.strip_prefix("name = \"")?.split('"').next())
}

fn declares(manifest: &str, feature: &str) -> bool {
    section(manifest, "[features]")
        .any(|line| line.split('=').next().is_some_and(|key| key.trim() == feature))
}

/// The lines between a table's head and the next.
fn section<'m>(manifest: &'m str, head: &str) -> impl Iterator<Item = &'m str> {
    let after = manifest.lines().map(str::trim).skip_while(move |line| *line != head).skip(1);
    after.take_while(|line| !line.starts_with('['))
}

/// The packages that arguments of cargo select by name; none means all.
pub(crate) fn selected(arguments: &[OsString]) -> Option<Vec<String>> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        let name = match word.as_ref() {
            "-p" | "--package" => words.next().unwrap_or_default().into_owned(),
            _ => match word.strip_prefix("--package=").or_else(|| word.strip_prefix("-p")) {
                Some(name) => name.to_owned(),
                None => continue,
            },
        };
        names.push(name.split('@').next().unwrap_or_default().to_owned());
    }
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = "[package]\nname = \"portolan-lab\"\n\n[features]\n# Needs root.\nkernel-tests = []\n\n\
                       [dependencies]\nanyhow = { workspace = true }\n";
    const POLICY: &str = "[package]\nname = \"portolan-policy\"\n\n[[test]]\nname = \"x\"\n\
                          required-features = [\"kernel-tests\"]\n";

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn default_members_are_read_over_one_line_or_many() {
        let manifest =
            "[workspace]\nmembers = [\"a\", \"b\"]\ndefault-members = [\n  \"a\",\n  \"c/d\",\n]\n";
        assert_eq!(default_members(manifest), ["a", "c/d"]);
        assert_eq!(default_members("default-members = [\"agent\", \"cli\"]"), ["agent", "cli"]);
        assert!(default_members("[workspace]").is_empty());
    }

    #[test]
    fn a_feature_counts_where_it_is_declared_not_where_it_is_named() {
        assert!(declares(LAB, FEATURE));
        assert!(!declares(POLICY, FEATURE));
        assert_eq!(package_name(LAB), Some("portolan-lab"));
    }

    #[test]
    fn packages_are_selected_in_every_spelling() {
        let picked = selected(&words("-p a --package b@0.1.0 --package=c -pd --lib -- -p e"));
        assert_eq!(picked.unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(selected(&words("--lib some_test")), None);
    }

    #[test]
    fn the_workspace_is_readable_this_way() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let names = with_kernel_tests(workspace).unwrap();
        assert!(names.iter().all(|name| name.starts_with("portolan")), "{names:?}");
    }
}

//! A folder of manifests and the text that lint makes of it.
//!
//! `PORTOLAN_GOLDEN=write cargo test -p portolan-policy --test lint golden` writes the text anew.

use portolan_policy::{lint, parse_manifest};
use std::{fs, path::PathBuf};

#[test]
fn the_findings_of_a_folder_of_manifests() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lint/golden");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let manifests = files.iter().map(|path| parse_manifest(&fs::read_to_string(path).unwrap()));
    let (objects, errors): (Vec<_>, Vec<_>) =
        manifests.map(|manifest| (manifest.objects, manifest.errors)).unzip();
    assert_eq!(errors.concat(), []);
    let findings: Vec<_> = lint(&objects.concat()).iter().map(ToString::to_string).collect();
    let findings = findings.join("\n") + "\n";
    let expected = folder.join("findings.txt");
    if std::env::var_os("PORTOLAN_GOLDEN").is_some() {
        fs::write(&expected, &findings).unwrap();
    }
    assert_eq!(findings, fs::read_to_string(&expected).unwrap());
}

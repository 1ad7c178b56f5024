//! `docs/lint.md` speaks of every code, and of no other.

use portolan_policy::Code;

const DOCUMENT: &str = include_str!("../../../docs/lint.md");

#[test]
fn every_code_has_a_chapter_with_its_severity() {
    let chapters: Vec<_> = DOCUMENT.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let expected: Vec<_> = Code::ALL.iter().map(|code| format!("`{code}` ({})", code.severity())).collect();
    assert_eq!(chapters, expected);
}

#[test]
fn every_chapter_has_an_example_and_a_mend() {
    for chapter in DOCUMENT.split("\n### ").skip(1) {
        let title = chapter.lines().next().unwrap();
        assert!(chapter.contains("```yaml"), "{title} has no example");
        assert!(chapter.contains("\nMend: "), "{title} has no mend");
    }
}

//! Files of questions: each line gets one answer, in order.

use crate::{ADMITTED, GOOD, err, explain, out, run, run_with, shop};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::Stdio,
};

#[test]
fn a_batch_is_answered_in_order_and_a_bad_line_costs_only_itself() {
    let shop = shop("batch");
    let lines = [
        GOOD,
        "",
        r#"{"id":"two","from":{"pod":"shop/web"},"to":{"pod":"shop/db"},"port":0}"#,
        "what?",
        GOOD,
    ];
    fs::write(shop.join("q.jsonl"), lines.join("\n")).unwrap();
    let output = run(&shop, "--manifests shop.yaml --batch q.jsonl --output jsonl");
    let replies: Vec<&str> = out(&output).lines().collect();
    assert_eq!(replies.len(), 4, "{output:?}");
    assert_eq!((replies[0], replies[3]), (ADMITTED, ADMITTED));
    assert_eq!(
        replies[1],
        r#"{"id":"two","error":"0 is no port; write a number from 1 to 65535, without quotes"}"#
    );
    assert!(
        replies[2].starts_with(r#"{"id":null,"error":"line 4: this is no JSON object; "#),
        "{}",
        replies[2]
    );
    assert_eq!((output.status.code(), err(&output)), (Some(1), ""));
}

#[test]
fn a_batch_without_a_bad_line_ends_with_0_whatever_the_verdicts() {
    let shop = shop("good_batch");
    let denied = GOOD.replace("5432", "80");
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &format!("{GOOD}\r\n{denied}\n"));
    assert!(out(&output).starts_with(&format!("{ADMITTED}\n{{\"id\":1,\"allowed\":false,")), "{output:?}");
    assert_eq!((output.status.code(), err(&output)), (Some(0), ""));
}

#[test]
fn a_batch_can_be_answered_in_words() {
    let shop = shop("words");
    let output = run_with(&shop, "--manifests shop.yaml --batch - --output text", &format!("{GOOD}\n7\n"));
    let (answer, refusal) = out(&output).split_once('\n').unwrap();
    assert_eq!(answer, "1: allowed; egress: not isolated; ingress: admitted by NetworkPolicy shop/db rule 0");
    assert!(refusal.starts_with("null: error: line 2: this is no JSON object"), "{refusal}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_line_without_end_is_passed_over_in_bounded_memory() {
    let shop = shop("long_line");
    let long = format!("{GOOD}\n{}\n{GOOD}\n", " ".repeat(3 * 1024 * 1024));
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &long);
    assert_eq!(out(&output), format!("{ADMITTED}\n{ADMITTED}\n"), "only blanks: no question");
    let long = format!("{GOOD}\n{}\n{GOOD}\n", "x".repeat(3 * 1024 * 1024));
    let output = run_with(&shop, "--manifests shop.yaml --batch -", &long);
    let replies: Vec<&str> = out(&output).lines().collect();
    assert_eq!(replies.len(), 3, "{output:?}");
    assert!(replies[1].contains("longer than a mebibyte"), "{}", replies[1]);
    assert_eq!(replies[2], ADMITTED);
}

#[test]
fn a_question_is_answered_before_the_next_is_asked() {
    let shop = shop("talk");
    let mut command = explain(&shop, "--manifests shop.yaml --batch -");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut questions = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        writeln!(questions, "{GOOD}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim_end(), ADMITTED);
    }
    drop(questions);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let shop = shop("gone");
    let mut questions = String::new();
    for _ in 0..20_000 {
        writeln!(questions, "{GOOD}").unwrap();
    }
    fs::write(shop.join("q.jsonl"), questions).unwrap();
    let mut command = explain(&shop, "--manifests shop.yaml --batch q.jsonl");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    answers.read_line(&mut first).unwrap();
    drop(answers);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
}

//! What the files hold: where they are found, and what is said of what is wrong in them.

use crate::{GOOD, MANIFESTS, err, folder, out, run, run_with, shop};
use std::{fs, process::Command};

#[test]
fn a_bad_document_is_named_with_its_file_and_the_rest_goes_on() {
    let shop = shop("bad_document");
    let bad = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: shop, name: odd}\n\
               spec: {podSelector: {matchLabels: {version: 1}}}\n";
    fs::write(
        shop.join("bad.yaml"),
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: a}}}}\n---\n{bad}"),
    )
    .unwrap();
    fs::write(shop.join("latin.yaml"), b"kind: \xe9").unwrap();
    let address = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: lost}, status: {podIPs: [{ip: none}]}}";
    fs::write(shop.join("pod.yaml"), address).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to shop/db --port 5432 -o jsonl");
    let said: Vec<&str> = err(&output).lines().collect();
    assert_eq!(said.len(), 3, "{output:?}");
    assert!(
        said[0].starts_with("portolan: ./bad.yaml: document 2 (line 2), NetworkPolicy shop/odd: "),
        "{}",
        said[0]
    );
    assert!(said[0].contains("spec.podSelector.matchLabels.version"), "{}", said[0]);
    assert!(said[0].ends_with("; put the value in quotes"), "{}", said[0]);
    assert_eq!(said[1], "portolan: ./latin.yaml: no UTF-8 text from byte 6 on; save it as UTF-8");
    assert!(said[2].starts_with("portolan: ./pod.yaml: Pod shop/lost: status.podIPs: "), "{}", said[2]);
    assert!(out(&output).contains(r#""allowed":true,"source":"#), "{output:?}");
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let unread = json["unread"].as_array().unwrap().iter().map(|told| told.as_str().unwrap());
    assert!(said.iter().map(|told| told.trim_start_matches("portolan: ")).eq(unread), "{json}");
    assert_eq!(json.get("warnings"), None);
}

#[test]
fn an_object_that_is_there_twice_is_warned_of_with_both_files() {
    let shop = shop("twice");
    let open = MANIFESTS.rsplit("---").next().unwrap().replace("port: 5432", "port: 80");
    fs::write(shop.join("tomorrow.yaml"), open).unwrap();
    let question = "--from 10.0.0.1 --to shop/db --port 80 -o jsonl";
    let output = run(&shop, &format!("--manifests . {question}"));
    let told = "warning: NetworkPolicy shop/db is in ./shop.yaml and ./tomorrow.yaml; the one in ./tomorrow.yaml \
                counts: keep one, or rename the others";
    assert_eq!(err(&output), format!("portolan: {told}\n"));
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!((&json["allowed"], &json["warnings"][0]), (&true.into(), &told.into()));
    let output = run(&shop, &format!("--manifests tomorrow.yaml shop.yaml tomorrow.yaml {question}"));
    assert!(
        err(&output).contains("NetworkPolicy shop/db is in tomorrow.yaml and shop.yaml and "),
        "{output:?}"
    );
}

#[test]
fn duplicates_that_say_the_same_are_no_remark() {
    let shop = shop("same");
    let policy = MANIFESTS.rsplit("---").next().unwrap();
    let exported = policy.replace("name: db", "name: db, uid: a-b, managedFields: []");
    assert_ne!(exported, policy);
    fs::write(shop.join("exported.yaml"), exported).unwrap();
    let question = "--from 10.0.0.1 --to shop/db --port 80 -o jsonl";
    for manifests in ["shop.yaml exported.yaml", "shop.yaml shop.yaml"] {
        let output = run(&shop, &format!("--manifests {manifests} {question}"));
        assert_eq!(err(&output), "", "{output:?}");
        assert!(out(&output).contains(r#""allowed":false"#), "{output:?}");
    }
}

#[test]
fn misspelt_metadata_is_warned_of() {
    let shop = shop("slips");
    let pod = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: odd, lables: {app: db}}}";
    fs::write(shop.join("odd.yaml"), pod).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to shop/db --port 80 -o jsonl");
    let told = "./odd.yaml: warning: document 1 (line 1), Pod shop/odd: metadata.lables: not a field of this object, \
                so it is dropped; write `labels`";
    assert_eq!(err(&output), format!("portolan: {told}\n"));
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(json["warnings"], serde_json::json!([told]));
}

#[test]
fn many_duplicates_are_not_all_named() {
    let shop = folder("many_twice");
    for app in ["a", "b"] {
        let pod = |n| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{namespace: n, name: p{n}, labels: {{app: {app}}}}}}}"
            )
        };
        let pods: Vec<String> = (0..12).map(pod).collect();
        fs::write(shop.join(format!("{app}.yaml")), pods.join("\n---\n")).unwrap();
    }
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to 10.0.0.2 --port 80");
    assert_eq!(err(&output).lines().count(), 9, "{output:?}");
    assert!(err(&output).ends_with("warning: 4 more objects are there more than once\n"), "{output:?}");
}

#[test]
fn a_field_that_the_api_would_reject_is_warned_of_with_its_effect() {
    let shop = shop("invalid_field");
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: shop, name: odd}, \
                  spec: {podSelector: {}, ingress: [{ports: [{port: \"80\"}]}]}}";
    fs::write(shop.join("odd.yaml"), policy).unwrap();
    let output = run(&shop, "--manifests . --from shop/db --to shop/web --port 80 -o jsonl");
    assert!(
        err(&output).starts_with(
            "portolan: ./odd.yaml: warning: NetworkPolicy shop/odd: spec.ingress[0].ports[0].port: "
        ),
        "{output:?}"
    );
    assert_eq!(err(&output).lines().count(), 1, "{output:?}");
    assert!(out(&output).contains(r#""allowed":false,"source":"#), "{output:?}");
    assert!(
        out(&output).contains(r#""warnings":["./odd.yaml: warning: NetworkPolicy shop/odd: "#),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn manifests_that_hold_nothing_or_are_not_there_end_with_1() {
    let folder = folder("nothing");
    fs::write(folder.join("empty.yaml"), "# nothing\n").unwrap();
    let question = "--from 10.0.0.1 --to 10.0.0.2 --port 80";
    for (manifests, told) in [("empty.yaml", "no object"), (".", "no object"), ("away.yaml", "away.yaml")] {
        let output = run(&folder, &format!("--manifests {manifests} {question}"));
        assert_eq!((output.status.code(), out(&output)), (Some(1), ""), "{manifests}");
        assert!(err(&output).contains(told), "{manifests}: {output:?}");
    }
    let output = run(&folder, "--manifests empty.yaml --batch away.jsonl");
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    assert!(err(&output).contains("cannot read the questions away.jsonl"), "{output:?}");
}

#[test]
fn manifests_come_from_several_paths_and_from_standard_input() {
    let folder = folder("paths");
    let (cluster, policy) = MANIFESTS.split_at(MANIFESTS.rfind("---").unwrap());
    fs::write(folder.join("cluster.yml"), cluster).unwrap();
    let question = "--from 10.0.0.1 --to shop/db --port 5432 -o jsonl";
    let output = run_with(&folder, &format!("--manifests cluster.yml - {question}"), policy);
    assert!(out(&output).contains("\"admitted\""), "{output:?}");
    let output = run_with(&folder, &format!("--manifests cluster.yml {question}"), policy);
    assert!(out(&output).contains(r#""ingress":{"verdict":"not-isolated","#), "{output:?}");
}

#[test]
fn folders_are_read_once_each_however_they_are_linked() {
    let shop = shop("links");
    fs::create_dir_all(shop.join("sub/.hidden")).unwrap();
    fs::write(shop.join("sub/.hidden/bad.yaml"), "bad: [").unwrap();
    fs::write(shop.join("sub/notes.txt"), "no manifest").unwrap();
    std::os::unix::fs::symlink("..", shop.join("sub/one")).unwrap();
    std::os::unix::fs::symlink("..", shop.join("sub/two")).unwrap();
    let output = run(&shop, "--manifests . --from 10.0.0.1 --to shop/db --port 5432 -o jsonl");
    assert!(out(&output).contains(r#""allowed":true,"source":"#), "{output:?}");
    assert_eq!(err(&output), "");
}

#[test]
fn policies_of_other_kinds_are_named_and_pipes_are_passed_over() {
    let shop = shop("other-kinds");
    let other = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: a}, spec: {}}";
    fs::write(shop.join("other.yaml"), other).unwrap();
    assert!(Command::new("mkfifo").arg(shop.join("pipe.yaml")).status().unwrap().success());
    let output = run(&shop, "--manifests . --from shop/web --to shop/db --port 5432 -o jsonl");
    assert!(out(&output).contains(r#""allowed":true"#), "{output:?}");
    assert!(err(&output).contains("warning: CiliumNetworkPolicy"), "{output:?}");
}

#[test]
fn names_cannot_steer_a_terminal() {
    let shop = shop("steering");
    let evil = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"n","name":"evil\u001b[2J"},"spec":{"containers":[]}}"#;
    fs::write(shop.join("evil.json"), evil).unwrap();
    let output = run(&shop, "--manifests . --from shop/web --to shop/db --port 5432");
    assert!(err(&output).contains("evil\u{fffd}[2J"), "{output:?}");
    assert!(!err(&output).contains('\u{1b}'), "{output:?}");
}

#[test]
fn what_holds_no_object_is_named_and_a_kustomization_is_to_be_built() {
    let folder = folder("no_object");
    fs::create_dir(folder.join("overlay")).unwrap();
    fs::write(
        folder.join("overlay/kustomization.yaml"),
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../base]\n",
    )
    .unwrap();
    fs::write(folder.join("empty.yaml"), "# nothing\n").unwrap();
    let told = |manifests: &str| {
        let question = "--from 10.0.0.1 --to 10.0.0.2 --port 80";
        let output = run(&folder, &format!("--manifests {manifests} {question}"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        err(&output).to_owned()
    };
    assert_eq!(
        told("empty.yaml"),
        "portolan: the manifests hold no object that Portolan knows (read: empty.yaml): give Pods, policies, …\n"
    );
    let build = "build it: `kubectl kustomize overlay | portolan explain --manifests - …`\n";
    for manifests in ["overlay", "overlay/kustomization.yaml", "empty.yaml overlay"] {
        assert!(told(manifests).ends_with(build), "{}", told(manifests));
    }
}

#[test]
fn warnings_of_other_namespaces_come_after_those_of_the_ends_and_are_counted() {
    let shop = shop("others");
    let odd = |namespace: &str, name: &str| {
        format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{namespace: {namespace}, name: {name}}}, \
             spec: {{ingress: [{{ports: [{{port: \"80\"}}]}}]}}}}\n---\n"
        )
    };
    let mut policies: String = (0..7).map(|at| odd("away", &format!("o{at}"))).collect();
    policies += &odd("shop", "ours");
    fs::write(shop.join("odd.yaml"), policies).unwrap();
    for ends in ["--from 10.9.9.9 --to shop/db", "--from 10.9.9.9 --to 10.0.0.2"] {
        let output = run(&shop, &format!("--manifests . {ends} --port 80 -o json"));
        let told: Vec<&str> = err(&output).lines().collect();
        assert_eq!(told.len(), 7, "{output:?}");
        assert!(told[0].contains("NetworkPolicy shop/ours: "), "{}", told[0]);
        assert!(told[5].contains("NetworkPolicy away/o4: "), "{}", told[5]);
        assert!(told[6].contains("warning: 2 more about policies of other namespaces"), "{}", told[6]);
        let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
        assert_eq!(json["warnings"].as_array().unwrap().len(), 7);
    }
    let output = run_with(&shop, "--manifests . --batch -", GOOD);
    assert_eq!(err(&output).lines().count(), 8, "a batch is about all of them: {output:?}");
}

//! Tests of the pure core: no HTTP, no runtime, no clock.

use serde_json::json;

use super::*;

fn kind(name: &str) -> KindRef {
    KindRef::by_name(name).unwrap()
}

fn options(part: Part) -> WriteOptions {
    WriteOptions {
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        manager: "test".to_owned(),
        part,
        strictness: Strictness::Strict,
        dry_run: false,
    }
}

fn core() -> Core {
    let mut core = Core::new(1, 0, 100);
    let shop = json!({"metadata": {"name": "shop"}});
    core.create(kind("ns"), "", shop, &options(Part::Main)).unwrap();
    core
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "x"}]}})
}

fn create(core: &mut Core, name: &str) -> Arc<Value> {
    core.create(kind("po"), "shop", pod(name), &options(Part::Main)).unwrap().object
}

fn delete(core: &mut Core, kind_name: &str, namespace: &str, name: &str) -> Result<Arc<Value>, ApiError> {
    let now = options(Part::Main).now;
    core.delete(kind(kind_name), &Key::new(namespace, name), &Preconditions::default(), now, false)
}

fn names(listed: &Listed) -> Vec<&str> {
    listed.items.iter().map(|(key, _)| key.name.as_str()).collect()
}

fn list(core: &Core, at: AtRevision, after: Option<&Key>, limit: usize) -> Result<Listed, ApiError> {
    let filter = Filter::parse(kind("po"), None, None, None).unwrap();
    core.list(kind("po"), &filter, at, after, limit)
}

#[test]
fn a_new_object_gets_the_servers_fields() {
    let mut core = core();
    let web = create(&mut core, "web");
    let metadata = &web["metadata"];
    assert_eq!((&web["apiVersion"], &web["kind"]), (&json!("v1"), &json!("Pod")));
    assert_eq!(metadata["namespace"], "shop");
    assert_eq!(metadata["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(metadata["resourceVersion"], "2");
    assert_eq!(metadata["generation"], 1);
    assert_eq!(metadata["uid"].as_str().map(str::len), Some(36));
    assert_eq!(web["status"]["phase"], "Pending");
}

#[test]
fn one_counter_runs_over_all_kinds() {
    let mut core = core();
    create(&mut core, "a");
    let policy = json!({"metadata": {"name": "p"}, "spec": {"podSelector": {}}});
    let policy = core.create(kind("netpol"), "shop", policy, &options(Part::Main)).unwrap();
    assert_eq!(policy.object["metadata"]["resourceVersion"], "3");
    assert_eq!(core.revision(), 3);
}

#[test]
fn a_second_create_and_a_missing_namespace_are_refused() {
    let mut core = core();
    create(&mut core, "web");
    let again = core.create(kind("po"), "shop", pod("web"), &options(Part::Main)).unwrap_err();
    assert_eq!((again.code, again.reason), (409, "AlreadyExists"));
    let nowhere = core.create(kind("po"), "nowhere", pod("web"), &options(Part::Main)).unwrap_err();
    assert_eq!(nowhere.message, "namespaces \"nowhere\" not found");
}

#[test]
fn a_stale_update_is_a_conflict_and_a_void_one_no_change() {
    let mut core = core();
    let first = Value::clone(&create(&mut core, "web"));
    let key = Key::new("shop", "web");
    let same = core.update(kind("po"), &key, first.clone(), &options(Part::Main)).unwrap();
    assert_eq!(same.object["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let mut changed = first.clone();
    changed["metadata"]["labels"] = json!({"a": "b"});
    core.update(kind("po"), &key, changed, &options(Part::Main)).unwrap();
    let stale = core.update(kind("po"), &key, first, &options(Part::Main)).unwrap_err();
    assert_eq!((stale.code, stale.reason), (409, "Conflict"));
}

#[test]
fn spec_and_status_have_separate_doors() {
    let mut core = core();
    let web = create(&mut core, "web");
    let key = Key::new("shop", "web");
    let mut both = Value::clone(&web);
    both["status"]["phase"] = json!("Running");
    both["spec"]["nodeName"] = json!("n1");
    let status = core.update(kind("po"), &key, both.clone(), &options(Part::Status)).unwrap().object;
    assert_eq!((&status["status"]["phase"], &status["spec"]["nodeName"]), (&json!("Running"), &Value::Null));
    assert_eq!(status["metadata"]["generation"], 1);
    both["metadata"]["resourceVersion"] = json!("");
    both["status"]["phase"] = json!("Failed");
    let spec = core.update(kind("po"), &key, both, &options(Part::Main)).unwrap().object;
    assert_eq!((&spec["status"]["phase"], &spec["spec"]["nodeName"]), (&json!("Running"), &json!("n1")));
    assert_eq!(spec["metadata"]["generation"], 2);
}

#[test]
fn test_code_writes_status_and_time_of_deletion() {
    let mut core = core();
    let mut web = pod("web");
    web["status"] = json!({"phase": "Running", "podIP": "10.0.0.1"});
    web["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let made = core.create(kind("po"), "shop", web, &options(Part::All)).unwrap().object;
    assert_eq!(made["status"]["podIP"], "10.0.0.1");
    assert!(core.find(kind("po"), &Key::new("shop", "web")).is_some());
}

#[test]
fn an_invalid_object_is_refused_whole() {
    let mut core = core();
    let before = core.revision();
    let policy = json!({"metadata": {"name": "p"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 0}]}]}});
    let refused = core.create(kind("netpol"), "shop", policy, &options(Part::Main)).unwrap_err();
    assert_eq!(refused.code, 422);
    assert_eq!(refused.details["causes"][0]["field"], "spec.ingress[0].ports[0].port");
    assert_eq!(core.revision(), before);
}

#[test]
fn a_dry_run_changes_nothing() {
    let mut core = core();
    let before = core.revision();
    let dry = WriteOptions { dry_run: true, ..options(Part::Main) };
    let written = core.create(kind("po"), "shop", pod("web"), &dry).unwrap();
    assert!(written.created);
    assert_eq!(core.revision(), before);
    assert_eq!(core.get(kind("po"), &Key::new("shop", "web")).unwrap_err().code, 404);
}

#[test]
fn pages_show_one_moment_although_the_world_moves_on() {
    let mut core = core();
    for name in ["a", "b", "c", "d"] {
        create(&mut core, name);
    }
    let first = list(&core, AtRevision::Latest, None, 2).unwrap();
    assert_eq!((names(&first), first.remaining), (vec!["a", "b"], 2));
    delete(&mut core, "po", "shop", "c").unwrap();
    create(&mut core, "e");
    let rest = list(&core, AtRevision::Exact(first.revision), first.next.as_ref(), 0).unwrap();
    assert_eq!(names(&rest), ["c", "d"]);
    assert_eq!(names(&list(&core, AtRevision::Latest, None, 0).unwrap()), ["a", "b", "d", "e"]);
}

#[test]
fn versions_from_before_and_beyond_are_refused() {
    let mut core = core();
    create(&mut core, "a");
    let old = core.revision();
    create(&mut core, "b");
    core.forget_history();
    assert_eq!(list(&core, AtRevision::Exact(old), None, 0).unwrap_err().code, 410);
    assert_eq!(list(&core, AtRevision::NotOlderThan(99), None, 0).unwrap_err().code, 504);
    assert_eq!(names(&list(&core, AtRevision::NotOlderThan(old), None, 0).unwrap()), ["a", "b"]);
}

#[test]
fn a_namespace_takes_its_content_along() {
    let mut core = core();
    create(&mut core, "web");
    delete(&mut core, "ns", "", "shop").unwrap();
    assert_eq!(core.get(kind("po"), &Key::new("shop", "web")).unwrap_err().code, 404);
    assert_eq!(core.get(kind("ns"), &Key::new("", "shop")).unwrap_err().code, 404);
}

#[test]
fn finalizers_hold_an_object_and_its_namespace() {
    let mut core = core();
    let mut web = pod("web");
    web["metadata"]["finalizers"] = json!(["lab/hold"]);
    core.create(kind("po"), "shop", web, &options(Part::Main)).unwrap();
    delete(&mut core, "ns", "", "shop").unwrap();
    let key = Key::new("shop", "web");
    let held = core.get(kind("po"), &key).unwrap();
    assert_eq!(held["metadata"]["deletionTimestamp"], "2026-01-01T00:00:00Z");
    let late = core.create(kind("po"), "shop", pod("late"), &options(Part::Main)).unwrap_err();
    assert_eq!(late.code, 403);
    let mut freed = Value::clone(&held);
    freed["metadata"]["finalizers"] = json!([]);
    core.update(kind("po"), &key, freed, &options(Part::Main)).unwrap();
    assert_eq!(core.get(kind("po"), &key).unwrap_err().code, 404);
    assert_eq!(core.get(kind("ns"), &Key::new("", "shop")).unwrap_err().code, 404);
}

#[test]
fn deletes_can_be_conditional() {
    let mut core = core();
    create(&mut core, "web");
    let other = Preconditions { uid: Some("other".to_owned()), revision: None };
    let now = options(Part::Main).now;
    let refused = core.delete(kind("po"), &Key::new("shop", "web"), &other, now, false).unwrap_err();
    assert_eq!(refused.code, 409);
}

#[test]
fn a_swallowed_delete_leaves_no_trace() {
    let mut core = core();
    create(&mut core, "web");
    let end = core.history().end();
    core.swallow_deletes(1);
    delete(&mut core, "po", "shop", "web").unwrap();
    assert_eq!(core.history().end(), end);
    create(&mut core, "web");
    delete(&mut core, "po", "shop", "web").unwrap();
    assert_eq!(core.history().end(), end + 2);
}

#[test]
fn anything_can_be_filed_raw() {
    let mut core = core();
    core.insert_raw(kind("po"), Key::new("shop", "odd"), json!("no object"));
    core.insert_raw(kind("po"), Key::new("shop", "worse"), json!({"metadata": {"labels": 3}, "spec": []}));
    let listed = list(&core, AtRevision::Latest, None, 0).unwrap();
    assert_eq!(names(&listed), ["odd", "worse"]);
    assert_eq!(listed.items[1].1["metadata"]["resourceVersion"], "3");
}

#[test]
fn apply_creates_changes_and_leaves_alone() {
    let mut core = core();
    let key = Key::new("shop", "web");
    let apply = |core: &mut Core, config: Value| {
        core.patch(kind("po"), &key, &Patch::Apply { config, force: false }, &options(Part::Main)).unwrap()
    };
    let first = apply(&mut core, pod("web"));
    assert!(first.created);
    let again = apply(&mut core, pod("web"));
    assert!(!again.created);
    assert_eq!(again.object, first.object);
    let mut changed = pod("web");
    changed["metadata"]["labels"] = json!({"a": "b"});
    let changed = apply(&mut core, changed);
    assert_eq!(changed.object["metadata"]["labels"], json!({"a": "b"}));
    assert_ne!(changed.object["metadata"]["resourceVersion"], first.object["metadata"]["resourceVersion"]);
}

//! The server as clients see it: through kube's client in process, and request by request.

use std::time::Duration;

use ::http::header;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::ConfigMap};
use kube::{
    Api, Client,
    api::{
        DeleteParams, ListParams, Patch as KubePatch, PatchParams, PostParams, Preconditions, WatchEvent,
        WatchParams,
    },
};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::{
    kinds::{CONFIG_MAP, Verb},
    store::{Call, Target, faults::Requests},
};

fn server() -> ApiServer {
    let start = Timestamp::from_second(1000).unwrap();
    let logs = |of: &LogsOf<'_>| Ok(format!("one\ntwo\nthree of {}\n", of.container));
    ApiServer::new(Store::new(1, start), move || start, logs)
}

fn configs(server: &ApiServer) -> Api<ConfigMap> {
    Api::namespaced(Client::new(server.clone(), "default"), "default")
}

fn sets(server: &ApiServer) -> Api<StatefulSet> {
    Api::namespaced(Client::new(server.clone(), "default"), "default")
}

fn config(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

fn set() -> StatefulSet {
    serde_json::from_value(json!({
        "metadata": { "name": "db" },
        "spec": {
            "serviceName": "db", "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{ "name": "db", "image": "db:1" }, { "name": "side", "image": "side:1" }] },
            },
        },
    }))
    .unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason),
        other => panic!("{other}"),
    }
}

/// Asks without a client: method and path, media type and body.
async fn ask(server: &ApiServer, call: &str, accept: &str, body: Option<(&str, Value)>) -> (u16, Value) {
    let (method, path) = call.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, accept);
    let mut text = String::new();
    if let Some((media_type, body)) = body {
        request = request.header(header::CONTENT_TYPE, media_type);
        text = body.to_string();
    }
    let response = server.clone().oneshot(request.body(Body::from(text)).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn get(server: &ApiServer, path: &str) -> (u16, Value) {
    ask(server, &format!("GET {path}"), "application/json", None).await
}

#[tokio::test]
async fn an_object_is_made_read_listed_and_deleted() {
    let configs = configs(&server());
    let made = configs.create(&PostParams::default(), &config("a")).await.unwrap();
    assert_eq!(configs.get("a").await.unwrap(), made);
    assert_eq!(configs.list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert!(configs.delete("a", &DeleteParams::default()).await.unwrap().is_right());
    assert_eq!(code(configs.get("a").await), (404, "NotFound".into()));
}

#[tokio::test]
async fn every_kind_of_patch_is_taken() {
    let server = server();
    let sets = sets(&server);
    sets.create(&PostParams::default(), &set()).await.unwrap();
    let params = PatchParams::default();
    let merged = json!({ "spec": { "replicas": 3 } });
    sets.patch("db", &params, &KubePatch::Merge(merged)).await.unwrap();
    let strategic =
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "db", "image": "db:2" }] } } } });
    sets.patch("db", &params, &KubePatch::Strategic(strategic)).await.unwrap();
    let operations = json!([{ "op": "add", "path": "/metadata/labels", "value": { "a": "b" } }]);
    let content = Some(("application/json-patch+json", operations));
    let path = "PATCH /apis/apps/v1/namespaces/default/statefulsets/db";
    assert_eq!(ask(&server, path, "*/*", content).await.0, 200);
    let patched = serde_json::to_value(sets.get("db").await.unwrap()).unwrap();
    assert_eq!(patched["spec"]["replicas"], 3);
    assert_eq!(patched["metadata"]["labels"], json!({ "a": "b" }));
    let containers = patched["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let images: Vec<_> = containers.iter().map(|container| container["image"].as_str().unwrap()).collect();
    assert_eq!(images, ["db:2", "side:1"]);
}

#[tokio::test]
async fn applying_over_a_merge_patch_conflicts_until_it_is_forced() {
    let sets = sets(&server());
    let mut config = serde_json::to_value(set()).unwrap();
    config["apiVersion"] = json!("apps/v1");
    config["kind"] = json!("StatefulSet");
    config["spec"]["replicas"] = json!(2);
    let flux = PatchParams::apply("flux");
    sets.patch("db", &flux, &KubePatch::Apply(&config)).await.unwrap();
    let siskin = PatchParams { field_manager: Some("siskin".into()), ..PatchParams::default() };
    sets.patch("db", &siskin, &KubePatch::Merge(json!({ "spec": { "replicas": 3 } }))).await.unwrap();
    let refused = sets.patch("db", &flux, &KubePatch::Apply(&config)).await.unwrap_err();
    let message = "Apply failed with 1 conflict: conflict with \"siskin\" using apps/v1: .spec.replicas";
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 409 && status.message == message));
    let forced = sets.patch("db", &flux.force(), &KubePatch::Apply(&config)).await.unwrap();
    assert_eq!(forced.spec.unwrap().replicas, Some(2));
}

#[tokio::test]
async fn preconditions_of_writes_and_deletions_hold() {
    let configs = configs(&server());
    let made = configs.create(&PostParams::default(), &config("a")).await.unwrap();
    let labelled = KubePatch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    configs.patch("a", &PatchParams::default(), &labelled).await.unwrap();
    assert_eq!(code(configs.replace("a", &PostParams::default(), &made).await), (409, "Conflict".into()));
    let preconditions = Preconditions { uid: Some("another".into()), resource_version: None };
    let params = DeleteParams::default().preconditions(preconditions);
    assert_eq!(code(configs.delete("a", &params).await), (409, "Conflict".into()));
    let preconditions = Preconditions { uid: made.metadata.uid.clone(), resource_version: None };
    configs.delete("a", &DeleteParams::default().preconditions(preconditions)).await.unwrap();
}

fn told(event: &WatchEvent<ConfigMap>) -> String {
    let name = |object: &ConfigMap| object.metadata.name.clone().unwrap();
    match event {
        WatchEvent::Added(object) => format!("added {}", name(object)),
        WatchEvent::Modified(object) => format!("modified {}", name(object)),
        WatchEvent::Deleted(object) => format!("deleted {}", name(object)),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        WatchEvent::Error(status) => format!("error {}", status.code),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_changes_and_ends_in_time_with_a_bookmark() {
    let server = server();
    let configs = configs(&server);
    let from = configs.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(90);
    let watching = configs.watch(&params, &from).await.unwrap();
    configs.create(&PostParams::default(), &config("a")).await.unwrap();
    let labelled = KubePatch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    configs.patch("a", &PatchParams::default(), &labelled).await.unwrap();
    configs.delete("a", &DeleteParams::default()).await.unwrap();
    let events: Vec<_> = watching.map_ok(|event| told(&event)).try_collect().await.unwrap();
    assert_eq!(events, ["added a", "modified a", "deleted a", "bookmark", "bookmark"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_before_the_compaction_is_told_410() {
    let server = server();
    let configs = configs(&server);
    configs.create(&PostParams::default(), &config("a")).await.unwrap();
    server.store(|store| store.compact(store.version()));
    let watching = configs.watch(&WatchParams::default().timeout(10), "1").await.unwrap();
    let events: Vec<_> = watching.map_ok(|event| told(&event)).try_collect().await.unwrap();
    assert_eq!(events, ["error 410"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_catches_up_when_the_fault_is_lifted() {
    let server = server();
    let configs = configs(&server);
    let from = configs.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    server.store(|store| store.faults.add(Requests::new(Verb::Watch, "configmaps"), None, Effect::Silence));
    let mut watching = configs.watch(&WatchParams::default().timeout(200), &from).await.unwrap().boxed();
    configs.create(&PostParams::default(), &config("a")).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(150), watching.next()).await.is_err());
    server.store(|store| store.faults.lift());
    assert_eq!(told(&watching.next().await.unwrap().unwrap()), "added a");
}

#[tokio::test(start_paused = true)]
async fn a_watch_can_begin_with_what_is_there() {
    let server = server();
    configs(&server).create(&PostParams::default(), &config("a")).await.unwrap();
    let path = "/api/v1/namespaces/default/configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    let (_, text) = get(&server, path).await;
    let lines: Vec<Value> =
        text.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["type"], "ADDED");
    assert_eq!(lines[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn what_is_not_served_is_a_status() {
    let server = server();
    for (call, wanted) in [
        ("GET /api/v1/namespaces/default/gizmos", 404),
        ("GET /apis/example.com/v1/gizmos", 404),
        ("GET /nothing", 404),
        ("POST /api/v1/namespaces/default/configmaps/a", 405),
        ("POST /apis/apps/v1/namespaces/default/deployments", 405),
        ("PUT /api", 405),
        ("POST /nothing", 404),
    ] {
        let (code, status) = ask(&server, call, "application/json", None).await;
        assert_eq!(
            (code, &status["kind"], &status["code"]),
            (wanted, &json!("Status"), &json!(wanted)),
            "{call}"
        );
    }
}

#[tokio::test]
async fn bodies_that_can_t_be_read_are_refused() {
    let server = server();
    let post = "POST /api/v1/namespaces/default/configmaps";
    let yaml = Some(("application/yaml", json!({})));
    assert_eq!(ask(&server, post, "*/*", yaml).await.0, 415);
    let patch = "PATCH /api/v1/namespaces/default/configmaps/a";
    assert_eq!(ask(&server, patch, "*/*", Some(("application/json", json!({})))).await.0, 415);
    assert_eq!(ask(&server, patch, "*/*", Some(("application/apply-patch+yaml", json!({})))).await.0, 422);
    assert_eq!(ask(&server, post, "*/*", Some(("application/json", json!([])))).await.0, 400);
    let list = "GET /api/v1/configmaps";
    assert_eq!(ask(&server, list, "application/vnd.kubernetes.protobuf", None).await.0, 406);
    assert_eq!(get(&server, "/api/v1/configmaps?limit=many").await.0, 400);
    assert_eq!(get(&server, "/api/v1/configmaps?fieldSelector=data.a%3Db").await.0, 400);
}

#[tokio::test]
async fn the_metadata_of_no_objects_is_null() {
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let (_, list) = ask(&server(), "GET /api/v1/secrets", accept, None).await;
    assert_eq!((&list["kind"], &list["items"]), (&json!("PartialObjectMetadataList"), &Value::Null));
}

#[tokio::test]
async fn kubectl_gets_a_table() {
    let server = server();
    sets(&server).create(&PostParams::default(), &set()).await.unwrap();
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let (_, table) = ask(&server, "GET /apis/apps/v1/statefulsets", accept, None).await;
    let columns: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(columns, ["Name", "Ready", "Age", "Containers", "Images"]);
    assert_eq!(table["rows"][0]["cells"], json!(["db", "0/1", "0s", "db,side", "db:1,side:1"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[tokio::test]
async fn discovery_names_what_is_served() {
    let server = server();
    let (_, resources) = get(&server, "/apis/apps/v1").await;
    let resources = resources["resources"].as_array().unwrap();
    let names: Vec<_> = resources.iter().map(|resource| resource["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"statefulsets/scale") && names.contains(&"controllerrevisions"), "{names:?}");
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let (_, list) = ask(&server, "GET /apis", accept, None).await;
    assert_eq!(list["kind"], "APIGroupDiscoveryList");
    assert!(list["items"].as_array().unwrap().iter().any(|group| group["metadata"]["name"] == "apps"));
    let (_, versions) = get(&server, "/api").await;
    assert_eq!(versions["versions"], json!(["v1"]));
    assert_eq!(get(&server, "/apis/example.com").await.0, 404);
}

#[tokio::test]
async fn schemas_say_that_fields_are_checked_here() {
    let server = server();
    let (_, index) = get(&server, "/openapi/v3").await;
    assert_eq!(index["paths"]["apis/apps/v1"]["serverRelativeURL"], "/openapi/v3/apis/apps/v1");
    let (_, apps) = get(&server, "/openapi/v3/apis/apps/v1").await;
    let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "StatefulSet");
    assert_eq!(get(&server, "/openapi/v2").await, (200, json!("")));
}

#[tokio::test]
async fn a_refused_request_did_nothing_and_a_done_one_did() {
    let server = server();
    let configs = configs(&server);
    let fail = |effect| {
        server.store(|store| store.faults.add(Requests::new(Verb::Create, "configmaps"), Some(1), effect));
    };
    fail(Effect::Refuse(500));
    assert_eq!(code(configs.create(&PostParams::default(), &config("a")).await).0, 500);
    assert_eq!(code(configs.get("a").await).0, 404);
    fail(Effect::DoAndRefuse(504));
    assert_eq!(code(configs.create(&PostParams::default(), &config("a")).await).0, 504);
    assert!(configs.get("a").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_or_hanging_server_is_slow_or_hangs() {
    let server = server();
    let configs = configs(&server);
    let began = tokio::time::Instant::now();
    let fail = |effect| {
        server.store(|store| store.faults.add(Requests::new(Verb::List, "configmaps"), Some(1), effect));
    };
    fail(Effect::Delay(Duration::from_secs(7)));
    configs.list(&ListParams::default()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(7));
    fail(Effect::Hang { done: false });
    let params = ListParams::default();
    let listing = configs.list(&params);
    assert!(tokio::time::timeout(Duration::from_hours(1), listing).await.is_err());
}

#[tokio::test]
async fn a_stale_read_shows_an_earlier_state() {
    let server = server();
    let configs = configs(&server);
    configs.create(&PostParams::default(), &config("a")).await.unwrap();
    configs.create(&PostParams::default(), &config("b")).await.unwrap();
    let reads = Requests { verbs: vec![Verb::List, Verb::Get], ..Requests::default() };
    server.store(|store| store.faults.add(reads, None, Effect::Stale(1)));
    let list = configs.list(&ListParams::default()).await.unwrap();
    assert_eq!(
        list.items.iter().map(|item| item.metadata.name.as_deref().unwrap()).collect::<Vec<_>>(),
        ["a"]
    );
    assert_eq!(code(configs.get("b").await).0, 404);
    assert!(configs.get("a").await.is_ok());
}

#[tokio::test]
async fn the_scale_is_read_and_written() {
    let server = server();
    let sets = sets(&server);
    sets.create(&PostParams::default(), &set()).await.unwrap();
    let patch = KubePatch::Merge(json!({ "spec": { "replicas": 4 } }));
    let scale = sets.patch_scale("db", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(4));
    assert_eq!(sets.get("db").await.unwrap().spec.unwrap().replicas, Some(4));
}

#[tokio::test]
async fn logs_are_text_of_a_container() {
    let server = server();
    let pod = json!({ "metadata": { "name": "db-0" }, "spec": { "containers": [{ "name": "db", "image": "db:1" }] } });
    let call = Call::new("test", server.now());
    server.store(|store| store.create(crate::kinds::POD, "default", pod, &call)).unwrap();
    let path = "/api/v1/namespaces/default/pods/db-0/log";
    assert_eq!(get(&server, &format!("{path}?tailLines=2")).await, (200, json!("two\nthree of db\n")));
    let (code, status) = get(&server, &format!("{path}?container=web")).await;
    assert_eq!((code, &status["message"]), (400, &json!("container web is not valid for pod db-0")));
    assert_eq!(get(&server, "/api/v1/namespaces/default/pods/db-1/log").await.0, 404);
}

#[tokio::test]
async fn questions_are_answered_and_not_kept() {
    let server = server();
    let before = server.store(|store| store.version());
    let body = Some(("application/json", json!({ "spec": {} })));
    let path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let (code, review) = ask(&server, path, "*/*", body).await;
    assert_eq!((code, &review["status"]["allowed"]), (201, &json!(true)));
    let path = "POST /apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (_, review) = ask(&server, path, "*/*", Some(("application/json", json!({})))).await;
    assert_eq!(review["status"]["userInfo"]["username"], "kubernetes-admin");
    assert_eq!(server.store(|store| store.version()), before);
}

#[tokio::test]
async fn the_writer_is_the_manager_that_is_named() {
    let server = server();
    let params = PostParams { field_manager: Some("wren".into()), ..PostParams::default() };
    let mut labelled = config("a");
    labelled.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    configs(&server).create(&params, &labelled).await.unwrap();
    let kept = server.store(|store| store.get(&Target::new(CONFIG_MAP, "default", "a"))).unwrap();
    assert_eq!(kept["metadata"]["managedFields"][0]["manager"], "wren");
}

#[tokio::test]
async fn who_looks_at_the_store_wakes_nobody() {
    let server = server();
    let changes = server.changes();
    let configs = configs(&server);
    configs.list(&ListParams::default()).await.unwrap();
    assert!(!changes.has_changed());
    configs.create(&PostParams::default(), &config("a")).await.unwrap();
    assert!(changes.has_changed());
}

#[tokio::test]
async fn the_same_server_listens_on_a_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(listen(server(), listener));
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "GET /api/v1/namespaces/default HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    serving.abort();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body["status"]["phase"], "Active");
    assert!(kubeconfig(address).contains(&format!("http://{address}")));
}

//! The watch loop against a scripted API server.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::{Change, follow, statefulsets::StatefulSet};
use crate::report::metrics::Metrics;
use crate::{
    cluster::{Cluster, Resource, Scope},
    server::health::Health,
};

/// Answers in the order of the script, then never; keeps what was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn then(self, status: u16, lines: &[Value]) -> Self {
        let body = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n";
        self.answers.lock().unwrap().push_back((status, body));
        self
    }

    fn cluster(&self) -> Cluster {
        let script = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let asked = if query.contains("watch=true") {
                let from = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
                format!("watch from {}", from.unwrap_or("?"))
            } else {
                "list".to_owned()
            };
            script.asked.lock().unwrap().push(asked);
            let answer = script.answers.lock().unwrap().pop_front();
            async move {
                match answer {
                    Some((status, body)) => {
                        Response::builder().status(status).body(Body::from(body.into_bytes()))
                    }
                    None => std::future::pending().await,
                }
            }
        });
        Cluster::with(Client::new(service, "default"), "test", Metrics::default())
    }

    /// Follows all `StatefulSets` until the script is over; gives what was seen.
    async fn run(&self) -> Vec<String> {
        let scope = Scope { resource: Resource::StatefulSets, namespace: None, selector: None, name: None };
        let age = Health::default().watch("statefulsets".into(), true);
        let mut seen = Vec::new();
        let following = follow::<StatefulSet>(self.cluster(), scope, age, |change| seen.push(told(&change)));
        let _ = tokio::time::timeout(Duration::from_hours(1), following).await;
        seen
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn told(change: &Change<StatefulSet>) -> String {
    let name = |set: &StatefulSet| format!("{}@{}", set.key.name, set.resource_version);
    match change {
        Change::All(all) => format!("all {}", all.iter().map(name).collect::<Vec<_>>().join(" ")),
        Change::Put(set) => format!("put {}", name(set)),
        Change::Gone(set) => format!("gone {}", name(set)),
    }
}

fn set(name: &str, version: u32) -> Value {
    json!({ "metadata": { "name": name, "namespace": "payments", "resourceVersion": version.to_string() } })
}

/// So the API server answers for the metadata of nothing.
fn list_of_null(version: u32) -> Value {
    json!({ "kind": "PartialObjectMetadataList", "metadata": { "resourceVersion": version.to_string() }, "items": null })
}

fn list(version: u32, items: &[Value]) -> Value {
    json!({ "metadata": { "resourceVersion": version.to_string() }, "items": items })
}

fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn bookmark(version: u32) -> Value {
    event(
        "BOOKMARK",
        &json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "resourceVersion": version.to_string() } }),
    )
}

fn refusal(code: u16) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no", "reason": "No" })
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_the_last_one_ended() {
    let script = Script::default()
        .then(200, &[list(10, &[set("a", 5), set("b", 6)])])
        .then(200, &[event("MODIFIED", &set("a", 11)), event("DELETED", &set("b", 12))])
        .then(200, &[bookmark(20)])
        .then(200, &[event("ADDED", &set("c", 21))]);
    assert_eq!(script.run().await, ["all a@5 b@6", "put a@11", "gone b@12", "put c@21"]);
    let asked = ["list", "watch from 10", "watch from 12", "watch from 20", "watch from 21"];
    assert_eq!(script.asked()[..5], asked);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_null_is_empty() {
    let script = Script::default().then(200, &[list_of_null(10)]).then(200, &[event("ADDED", &set("a", 11))]);
    assert_eq!(script.run().await, ["all ", "put a@11"]);
}

#[tokio::test(start_paused = true)]
async fn everything_is_read_again_when_the_watch_fell_too_far_behind() {
    let script = Script::default()
        .then(200, &[list(10, &[set("a", 5)])])
        .then(200, &[event("ERROR", &refusal(410))])
        .then(200, &[list(30, &[set("b", 25)])])
        .then(410, &[refusal(410)])
        .then(200, &[list(40, &[])]);
    assert_eq!(script.run().await, ["all a@5", "all b@25", "all "]);
    assert_eq!(script.asked()[..5], ["list", "watch from 10", "list", "watch from 30", "list"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_tried_again_and_loses_nothing() {
    let script = Script::default()
        .then(403, &[refusal(403)])
        .then(200, &[list(10, &[set("a", 5)])])
        .then(500, &[refusal(500)])
        .then(200, &[event("MODIFIED", &set("a", 11))]);
    assert_eq!(script.run().await, ["all a@5", "put a@11"]);
    assert_eq!(script.asked()[..4], ["list", "list", "watch from 10", "watch from 10"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_api_server_is_asked_again() {
    let script = Script::default().then(200, &[list(10, &[])]);
    assert_eq!(script.run().await, ["all "]);
    assert!(script.asked().len() > 100, "a call that hangs ends, and the next follows");
}

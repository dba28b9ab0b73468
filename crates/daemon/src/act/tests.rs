//! Writes of the list of released revisions, against an API server that has something of that name.

use std::collections::BTreeSet;

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use siskin_core::{
    decision::Write,
    facts::{Revision, Workload},
};

use super::{Act, Kill, Reply, WriteError};
use crate::{cluster::Cluster, report::metrics::Metrics};

/// Answers creations with a conflict, and reads with `there`.
fn act(there: &Value) -> Act {
    let there = there.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (status, answer) = match *request.method() {
            Method::POST | Method::DELETE => {
                (409, json!({ "kind": "Status", "status": "Failure", "code": 409, "message": "it is there" }))
            }
            _ => (200, there.clone()),
        };
        let answer = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()));
        async move { answer }
    });
    let metrics = Metrics::default();
    let cluster = Cluster::with(Client::new(service, "default"), "test", metrics.clone());
    Act::new(cluster, metrics, Kill::default())
}

fn config_map(labels: &Value, data: &Value) -> Value {
    json!({
        "metadata": { "name": "siskin-guard-db", "namespace": "payments", "resourceVersion": "8", "labels": labels },
        "data": data,
    })
}

fn workload() -> Workload {
    Workload { namespace: "payments".into(), name: "db".into(), uid: "u-1".into(), ..Workload::default() }
}

fn guard(resource_version: Option<&str>) -> Write {
    let allowed = BTreeSet::from([Revision::from("db-1")]);
    Write::Guard { resource_version: resource_version.map(str::to_owned), allowed }
}

#[tokio::test]
async fn somebody_else_s_config_map_is_left_alone_and_named() {
    let act = act(&config_map(&json!({}), &json!({ "colour": "green" })));
    let error = act.carry_out(&workload(), &guard(None)).await.unwrap_err();
    assert!(matches!(&error, WriteError::ForeignGuard(name) if name == "siskin-guard-db"), "{error}");
}

#[tokio::test]
async fn a_list_of_ours_that_was_not_seen_yet_is_a_conflict() {
    let data = json!({ "workload": "db", "allowed": "db-1" });
    for labels in [json!({ "siskin.dev/guard": "true" }), json!({})] {
        let act = act(&config_map(&labels, &data));
        let error = act.carry_out(&workload(), &guard(None)).await.unwrap_err();
        assert!(matches!(&error, WriteError::Api(error) if error.is_conflict()), "{error}");
    }
}

#[tokio::test]
async fn a_written_list_comes_back_as_it_is_then() {
    let data = json!({ "workload": "db", "allowed": "db-1" });
    let act = act(&config_map(&json!({ "siskin.dev/guard": "true" }), &data));
    let reply = act.carry_out(&workload(), &guard(Some("7"))).await.unwrap();
    assert!(matches!(reply, Reply::Guard(list) if list.guard.resource_version.as_deref() == Some("8")));
}

#[tokio::test]
async fn a_list_that_was_changed_is_not_deleted() {
    let act = act(&json!({}));
    let write = Write::DeleteGuard { resource_version: "7".to_owned() };
    let error = act.carry_out(&workload(), &write).await.unwrap_err();
    assert!(matches!(&error, WriteError::Api(error) if error.is_conflict()), "{error}");
}

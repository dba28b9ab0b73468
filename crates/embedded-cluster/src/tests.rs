//! The cluster that runs, on a paused clock.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{body::Body, http::Request};
use jiff::Timestamp;
use serde_json::{Value, json};
use siskin_embedded_api::{
    kinds::{POD, STATEFUL_SET},
    store::{Call, Part, Patch, Target},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{Cluster, translate::text};

/// Tests of several processes at once have addresses of their own.
fn network() -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() << 8 & 0x00ff_ff00))
}

async fn up(image: &str) -> Cluster {
    let cluster = Cluster::new(1, Timestamp::from_second(1_800_000_000).unwrap(), network());
    tokio::spawn(cluster.clone().run());
    let container = json!({ "name": "db", "image": image, "ports": [{ "containerPort": 8000 }],
        "readinessProbe": { "periodSeconds": 1 } });
    let set = json!({ "metadata": { "name": "db" }, "spec": {
        "serviceName": "db", "replicas": 2, "selector": { "matchLabels": { "app": "db" } },
        "template": { "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [container] } },
    } });
    let call = Call::new("person", cluster.server().now());
    cluster.server().store(|store| store.create(STATEFUL_SET, "default", set, &call)).unwrap();
    until(&cluster, |set| set["status"]["readyReplicas"] == 2).await;
    cluster
}

async fn until(cluster: &Cluster, mut met: impl FnMut(&Value) -> bool) {
    let end = Instant::now() + Duration::from_mins(5);
    let mut changes = cluster.server().changes();
    let set = Target::new(STATEFUL_SET, "default", "db");
    while !met(&cluster.server().store(|store| store.get(&set)).unwrap()) {
        assert!(Instant::now() < end, "not within 5 minutes");
        changes.changed().await;
    }
}

async fn ask(cluster: &Cluster, pod: &str, path: &str) -> String {
    let pod = cluster.server().store(|store| store.get(&Target::new(POD, "default", pod))).unwrap();
    let address = SocketAddr::new(text(&pod, "/status/podIP").parse().unwrap(), 8000);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_a_running_cluster_answer_on_their_addresses_and_follow_changes() {
    let cluster = up("visits:v1").await;
    assert!(ask(&cluster, "db-0", "/healthz").await.starts_with("HTTP/1.1 200 OK"));
    assert!(ask(&cluster, "db-1", "/").await.ends_with("visited\n"));
    let page = ask(&cluster, "db-1", "/metrics").await;
    assert!(
        page.contains("text/plain; version=0.0.4") && page.contains("http_requests_total{code=\"200\"} 1\n"),
        "{page}"
    );

    let call = Call::new("person", cluster.server().now());
    let patch = Patch::Strategic(
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "db", "image": "visits:v2" }] } } } }),
    );
    let set = Target::new(STATEFUL_SET, "default", "db");
    cluster.server().store(|store| store.patch(&set, Part::Whole, &patch, &call)).unwrap();
    let rolled = |set: &Value| {
        let status = &set["status"];
        status["observedGeneration"] == 2 && status["currentRevision"] == status["updateRevision"]
    };
    until(&cluster, rolled).await;
    assert!(ask(&cluster, "db-0", "/metrics").await.contains("http_requests_total{code=\"200\"} 0\n"));
}

#[tokio::test(start_paused = true)]
async fn pods_answer_without_the_network_as_they_do_over_it() {
    let cluster = up("visits:v1").await;
    let answer = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = cluster.answer(request).await.map_err(|error| error.kind())?;
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        Ok::<_, ErrorKind>(String::from_utf8(body.to_vec()).unwrap())
    };
    let pod = cluster.server().store(|store| store.get(&Target::new(POD, "default", "db-0"))).unwrap();
    let ip = text(&pod, "/status/podIP");
    assert_eq!(answer(&format!("http://{ip}:8000/healthz")).await.as_deref(), Ok("ok\n"));
    assert!(answer(&format!("http://{ip}:8000/metrics")).await.unwrap().contains("http_requests_total"));
    for nobody in [format!("http://{ip}:8001/healthz"), "http://127.255.0.7:8000/".to_owned()] {
        assert_eq!(answer(&nobody).await, Err(ErrorKind::ConnectionRefused), "{nobody}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_paused_clock_hours_pass_at_once() {
    let cluster = up("visits:v1").await;
    let before = (cluster.server().now(), cluster.server().store(|store| store.version()));
    sleep(Duration::from_hours(10)).await;
    let passed = cluster.server().now().duration_since(before.0);
    assert_eq!((passed.as_secs(), cluster.server().store(|store| store.version())), (36_000, before.1));
}

use serde_json::json;
use siskin_core::{
    checks::Verdict,
    facts::{Container, Uid},
    policy::Library,
};

use super::*;
use crate::{
    application::policies,
    scenario::PolicyKind,
    scene::{Answers, Traffic},
};

fn scene() -> Scene {
    let library: Library = policies().unwrap();
    let policy = library.lookup(PolicyKind::Canary.name()).unwrap();
    let record = serde_json::from_value(json!({
        "version": 1, "workloadUID": "u-1", "seq": 9, "stable": "visits-1", "userReplicas": 4, "userPartition": 0,
        "phase": "Baking",
        "rollout": { "id": "7-b", "canary": "visits-2", "resolvedPolicy": policy, "step": 0, "bakeDoneMs": 12_000,
            "surge": 1, "started": 0 },
    }));
    let workload = Workload { replicas: 5, partition: PARKED, uid: Uid::from("u-1"), ..Workload::default() };
    let images = [("visits-1", "visits:v1"), ("visits-2", "visits:v2")];
    let verdict = |check: &str, outcome, evidence: &str| Verdict {
        check: check.to_owned(),
        enforced: true,
        outcome,
        evidence: evidence.to_owned(),
    };
    Scene {
        passed: Duration::from_secs(29),
        workload: Some(workload),
        record: Some(record.unwrap()),
        verdicts: vec![
            verdict("readiness", Outcome::Pass, "1 of 1 canary pods Ready"),
            verdict("errors", Outcome::Undecided, "pod visits-4: 2 of 60 events bad (3.3%) in 10s, limit 5%"),
        ],
        pods: vec![
            shown(0, "visits-1", "visits:v1", None),
            shown(4, "visits-2", "visits:v2", Some("CrashLoopBackOff")),
        ],
        images: images.map(|(revision, image)| (Revision::from(revision), image.to_owned())).into(),
        traffic: Traffic { sent: 12_345, failed: 2, lost: 3 },
        events: Vec::new(),
    }
}

fn shown(ordinal: u32, revision: &str, image: &str, waiting: Option<&str>) -> Shown {
    let container = Container {
        waiting: waiting.map(str::to_owned),
        restarts: u32::from(waiting.is_some()),
        terminated: waiting.map(|_| "Error".to_owned()),
        ..Container::default()
    };
    let pod = Pod {
        name: format!("visits-{ordinal}"),
        ordinal,
        revision: Some(Revision::from(revision)),
        ready: waiting.is_none(),
        containers: vec![container],
        ..Pod::default()
    };
    let answers = waiting.is_none().then_some(Answers { all: 1_203, failed: 2 });
    Shown { pod, image: image.to_owned(), answers }
}

fn text(scene: &Scene, width: usize) -> String {
    page(scene, None).iter().flat_map(|line| line.rows(width)).map(|row| row + "\n").collect()
}

const PAGE: &str = "
0:29        visits: Baking, visits:v1 -> visits:v2, step first (1 of 5: 1 extra) [########------------] 12s of 30s
            replicas 5 (1 extra), partition parked
POD         IMAGE             SIDE     REQUESTS  FAILED  STATE
visits-0    visits:v1         stable      1,203       2  ready
visits-4    visits:v2         canary          -       -  CrashLoopBackOff, restarts: 1 (Error)
CHECK       SAYS       EVIDENCE
readiness   Pass       1 of 1 canary pods Ready
errors      Undecided  pod visits-4: 2 of 60 events bad (3.3%) in 10s, limit 5%
TRAFFIC     12,345 requests, 2 failed, 3 met nobody
NEXT        it waits for errors: every check has to pass for 18s; then step half: 1 extra and 1 in place
";

#[test]
fn the_page_shows_pods_step_checks_traffic_and_what_is_next() {
    assert_eq!(text(&scene(), 120), PAGE);
}

#[test]
fn a_narrow_page_says_the_same_in_more_rows() {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let narrow = text(&scene(), 60);
    assert_eq!(words(&narrow), words(PAGE));
    assert!(narrow.lines().all(|row| row.len() <= 60), "{narrow}");
}

#[test]
fn a_pause_says_what_a_person_has_to_do() {
    let mut scene = scene();
    let record = scene.record.as_mut().unwrap();
    let pause = json!({ "reason": "FailedAfterCompletion", "detail": "`siskin undo` writes the stable template back" });
    record.pause = Some(serde_json::from_value(pause).unwrap());
    let page = text(&scene, 120);
    assert!(page.contains("PAUSED      FailedAfterCompletion: `siskin undo` writes"), "{page}");
    assert!(
        page.contains("NEXT        nothing by itself: `siskin undo` writes the stable template back\n"),
        "{page}"
    );
}

#[test]
fn without_the_application_there_is_nothing_to_wait_for() {
    let page = text(&Scene::default(), 120);
    assert!(
        page.contains("there is no StatefulSet visits\n") && page.contains("NEXT        nothing"),
        "{page}"
    );
}

//! What is read is what was written, and nothing of others is lost.

use serde_json::{Value, json};
use siskin_embedded::{
    model::statefulset::NewRevision,
    object::{
        ClaimPolicy, Container, ContainerState, Kind, Labels, Owner, Phase, PodManagement, PodStatus,
        StatefulSetStatus, Template, Terminated, Uid, UpdateStrategy, labels,
    },
};

use super::*;

const UID: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";

fn object(kind: &str, rest: Value) -> Value {
    let mut object = json!({ "apiVersion": "v1", "kind": kind,
        "metadata": { "name": "db", "namespace": "shop", "uid": UID } });
    merge(&mut object, rest);
    object
}

/// A merge patch of members whose values are replaced whole, as those of a status are.
fn patched(mut object: Value, patch: Value) -> Value {
    merge(&mut object, patch);
    object
}

fn statuses() -> Vec<PodStatus> {
    let ended = Terminated { reason: "OOMKilled".into(), exit_code: 137, at: 61_900 };
    let states = [
        ContainerState::Waiting { reason: "ImagePullBackOff".into() },
        ContainerState::Running { since: 70_123 },
        ContainerState::Terminated(ended.clone()),
    ];
    let with = |state: ContainerState| PodStatus {
        phase: Phase::Running,
        has_ip: true,
        ready_since: matches!(state, ContainerState::Running { .. }).then_some(71_001),
        container: Some(Container { restarts: 3, state, last: Some(ended.clone()) }),
        ..PodStatus::default()
    };
    let unschedulable = PodStatus { unschedulable: Some("no node".into()), ..PodStatus::default() };
    let evicted = PodStatus { phase: Phase::Failed, reason: Some("Evicted".into()), ..PodStatus::default() };
    states.into_iter().map(with).chain([unschedulable, evicted]).collect()
}

#[test]
fn a_pods_status_is_read_as_it_was_written_to_the_second() {
    let pod = || object("Pod", json!({ "spec": { "containers": [{ "name": "db", "image": "visits:v1" }] } }));
    for status in statuses() {
        let patch = pod_status::patch(&pod(), &status, [127, 1, 2, 3].into(), 80_000);
        let read = pod::read(&patched(pod(), patch)).unwrap().status;
        assert_eq!(read, pod_status::rounded(&status));
    }
}

#[test]
fn a_condition_that_stays_keeps_its_time() {
    let pod = object("Pod", json!({ "spec": { "containers": [{ "name": "db", "image": "visits:v1" }] } }));
    let status = PodStatus { has_ip: true, ..PodStatus::default() };
    let patch = pod_status::patch(&pod, &status, [127, 1, 2, 3].into(), 10_000);
    let first = patched(pod, patch);
    let second = pod_status::patch(&first, &status, [127, 1, 2, 3].into(), 20_000);
    assert_eq!(second["status"]["conditions"], first["status"]["conditions"]);
    assert_eq!(second["status"].get("startTime"), None);
}

#[test]
fn a_statefulset_is_read_with_its_partition_or_without_one() {
    let set = |strategy: Value| {
        object(
            "StatefulSet",
            json!({ "spec": {
            "replicas": 3, "ordinals": { "start": 5 }, "podManagementPolicy": "Parallel", "updateStrategy": strategy,
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete", "whenScaled": "Retain" },
            "template": { "spec": {} },
        } }),
        )
    };
    let read =
        statefulset::read(&set(json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } })))
            .unwrap();
    assert_eq!((read.spec.replicas, read.spec.ordinals_start), (3, 5));
    assert_eq!(read.spec.update_strategy, UpdateStrategy::RollingUpdate { partition: Some(2) });
    assert_eq!(read.spec.pod_management, PodManagement::Parallel);
    let retention = read.spec.claim_retention;
    assert_eq!((retention.when_deleted, retention.when_scaled), (ClaimPolicy::Delete, ClaimPolicy::Retain));
    let strategy = |json| statefulset::read(&set(json)).unwrap().spec.update_strategy;
    assert_eq!(
        strategy(json!({ "type": "RollingUpdate" })),
        UpdateStrategy::RollingUpdate { partition: None }
    );
    assert_eq!(strategy(json!({ "type": "OnDelete" })), UpdateStrategy::OnDelete);
}

#[test]
fn a_number_that_the_models_cannot_hold_is_said_with_its_field() {
    let set = object("StatefulSet", json!({ "spec": { "replicas": -1 } }));
    let problem = statefulset::read(&set).unwrap_err();
    let said = "StatefulSet shop/db: `spec.replicas` has to be from 0 to 2147483647; the controllers leave the object alone";
    assert_eq!(problem.to_string(), said);
    let odd = json!({ "kind": "Pod", "metadata": { "name": "db-0", "uid": "none" } });
    assert_eq!(pod::read(&odd).unwrap_err().field, "metadata.uid");
}

#[test]
fn counts_of_zero_are_absent_where_kubernetes_leaves_them_out() {
    let patch = statefulset::status_patch(&StatefulSetStatus::default());
    let status = &patch["status"];
    assert_eq!((&status["replicas"], &status["availableReplicas"]), (&json!(0), &json!(0)));
    for absent in ["readyReplicas", "currentReplicas", "updatedReplicas"] {
        assert_eq!(status[absent], Value::Null);
    }
}

#[test]
fn a_revision_is_read_as_it_was_written() {
    let template = Template::of_image("visits:v1", &labels([("app", "db")]));
    let owner = Owner { kind: Kind::StatefulSet, name: "db".into(), uid: Uid(7), controller: true };
    let new = NewRevision {
        name: "db-1".into(),
        number: 4,
        template: template.clone(),
        labels: labels([("app", "db")]),
        annotations: Labels::default(),
        owner: owner.clone(),
    };
    let written = patched(object("ControllerRevision", json!({})), revision::new(&new));
    let read = revision::read(&written).unwrap();
    assert_eq!((read.number, read.template, read.metadata.owners), (4, template, vec![owner]));
    assert!(revision::read(&object("ControllerRevision", json!({ "data": {} }))).is_err());
}

#[test]
fn references_of_other_owners_stay_as_they_are_written() {
    let foreign = json!({ "apiVersion": "example.com/v1", "kind": "Backup", "name": "b", "uid": "not-ours", "extra": 1 });
    let claim = object("PersistentVolumeClaim", json!({ "metadata": { "ownerReferences": [foreign] } }));
    let owner = Owner { kind: Kind::StatefulSet, name: "db".into(), uid: Uid(7), controller: true };
    let mut wanted = claim::read(&claim).unwrap().metadata.owners;
    assert_eq!(wanted[0].kind, Kind::Other);
    wanted.push(owner);
    let both = &with_owners(&claim, &wanted)["metadata"]["ownerReferences"];
    assert_eq!((&both[0], &both[1]["apiVersion"]), (&foreign, &json!("apps/v1")));
    let neither = with_owners(&claim, &[]);
    assert_eq!(neither["metadata"]["ownerReferences"], Value::Null);
}

#[test]
fn a_claim_is_made_of_the_template_that_its_name_tells() {
    let template = |name: &str| json!({ "metadata": { "name": name }, "spec": { "storageClassName": name } });
    let set = object(
        "StatefulSet",
        json!({ "spec": { "volumeClaimTemplates": [template("data"), template("data-db")] } }),
    );
    let class =
        |name: &str| statefulset::claim(&set, name, &Labels::default())["spec"]["storageClassName"].clone();
    assert_eq!((class("data-db-0"), class("data-db-db-0")), (json!("data"), json!("data-db")));
}

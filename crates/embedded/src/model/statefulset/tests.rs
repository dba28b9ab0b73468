//! The controller without a host. How it plays together with the rest stands in the tests of the cluster.

use super::*;
use crate::object::{
    ClaimPhase, ClaimPolicy, ClaimRetention, ClaimTemplate, Kind, Labels, Metadata, Name, Owner, Phase,
    PodManagement, PodStatus, REVISION_LABEL, StatefulSetSpec, StatefulSetStatus, Template, Uid, labels,
};

fn app() -> Labels {
    labels([("app", "db")])
}

fn set(management: PodManagement) -> StatefulSet {
    let mut spec = StatefulSetSpec::new(app(), Template::of_image("v1", &app()));
    spec.replicas = 8;
    spec.pod_management = management;
    let metadata = Metadata { uid: Uid(1), labels: app(), ..Metadata::named("db") };
    StatefulSet { metadata, spec, status: StatefulSetStatus::default() }
}

fn owner(kind: Kind, name: &str, uid: u128) -> Owner {
    Owner { kind, name: name.into(), uid: Uid(uid), controller: true }
}

fn pod(set: &StatefulSet, ordinal: u32, ready: bool) -> Pod {
    let name: Name = format!("db-{ordinal}").into();
    let mut pod_labels = (*app()).clone();
    pod_labels.insert(REVISION_LABEL.to_owned(), revision_name("db", &set.spec.template, 0).to_string());
    let metadata = Metadata {
        uid: Uid(100 + u128::from(ordinal)),
        labels: Labels::new(pod_labels),
        owners: vec![members::reference(set)],
        ..Metadata::named(name)
    };
    let claims =
        set.spec.claim_templates.iter().map(|claim| format!("{}-db-{ordinal}", claim.name).into()).collect();
    let ready_since = ready.then_some(0);
    let status = PodStatus { phase: Phase::Running, ready_since, has_ip: true, ..PodStatus::default() };
    Pod { metadata, template: set.spec.template.clone(), claims, status }
}

fn claim(ordinal: u32, owners: Vec<Owner>) -> Claim {
    let name: Name = format!("data-db-{ordinal}").into();
    Claim { metadata: Metadata { owners, ..Metadata::named(name) }, phase: ClaimPhase::Bound }
}

fn actions(set: &StatefulSet, pods: &[Pod], claims: &[Claim]) -> Vec<Action> {
    let view =
        View { set, pods: pods.iter().collect(), revisions: Vec::new(), claims: claims.iter().collect() };
    sync(&view, 1_000)
}

fn made(actions: &[Action]) -> Vec<&str> {
    let pods = actions.iter().filter_map(|action| match action {
        Action::CreatePod(pod) => Some(&*pod.name),
        _ => None,
    });
    pods.collect()
}

// [src] runForAll
#[test]
fn ordered_ready_makes_one_pod_in_a_pass_and_parallel_all() {
    assert_eq!(made(&actions(&set(PodManagement::OrderedReady), &[], &[])), ["db-0"]);
    assert_eq!(made(&actions(&set(PodManagement::Parallel), &[], &[])).len(), 8);
}

// [src] slowStartBatch: 1, 2, 4, ...; what follows the batch of a failure waits.
#[test]
fn parallel_stops_after_the_batch_in_which_a_pod_could_not_be_made() {
    let mut set = set(PodManagement::Parallel);
    set.spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
    let mut leaving = claim(1, Vec::new());
    leaving.metadata.deletion = Some(crate::object::Deletion { requested: 0, at: 0 });
    let actions = actions(&set, &[], &[leaving]);
    assert_eq!(made(&actions), ["db-0", "db-2"]);
    assert!(actions.contains(&Action::Retry));
    let refused = Action::Refuse { pod: "db-1".into(), message: "pvc data-db-1 is being deleted".into() };
    assert!(actions.contains(&refused), "{actions:?}");
}

// [src] isClaimOwnerUpToDate: the table of KEP-1847.
#[test]
fn a_claims_owner_is_the_set_or_the_pod_that_is_scaled_away_as_the_policy_says() {
    use ClaimPolicy::{Delete, Retain};
    let (of_set, of_pod) = (owner(Kind::StatefulSet, "db", 1), owner(Kind::Pod, "db-8", 108));
    // (whenScaled, whenDeleted) -> the owners of a claim that is wanted, and of one that is scaled away.
    for (when_scaled, when_deleted, wanted, away) in [
        (Retain, Retain, vec![], vec![]),
        (Retain, Delete, vec![of_set.clone()], vec![of_set.clone()]),
        (Delete, Retain, vec![], vec![of_pod.clone()]),
        (Delete, Delete, vec![of_set.clone()], vec![of_pod.clone()]),
    ] {
        let mut set = set(PodManagement::Parallel);
        set.spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
        set.spec.claim_retention = ClaimRetention { when_deleted, when_scaled };
        let pods: Vec<Pod> = (0..=8).map(|ordinal| pod(&set, ordinal, true)).collect();
        for (ordinal, expected) in [(0, wanted), (8, away)] {
            let other = vec![owner(Kind::Service, "backup", 7)]
                .into_iter()
                .map(|owner| Owner { controller: false, ..owner });
            let mut claim = claim(ordinal, other.collect());
            let before = claim.metadata.owners.clone();
            let written =
                actions(&set, &pods, &[claim.clone()]).into_iter().find_map(|action| match action {
                    Action::SetClaimOwners { owners, .. } => Some(owners),
                    _ => None,
                });
            let all: Vec<Owner> = before.iter().cloned().chain(expected).collect();
            assert_eq!(written.clone().unwrap_or(before), all, "{when_scaled:?} {when_deleted:?} {ordinal}");
            // Written once.
            claim.metadata.owners = all;
            let again = actions(&set, &pods, &[claim]);
            assert!(!again.iter().any(|action| matches!(action, Action::SetClaimOwners { .. })), "{again:?}");
        }
    }
}

// [src] hasStaleOwnerRef, hasUnexpectedController
#[test]
fn a_claim_of_another_controller_or_of_an_earlier_namesake_is_left_alone() {
    let mut set = set(PodManagement::Parallel);
    set.spec.replicas = 1;
    set.spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
    set.spec.claim_retention =
        ClaimRetention { when_deleted: ClaimPolicy::Delete, when_scaled: ClaimPolicy::Retain };
    for owners in [vec![owner(Kind::Service, "backup", 7)], vec![owner(Kind::StatefulSet, "db", 99)]] {
        let actions = actions(&set, &[pod(&set, 0, true)], &[claim(0, owners)]);
        assert!(!actions.iter().any(|action| matches!(action, Action::SetClaimOwners { .. })), "{actions:?}");
    }
}

#[test]
fn a_pod_of_another_owner_is_not_touched_even_if_it_has_the_name() {
    let mut set = set(PodManagement::Parallel);
    set.spec.replicas = 1;
    let mut foreign = pod(&set, 3, true);
    foreign.metadata.owners = vec![owner(Kind::StatefulSet, "db", 99)];
    let actions = actions(&set, &[pod(&set, 0, true), foreign], &[]);
    assert!(!actions.iter().any(Action::is_on_pods), "{actions:?}");
}

// [src] UpdateStatefulSet: a set that is being deleted only counts.
#[test]
fn a_set_on_its_way_out_makes_and_removes_nothing() {
    let mut set = set(PodManagement::Parallel);
    set.metadata.deletion = Some(crate::object::Deletion { requested: 0, at: 0 });
    let actions = actions(&set, &[pod(&set, 0, true), pod(&set, 9, true)], &[]);
    assert!(!actions.iter().any(Action::is_on_pods), "{actions:?}");
    assert!(
        actions.iter().any(|action| matches!(action, Action::UpdateStatus(status) if status.replicas == 2))
    );
}

// [src] inconsistentStatus, updateStatefulSet: the pod just deleted is taken off currentReplicas at once, whatever
// its revision.
#[test]
fn a_pod_deleted_for_the_update_is_no_longer_counted_as_current() {
    let mut set = set(PodManagement::Parallel);
    set.spec.replicas = 2;
    let pods = [pod(&set, 0, true), pod(&set, 1, true)];
    set.spec.template = Template::of_image("v2", &app());
    let actions = actions(&set, &pods, &[]);
    assert!(actions.contains(&Action::DeletePod { name: "db-1".into() }), "{actions:?}");
    let status = actions.iter().find_map(|action| match action {
        Action::UpdateStatus(status) => Some(status),
        _ => None,
    });
    // No revision of that name is there, so the current one is the new one, of which there is no pod.
    assert_eq!(status.map(|status| (status.current_replicas, status.ready_replicas)), Some((-1, 2)));
}

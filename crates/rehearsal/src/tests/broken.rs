//! Cores that are broken from outside: each is caught within a thousand seeds.

use siskin_core::{
    checks::{Outcome, Verdicts},
    decision::{AnchorPatch, Decision, TemplatePatch, Write},
    facts::{Facts, Uid},
    state::{Phase, Record},
    template,
};
use siskin_embedded::cluster::{Cluster, Precondition};

use crate::{
    faults::{Schedule, Tamper, run, shrink},
    invariants::Violation,
    wire::{carry_out, patch_anchor},
};

const SEEDS: u64 = 1_000;

/// The first seed that catches it, and how.
fn caught<T: Tamper>(tamper: impl Fn() -> T) -> (u64, Violation) {
    let found = (0..SEEDS).find_map(|seed| Some((seed, run(&Schedule::of(seed), tamper()).violation?)));
    found.expect("a broken core is caught")
}

fn phase(decision: &Decision) -> Option<Phase> {
    decision.state.record.as_ref().map(|record| record.phase)
}

struct DeletesBeforeParking;

impl Tamper for DeletesBeforeParking {
    fn decided(&mut self, decision: &mut Decision, facts: &Facts) {
        let parks = decision
            .writes
            .iter()
            .any(|write| matches!(write, Write::Anchor(AnchorPatch { partition: Some(_), .. })));
        let rollout = decision.state.record.as_ref().and_then(|record| record.rollout.as_ref());
        let pods = facts.detail.iter().flat_map(|detail| &detail.pods);
        if let (true, Some(Phase::Reverting), Some(rollout)) = (parks, phase(decision), rollout)
            && let Some(pod) = pods.rev().find(|pod| pod.revision.as_ref() == Some(&rollout.canary))
        {
            decision.writes.insert(0, Write::DeletePod { name: pod.name.clone(), uid: pod.uid.clone() });
        }
    }
}

#[test]
fn one_that_deletes_before_it_parks_is_caught() {
    let (_, violation) = caught(|| DeletesBeforeParking);
    assert_eq!(violation.invariant, 1, "{violation}");
}

struct ForgetsThePrecondition;

impl Tamper for ForgetsThePrecondition {
    fn carry_out(&mut self, cluster: &mut Cluster, set: &str, write: &Write) -> bool {
        match write {
            Write::Anchor(patch) => patch_anchor(cluster, set, Precondition::NONE, patch).is_ok(),
            write => carry_out(cluster, set, write).is_ok(),
        }
    }
}

#[test]
fn one_that_forgets_the_precondition_is_caught() {
    let (_, violation) = caught(|| ForgetsThePrecondition);
    assert!([2, 8].contains(&violation.invariant), "{violation}");
}

struct PromotesOnNoData;

impl Tamper for PromotesOnNoData {
    fn verdicts(&mut self, verdicts: &mut Verdicts) {
        for verdict in verdicts.0.iter_mut().filter(|verdict| verdict.outcome == Outcome::NoData) {
            verdict.outcome = Outcome::Pass;
        }
    }
}

#[test]
fn one_that_promotes_on_no_data_is_caught() {
    let (_, violation) = caught(|| PromotesOnNoData);
    assert_eq!(violation.invariant, 3, "{violation}");
}

struct KeepsTheStateInASecondWrite;

impl Tamper for KeepsTheStateInASecondWrite {
    fn parts(&mut self, write: &Write) -> Vec<Write> {
        match write {
            Write::Anchor(patch) if patch.replicas.is_some() || patch.partition.is_some() => {
                let first = AnchorPatch { annotations: std::collections::BTreeMap::new(), ..patch.clone() };
                let annotations = patch.annotations.clone();
                let second = AnchorPatch { annotations, ..AnchorPatch::default() };
                vec![Write::Anchor(first), Write::Anchor(second)]
            }
            write => vec![write.clone()],
        }
    }

    fn carry_out(&mut self, cluster: &mut Cluster, set: &str, write: &Write) -> bool {
        match write {
            Write::Anchor(patch) if patch.resource_version.is_empty() => {
                patch_anchor(cluster, set, Precondition::NONE, patch).is_ok()
            }
            write => carry_out(cluster, set, write).is_ok(),
        }
    }
}

#[test]
fn one_that_keeps_the_state_in_a_second_write_is_caught() {
    let (_, violation) = caught(|| KeepsTheStateInASecondWrite);
    assert!([2, 8].contains(&violation.invariant), "{violation}");
}

struct LeavesThePartitionOpen;

impl Tamper for LeavesThePartitionOpen {
    fn decided(&mut self, decision: &mut Decision, _facts: &Facts) {
        if phase(decision) == Some(Phase::Baking)
            && let Some(Write::Anchor(patch)) = decision.writes.first_mut()
        {
            patch.partition = None;
        }
    }
}

#[test]
fn one_that_leaves_the_partition_open_during_the_bake_is_caught() {
    let (_, violation) = caught(|| LeavesThePartitionOpen);
    assert_eq!(violation.invariant, 2, "{violation}");
}

struct TrustsTheClaimList;

impl Tamper for TrustsTheClaimList {
    fn decided(&mut self, decision: &mut Decision, facts: &Facts) {
        let state = facts.workload.annotations.get("state");
        let record: Option<Record> = state.and_then(|text| serde_json::from_str(text).ok());
        let listed = record.into_iter().flat_map(|record| record.claims.created);
        let deletes = listed.map(|claim| Write::DeleteClaim { name: claim.name, uid: Uid(claim.uid.0) });
        decision.writes.extend(deletes);
    }
}

#[test]
fn one_that_trusts_the_states_claim_list_is_caught() {
    let (_, violation) = caught(|| TrustsTheClaimList);
    assert_eq!(violation.invariant, 6, "{violation}");
}

struct RevertsByUndo;

impl Tamper for RevertsByUndo {
    fn decided(&mut self, decision: &mut Decision, facts: &Facts) {
        let deletes = decision.writes.iter().any(|write| matches!(write, Write::DeletePod { .. }));
        let stable = decision.state.record.as_ref().and_then(|record| record.stable.as_ref());
        let revisions = facts.detail.iter().flat_map(|detail| &detail.revisions);
        let stable = revisions.into_iter().find(|revision| Some(&revision.name) == stable);
        if let (true, Some(Phase::Reverting), Some(stable)) = (deletes, phase(decision), stable) {
            let patch = template::difference(&facts.workload.template, &stable.template);
            let mut record = decision.state.record.clone().expect("a record");
            record.seq += 1;
            let state = ("state".to_owned(), Some(record.to_json()));
            decision.state.record = Some(record);
            decision.writes = vec![Write::Anchor(AnchorPatch {
                resource_version: facts.workload.resource_version.clone(),
                annotations: [state].into(),
                partition: Some(0),
                template: Some(TemplatePatch { wanted: stable.template.clone(), patch }),
                ..AnchorPatch::default()
            })];
        }
    }
}

#[test]
fn one_that_reverts_by_undo_is_caught() {
    let (_, violation) = caught(|| RevertsByUndo);
    assert_eq!(violation.invariant, 2, "{violation}");
}

#[test]
fn a_failing_story_is_shrunk_to_the_faults_that_it_takes() {
    let (seed, _) = caught(|| PromotesOnNoData);
    let kept = shrink(&Schedule::of(seed), || PromotesOnNoData).expect("it fails");
    assert!(kept.len() <= 3, "{}", Schedule::of(seed).keep(&kept));
}

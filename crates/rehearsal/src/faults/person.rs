//! The person who is asked when nothing goes on by itself.

use siskin_core::state::{Cause, PauseReason, Phase, Record};
use siskin_embedded::{
    cluster::{Cluster, Precondition},
    object::Name,
};

use super::{
    schedule::{Setup, Strangers},
    strangers::{SET, act, annotate, approve, record},
};

/// Whether the workload is at rest, with nothing left to be told.
pub fn at_rest(cluster: &Cluster) -> bool {
    let Some(record) = record(cluster) else { return false };
    record.phase == Phase::Idle
        && record.pause.is_none()
        && record.problem.is_none()
        && record.waiting.is_none()
}

/// Does what the workload asks a person for.
pub fn help(cluster: &mut Cluster, setup: &Setup, problem: Option<&str>) {
    let Some(set) = cluster.statefulset(SET).cloned() else { return };
    if !set.metadata.annotations.contains_key("siskin.dev/policy") {
        return annotate(cluster, "policy", Some("rehearsed"));
    }
    let Some(record) = record(cluster) else { return };
    if record.pause.is_none() && problem.is_none() && approve(cluster) {
        return;
    }
    let pause = record.pause.as_ref().map(|pause| pause.reason);
    let current = set.status.current_revision.clone();
    match (problem, pause) {
        (Some("CompletionBlocked"), _) => {
            let stable = set.metadata.annotations.get("siskin.dev/stable");
            let known =
                stable.and_then(|stable| cluster.revisions().get(stable)).map(|it| it.template.clone());
            if let Some(template) = known {
                let _refused = cluster.set_template("person", SET, template);
            }
        }
        (Some("RevisionRejected"), None) => act(cluster, setup, Strangers::Undo),
        (Some("RollbackStalled"), _) if went_back_for(&record) == Some(Cause::MixedRevisions) => {
            let named = record.stable.as_ref().map(|stable| &*stable.0);
            let mut known = [&*current, &*set.status.update_revision].into_iter();
            if let Some(other) = known.find(|revision| Some(*revision) != named) {
                annotate(cluster, "promote", Some(other));
            }
        }
        (Some("InstallUnclear"), _) => annotate(cluster, "promote", Some(&set.status.update_revision)),
        (Some("StableForgotten"), _) | (_, Some(PauseReason::MixedRevisions)) => {
            annotate(cluster, "promote", Some(&current));
        }
        (_, Some(PauseReason::StateMismatch)) => {
            annotate(cluster, "stable", record.stable.as_ref().map(|stable| &*stable.0));
            annotate(cluster, "paused", None);
        }
        (_, Some(PauseReason::StateLost)) if !set.metadata.annotations.contains_key("siskin.dev/stable") => {
            annotate(cluster, "promote", Some(&current));
        }
        (_, Some(PauseReason::FailedAfterCompletion)) => {
            act(cluster, setup, Strangers::Undo);
            annotate(cluster, "paused", None);
        }
        (_, Some(PauseReason::ClaimLeftOver)) => {
            let last = setup.start + record.user_replicas;
            let stray =
                |name: &Name| siskin_embedded::object::ordinal(name).is_some_and(|ordinal| ordinal >= last);
            let claims: Vec<Name> =
                cluster.claims().iter().map(|claim| claim.metadata.name.clone()).collect();
            for claim in claims.iter().filter(|claim| stray(claim)) {
                let _gone = cluster.delete_claim("person", claim, Precondition::NONE);
            }
            annotate(cluster, "paused", None);
        }
        (_, Some(_)) => annotate(cluster, "paused", None),
        _ => {}
    }
}

fn went_back_for(record: &Record) -> Option<Cause> {
    record.rollout.as_ref()?.back.as_ref().map(|back| back.cause)
}

/// The revision's template, to compare what runs.
pub fn image(cluster: &Cluster, revision: &str) -> String {
    cluster
        .revisions()
        .get(revision)
        .map_or_else(|| revision.to_owned(), |it| it.template.image().to_string())
}

//! What stands in the StatefulSet itself, and in its manifest.

use siskin_core::facts::{PARKED, UpdateStrategy};

use super::{super::manifest::Applied, Findings, Surroundings};

/// The longest name whose pods' labels hold the name of a revision too.
const LONGEST_NAME: usize = 52;

impl Findings {
    /// Its settings.
    pub(super) fn of_the_workload(
        &mut self,
        Surroundings { workload, applied_partition, .. }: &Surroundings,
    ) {
        match &workload.update_strategy {
            UpdateStrategy::RollingUpdate => {}
            UpdateStrategy::OnDelete => self.stops(
                "updateStrategy.type is OnDelete",
                "Siskin holds templates back by the partition, which OnDelete doesn't have",
                "set updateStrategy: { type: RollingUpdate }, without a partition",
            ),
            UpdateStrategy::Other(other) => self.stops(
                format!("updateStrategy.type is {other}"),
                "Siskin holds templates back by the partition of RollingUpdate",
                "set updateStrategy: { type: RollingUpdate }, without a partition",
            ),
        }
        if workload.revision_history_limit < 2 {
            self.stops(
                format!("revisionHistoryLimit is {}", workload.revision_history_limit),
                "Kubernetes would forget the stable revision, and with it the way back",
                "set it to 2 or more, or leave it out (10)",
            );
        }
        if let Some(Applied { value, manager }) = applied_partition
            && *value < PARKED
        {
            self.warns(
                format!("the manifest of {manager} has partition: {value}"),
                "each apply puts it back, and without the admission policies pods roll unjudged until Siskin parks again",
                "take `partition` out of the manifest, or set it to 1000000",
            );
        }
        if workload.delete_claims_when_scaled {
            self.tells(
                "persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
                "Kubernetes deletes the claims of extra pods when these go, whatever the policy says",
                "nothing to do, if the data of extra pods is worth nothing",
            );
        }
    }

    /// Its revisions and its size.
    pub(super) fn of_the_revisions(&mut self, Surroundings { workload, pods, .. }: &Surroundings) {
        let mut revisions: Vec<&str> =
            pods.iter().filter_map(|pod| pod.revision.as_ref()).map(|revision| revision.0.as_str()).collect();
        revisions.sort_unstable();
        revisions.dedup();
        let ready = pods.iter().filter(|pod| pod.ready && pod.live()).count();
        if revisions.len() > 1 {
            self.warns(
                format!("pods run {} revisions: {}", revisions.len(), revisions.join(", ")),
                "Siskin parks and asks which one is the stable one (MixedRevisions)",
                "wait until the update is through, or answer with `siskin promote --revision REVISION`",
            );
        } else if ready < workload.replicas as usize {
            self.warns(
                format!("{ready} of {} pods are ready", workload.replicas),
                "until all are, there is no stable revision, and a newer template may go in unjudged",
                "adopt it when all pods are ready",
            );
        } else if workload.update_revision != workload.current_revision {
            self.warns(
                "a new template waits behind the partition",
                "it becomes the first rollout",
                "nothing to do, if that is wanted",
            );
        }
        if workload.replicas == 0 {
            self.tells(
                "replicas is 0",
                "nothing can be judged without pods, so a template that comes now waits",
                "nothing to do",
            );
        }
    }

    /// What counts also while it is only observed.
    pub(super) fn of_the_pods(&mut self, Surroundings { workload, readiness_probe, .. }: &Surroundings) {
        if workload.name.len() > LONGEST_NAME {
            self.warns(
                format!("the name is {} characters long", workload.name.len()),
                "names of its revisions don't fit into the pods' labels, so Kubernetes may not create pods",
                format!("use a name of at most {LONGEST_NAME} characters"),
            );
        }
        if !readiness_probe {
            self.warns(
                "no container has a readiness probe",
                "a pod counts as ready as soon as its containers run, so a broken version looks good",
                "add a readinessProbe, or a check to the policy",
            );
        }
    }
}

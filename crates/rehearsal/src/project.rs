//! Objects of the modelled cluster as the core's facts.

use siskin_core::{
    decision::PREFIX,
    facts::{
        Claim, Container, Phase, Pod, Revision, RevisionFact, RevisionVerdict, Uid, UpdateStrategy, Workload,
        Writer,
    },
    time::Wall,
};
use siskin_embedded::{Millis, object};

/// The namespace that facts name; the model has one.
pub const NAMESPACE: &str = "rehearsal";

/// A moment as Kubernetes writes it, in whole seconds.
pub fn wall(at: Millis) -> Wall {
    Wall(i64::try_from(at / 1000).unwrap_or(i64::MAX))
}

/// A UID as text.
pub fn uid(uid: object::Uid) -> Uid {
    Uid(uid.to_string())
}

/// A StatefulSet, and who wrote its replicas.
pub fn workload(set: &object::StatefulSet, writer: Writer) -> Workload {
    let object::StatefulSet { metadata, spec, status } = set;
    let revision = |name: &str| (!name.is_empty()).then(|| Revision::from(name));
    let count = |count: i64| u32::try_from(count).unwrap_or_default();
    let ours = metadata.annotations.iter();
    let ours = ours.filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value.clone())));
    Workload {
        namespace: NAMESPACE.to_owned(),
        name: metadata.name.to_string(),
        uid: uid(metadata.uid),
        resource_version: metadata.resource_version.to_string(),
        generation: metadata.generation,
        observed_generation: status.observed_generation,
        deleting: metadata.terminating(),
        annotations: ours.collect(),
        replicas: spec.replicas,
        ordinals_start: spec.ordinals_start,
        update_strategy: match spec.update_strategy {
            object::UpdateStrategy::RollingUpdate { .. } => UpdateStrategy::RollingUpdate,
            object::UpdateStrategy::OnDelete => UpdateStrategy::OnDelete,
        },
        partition: spec.update_strategy.partition(),
        parallel: spec.pod_management == object::PodManagement::Parallel,
        min_ready_seconds: spec.min_ready_seconds,
        revision_history_limit: spec.revision_history_limit,
        claim_templates: spec.claim_templates.iter().map(|claim| claim.name.to_string()).collect(),
        delete_claims_when_scaled: spec.claim_retention.when_scaled == object::ClaimPolicy::Delete,
        pods: count(status.replicas),
        ready_pods: count(status.ready_replicas),
        current_pods: count(status.current_replicas),
        updated_pods: count(status.updated_replicas),
        current_revision: revision(&status.current_revision),
        update_revision: revision(&status.update_revision),
        template: spec.template.json().clone(),
        replicas_writer: writer,
    }
}

/// A pod.
pub fn pod(pod: &object::Pod) -> Pod {
    let status = &pod.status;
    let revision = pod.revision();
    Pod {
        name: pod.metadata.name.to_string(),
        uid: uid(pod.metadata.uid),
        ordinal: pod.ordinal().unwrap_or_default(),
        created: wall(pod.metadata.created),
        revision: (!revision.is_empty()).then(|| Revision::from(revision)),
        role: pod.metadata.labels.get(&format!("{PREFIX}role")).cloned(),
        terminating: pod.metadata.terminating(),
        phase: match status.phase {
            object::Phase::Pending => Phase::Pending,
            object::Phase::Running => Phase::Running,
            object::Phase::Succeeded => Phase::Succeeded,
            object::Phase::Failed => Phase::Failed,
        },
        ready: pod.ready(),
        ready_since: status.ready_since.filter(|_| pod.ready()).map(wall),
        ip: status.has_ip.then(|| "192.0.2.1".to_owned()),
        containers: status.container.iter().map(|seen| container(pod.template.container(), seen)).collect(),
        unschedulable: status.unschedulable.as_deref().map(str::to_owned),
        reason: status.reason.as_deref().map(str::to_owned),
        ..Pod::default()
    }
}

fn container(name: &str, seen: &object::Container) -> Container {
    use object::ContainerState::{Running, Terminated, Waiting};
    let (waiting, ended) = match &seen.state {
        Waiting { reason } => (Some(reason.to_string()), None),
        Running { .. } => (None, None),
        Terminated(ended) => (None, Some(ended)),
    };
    let ended = ended.or(seen.last.as_ref());
    Container {
        name: name.to_owned(),
        restarts: seen.restarts,
        waiting,
        terminated: ended.map(|ended| ended.reason.to_string()),
        exit_code: ended.map(|ended| ended.exit_code),
        ..Container::default()
    }
}

/// A `ControllerRevision`.
pub fn revision(revision: &object::ControllerRevision) -> RevisionFact {
    let annotation = |name: &str| revision.metadata.annotations.get(&format!("{PREFIX}{name}"));
    let verdict = annotation("verdict").and_then(|verdict| match verdict.as_str() {
        "stable" => Some(RevisionVerdict::Stable),
        "rejected" => Some(RevisionVerdict::Rejected),
        "superseded" => Some(RevisionVerdict::Superseded),
        _ => None,
    });
    RevisionFact {
        name: Revision::from(&*revision.metadata.name),
        resource_version: revision.metadata.resource_version.to_string(),
        created: wall(revision.metadata.created),
        number: revision.number,
        template: revision.template.json().clone(),
        verdict,
        rollout: annotation("rollout").cloned(),
    }
}

/// A claim.
pub fn claim(claim: &object::Claim) -> Claim {
    Claim {
        name: claim.metadata.name.to_string(),
        uid: uid(claim.metadata.uid),
        created: wall(claim.metadata.created),
        terminating: claim.metadata.terminating(),
    }
}

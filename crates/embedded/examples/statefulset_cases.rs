//! Random `StatefulSets` and what the model would do, a JSON line each, to be compared with the real controller:
//! `tests/cluster/compare-statefulset [SEED [COUNT]]`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use siskin_embedded::{
    chance::{Chance, Share},
    model::statefulset::{Action, View, sync},
    object::{
        Claim, ClaimPhase, ClaimPolicy, ClaimRetention, ClaimTemplate, ControllerRevision, Deletion, Kind,
        Labels, Metadata, Owner, Phase, Pod, PodManagement, PodStatus, REVISION_LABEL, StatefulSet,
        StatefulSetSpec, StatefulSetStatus, Template, Uid, UpdateStrategy, labels,
    },
};

/// The moment of each pass, in milliseconds.
const NOW: u64 = 100_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap_or(0));
    let (seed, count) = (arguments.next().unwrap_or(1), arguments.next().unwrap_or(1_000));
    let mut chance = Chance::new(seed);
    for _ in 0..count {
        println!("{}", Case::draw(&mut chance).line());
    }
}

struct Case {
    set: StatefulSet,
    pods: Vec<Pod>,
    revisions: Vec<ControllerRevision>,
    claims: Vec<Claim>,
}

fn app() -> Labels {
    labels([("app", "db")])
}

fn image(number: u64) -> Template {
    Template::of_image(&format!("v{number}"), &app())
}

fn one_in(chance: &mut Chance, count: u64) -> bool {
    chance.hits(Share::of(1, count))
}

fn leaving(is: bool) -> Option<Deletion> {
    is.then_some(Deletion { requested: NOW - 1_000, at: NOW + 29_000 })
}

impl Case {
    fn draw(chance: &mut Chance) -> Self {
        let policy =
            |chance: &mut Chance| if one_in(chance, 3) { ClaimPolicy::Delete } else { ClaimPolicy::Retain };
        let mut spec = StatefulSetSpec::new(app(), image(chance.between(1, 4)));
        spec.replicas = u32::try_from(chance.below(7)).unwrap_or(0);
        spec.ordinals_start = if one_in(chance, 4) { 3 } else { 0 };
        spec.pod_management =
            if one_in(chance, 2) { PodManagement::Parallel } else { PodManagement::OrderedReady };
        spec.update_strategy = match chance.below(8) {
            0 => UpdateStrategy::OnDelete,
            1 => UpdateStrategy::RollingUpdate { partition: None },
            2 => UpdateStrategy::RollingUpdate { partition: Some(1_000_000) },
            _ => UpdateStrategy::RollingUpdate { partition: u32::try_from(chance.below(8)).ok() },
        };
        spec.min_ready_seconds = if one_in(chance, 4) { 10 } else { 0 };
        spec.revision_history_limit = u32::try_from(chance.below(4)).unwrap_or(0);
        spec.claim_retention = ClaimRetention { when_deleted: policy(chance), when_scaled: policy(chance) };
        if one_in(chance, 2) {
            spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
        }
        let metadata = Metadata {
            uid: Uid(1),
            labels: app(),
            generation: 5,
            deletion: leaving(one_in(chance, 30)),
            ..Metadata::named("db")
        };
        let status = StatefulSetStatus::default();
        let mut case = Self {
            set: StatefulSet { metadata, spec, status },
            pods: Vec::new(),
            revisions: Vec::new(),
            claims: Vec::new(),
        };
        case.draw_revisions(chance);
        case.draw_pods(chance);
        case.draw_claims(chance);
        case.draw_status(chance);
        case
    }

    fn controller() -> Owner {
        Owner { kind: Kind::StatefulSet, name: "db".into(), uid: Uid(1), controller: true }
    }

    fn draw_revisions(&mut self, chance: &mut Chance) {
        let mut left: Vec<u64> = (1..=5).collect();
        for number in 1..=chance.below(5) {
            let index = usize::try_from(chance.below(left.len() as u64)).unwrap_or(0);
            let template = left.remove(index);
            let metadata = Metadata {
                labels: app(),
                owners: vec![Self::controller()],
                ..Metadata::named(format!("db-r{template}"))
            };
            let number = i64::try_from(number * 2).unwrap_or(0);
            self.revisions.push(ControllerRevision { metadata, number, template: image(template) });
        }
    }

    fn draw_pods(&mut self, chance: &mut Chance) {
        let healthy = one_in(chance, 2);
        let settled = one_in(chance, 4);
        for ordinal in 0..u32::try_from(chance.below(12)).unwrap_or(0) {
            let number = if settled { 2 } else { chance.between(1, 3) };
            let lost = one_in(chance, 10);
            let terminating = !healthy && one_in(chance, 6);
            let phase = match chance.below(12) {
                0 if !healthy => Phase::Pending,
                1 if !healthy => Phase::Failed,
                2 if !healthy => Phase::Succeeded,
                _ => Phase::Running,
            };
            let ready = phase == Phase::Running && (healthy || !one_in(chance, 4));
            let since = NOW - chance.between(0, 20) * 1_000;
            if lost {
                continue;
            }
            let mut pod_labels = (*app()).clone();
            pod_labels.insert(REVISION_LABEL.to_owned(), format!("db-r{number}"));
            pod_labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), format!("db-{ordinal}"));
            let metadata = Metadata {
                uid: Uid(100 + u128::from(ordinal)),
                labels: Labels::new(pod_labels),
                owners: vec![Self::controller()],
                deletion: leaving(terminating),
                ..Metadata::named(format!("db-{ordinal}"))
            };
            let claims =
                self.set.spec.claim_templates.iter().map(|_| format!("data-db-{ordinal}").into()).collect();
            let status = PodStatus { phase, ready_since: ready.then_some(since), ..PodStatus::default() };
            self.pods.push(Pod { metadata, template: image(number), claims, status });
        }
    }

    fn draw_claims(&mut self, chance: &mut Chance) {
        if self.set.spec.claim_templates.is_empty() {
            return;
        }
        for ordinal in 0..12_u128 {
            if one_in(chance, 6) {
                continue;
            }
            let mut owners = Vec::new();
            let mut own = |kind, name: String, uid, controller| {
                owners.push(Owner { kind, name: name.into(), uid: Uid(uid), controller });
            };
            let pod = format!("db-{ordinal}");
            match chance.below(12) {
                0..=2 => own(Kind::StatefulSet, "db".to_owned(), 1, true),
                3 => own(Kind::Pod, pod, 100 + ordinal, true),
                4 => own(Kind::Pod, pod, 7, true),
                5 => own(Kind::StatefulSet, "db".to_owned(), 7, true),
                6 => own(Kind::Service, "backup".to_owned(), 9, true),
                7 => own(Kind::StatefulSet, "db".to_owned(), 1, false),
                8 => {
                    own(Kind::Service, "backup".to_owned(), 9, true);
                    own(Kind::StatefulSet, "db".to_owned(), 1, true);
                }
                _ => {}
            }
            let deletion = leaving(one_in(chance, 12));
            let metadata = Metadata { owners, deletion, ..Metadata::named(format!("data-db-{ordinal}")) };
            self.claims.push(Claim { metadata, phase: ClaimPhase::Bound });
        }
    }

    fn draw_status(&mut self, chance: &mut Chance) {
        let revision = |chance: &mut Chance| format!("db-r{}", chance.between(1, 3)).into();
        let (current_revision, update_revision) = (revision(chance), revision(chance));
        self.set.status = StatefulSetStatus {
            observed_generation: if one_in(chance, 2) { 5 } else { 4 },
            replicas: i64::try_from(self.pods.len()).unwrap_or(0),
            current_replicas: i64::try_from(chance.below(6)).unwrap_or(0),
            current_revision,
            update_revision,
            ..StatefulSetStatus::default()
        };
    }

    fn line(&self) -> Value {
        let Self { set, pods, revisions, claims } = self;
        let view = View {
            set,
            pods: pods.iter().collect(),
            revisions: revisions.iter().collect(),
            claims: claims.iter().collect(),
        };
        let known: BTreeSet<&str> = revisions.iter().map(|revision| &*revision.metadata.name).collect();
        let told = |name: &str| {
            if known.contains(name) || name.starts_with("db-r") { name.to_owned() } else { "NEW".to_owned() }
        };
        let actions: Vec<String> = sync(&view, NOW).iter().filter_map(|action| tell(action, &told)).collect();
        let (kind, partition) = match set.spec.update_strategy {
            UpdateStrategy::OnDelete => ("OnDelete", None),
            UpdateStrategy::RollingUpdate { partition } => ("RollingUpdate", partition),
        };
        let retains = |policy| if policy == ClaimPolicy::Delete { "Delete" } else { "Retain" };
        json!({
            "now": NOW,
            "replicas": set.spec.replicas, "start": set.spec.ordinals_start, "image": &**set.spec.template.image(),
            "parallel": set.spec.pod_management == PodManagement::Parallel, "type": kind, "partition": partition,
            "minReady": set.spec.min_ready_seconds, "limit": set.spec.revision_history_limit,
            "whenDeleted": retains(set.spec.claim_retention.when_deleted),
            "whenScaled": retains(set.spec.claim_retention.when_scaled),
            "claimTemplates": set.spec.claim_templates.len(), "deleting": set.metadata.terminating(),
            "status": { "gen": set.status.observed_generation, "replicas": set.status.replicas,
                "currentReplicas": set.status.current_replicas, "current": &*set.status.current_revision,
                "update": &*set.status.update_revision },
            "pods": pods.iter().map(|pod| json!({ "ordinal": pod.ordinal(), "revision": pod.revision(),
                "image": &**pod.template.image(), "phase": format!("{:?}", pod.status.phase),
                "readySince": pod.status.ready_since, "terminating": pod.metadata.terminating() })).collect::<Vec<_>>(),
            "revisions": revisions.iter().map(|revision| json!({ "name": &*revision.metadata.name,
                "number": revision.number, "image": &**revision.template.image() })).collect::<Vec<_>>(),
            "claims": claims.iter().map(|claim| json!({ "name": &*claim.metadata.name,
                "terminating": claim.metadata.terminating(),
                "owners": claim.metadata.owners.iter().map(owner).collect::<Vec<_>>() })).collect::<Vec<_>>(),
            "actions": actions,
        })
    }
}

fn owner(owner: &Owner) -> String {
    let kind = match owner.kind {
        Kind::StatefulSet => "StatefulSet",
        Kind::Pod => "Pod",
        _ => "Backup",
    };
    format!("{kind}/{}/{}/{}", owner.name, owner.uid.0, owner.controller)
}

/// An action in a line of words; nothing for those that only the informers of the real one do.
fn tell(action: &Action, told: &impl Fn(&str) -> String) -> Option<String> {
    Some(match action {
        Action::CreateRevision(new) => format!("create-revision {} {}", new.number, new.template.image()),
        Action::RenumberRevision { name, number } => format!("renumber {name} {number}"),
        Action::DeleteRevision { name } => format!("delete-revision {name}"),
        Action::CreateClaim { name, .. } => format!("create-claim {name}"),
        Action::SetClaimOwners { name, owners } => {
            let mut owners: Vec<String> = owners.iter().map(owner).collect();
            owners.sort();
            format!("set-owners {name} {}", owners.join(","))
        }
        Action::CreatePod(new) => {
            let revision = new.labels.get(REVISION_LABEL).map_or("", String::as_str);
            format!("create-pod {} {} {}", new.name, told(revision), new.template.image())
        }
        Action::DeletePod { name } => format!("delete-pod {name}"),
        Action::Retry => "retry".to_owned(),
        Action::UpdateStatus(status) => format!(
            "status {} {} {} {} {} {} {} {}",
            status.observed_generation,
            told(&status.current_revision),
            told(&status.update_revision),
            status.replicas,
            status.ready_replicas,
            status.available_replicas,
            status.current_replicas,
            status.updated_replicas
        ),
        Action::AdoptRevision { .. }
        | Action::AdoptPod { .. }
        | Action::ReleasePod { .. }
        | Action::Refuse { .. }
        | Action::SyncAgainAt(_) => return None,
    })
}

//! What holds after every event: the invariants of DESIGN §9 that can be seen here, read off the writes.
//!
//! Every write left a version, so that each is held against the cluster as it was just before and just after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use siskin_core::{
    decision::{Note, PREFIX},
    facts::{PARKED, Revision},
    state::{Phase, Record, Rollout},
    strategy::{Plan, compile_rollout},
    template,
};
use siskin_embedded::{
    Millis,
    cluster::{Cluster, Verb, Write},
    object::{self, Kind, StatefulSet},
};

use crate::wire::ACTOR;

/// More writes of Siskin's than this within a second are too many.
const BURST: usize = 60;
/// A step that lasts as long as this more than the engine's clock says is no gap in the bake.
const SLACK_MS: u64 = 1_100;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The number in DESIGN §9.
    pub invariant: u8,
    /// When.
    pub at: Millis,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, at, what } = self;
        write!(f, "invariant {invariant} at {}.{:03} s: {what}", at / 1000, at % 1000)
    }
}

/// What is known besides the cluster.
pub struct Known<'a> {
    /// When each check last had a usable answer.
    pub heard: &'a BTreeMap<String, Millis>,
    /// Up to which version the daemon's watch has shown the pods.
    pub pods_shown: u64,
    /// That watch has shown nothing for a while, although something happened.
    pub pods_are_old: bool,
    /// What was told, when, at which version.
    pub told: &'a [(Millis, u64, Note)],
    /// Images that must not be promoted by checks.
    pub bad: &'a BTreeSet<String>,
    /// The installation freezes rollouts.
    pub frozen: bool,
}

/// Watches one StatefulSet.
#[derive(Debug)]
pub struct Invariants {
    set: String,
    version: u64,
    told: usize,
    /// Somebody else did what brings pods to an unjudged revision where only parking protects.
    pub exposed: bool,
    /// Somebody else wrote the state since Siskin did.
    pub state_edited: bool,
    /// The partition that Siskin left behind.
    left: Option<u32>,
    /// The state, and its text.
    read: Option<(String, Option<Record>)>,
    /// When the bake of which rollout and step began.
    bake: Option<(String, usize, Millis)>,
    /// Claims of pods that the user asked for.
    users_claims: BTreeSet<object::Uid>,
    /// When Siskin wrote.
    written: Vec<Millis>,
}

type Checked = Result<(), Violation>;

impl Invariants {
    /// For the StatefulSet of this name, from now on.
    pub fn new(set: &str, cluster: &Cluster) -> Self {
        Self {
            set: set.to_owned(),
            version: cluster.version(),
            told: 0,
            exposed: false,
            state_edited: false,
            left: None,
            read: None,
            bake: None,
            users_claims: cluster.claims().iter().map(|claim| claim.metadata.uid).collect(),
            written: Vec::new(),
        }
    }

    /// How often Siskin wrote.
    pub fn writes(&self) -> usize {
        self.written.len()
    }

    /// Looks at everything that was written since.
    pub fn check(&mut self, cluster: &Cluster, known: &Known<'_>) -> Checked {
        while self.version < cluster.version() {
            self.version += 1;
            let index = usize::try_from(self.version - 1).unwrap_or(usize::MAX);
            let Some(write) = cluster.trace().get(index) else { break };
            self.check_write(cluster, write, known)?;
        }
        while let Some((at, version, note)) = known.told.get(self.told) {
            self.told += 1;
            if let Note::RolledBack { stable, .. } = note {
                check_rolled_back(cluster, *at, *version, stable)?;
            }
        }
        Ok(())
    }

    fn check_write(&mut self, cluster: &Cluster, write: &Write, known: &Known<'_>) -> Checked {
        let ours = &*write.actor == ACTOR;
        if ours {
            self.check_rate(write)?;
        }
        match (write.kind, write.verb) {
            (Kind::StatefulSet, Verb::Update) if ours && *write.name == *self.set => {
                self.check_anchor(cluster, write, known)
            }
            (Kind::StatefulSet, Verb::Create) => {
                (self.left, self.bake) = (None, None);
                Ok(())
            }
            (Kind::StatefulSet, Verb::Update) => {
                let state = |version| {
                    let set = cluster.view_at(version).statefulset(&self.set)?;
                    set.metadata.annotations.get("siskin.dev/state")
                };
                if state(write.version) != state(write.version - 1) {
                    self.state_edited = true;
                }
                Ok(())
            }
            (Kind::Pod, Verb::Create) => self.check_birth(cluster, write),
            (Kind::Pod, Verb::Delete | Verb::Remove) if ours => self.check_delete(cluster, write, known),
            (Kind::Claim, Verb::Delete | Verb::Remove) if ours => self.check_claim(cluster, write),
            (Kind::Service | Kind::EndpointSlice, _) if ours => {
                Err(violation(6, write, "a Service was changed that no policy names".to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// 9: writes are bounded.
    fn check_rate(&mut self, write: &Write) -> Checked {
        self.written.push(write.at);
        let recent = self.written.iter().rev().take_while(|at| **at + 1_000 > write.at).count();
        if recent > BURST {
            return Err(violation(9, write, format!("{recent} writes within a second")));
        }
        Ok(())
    }

    fn check_anchor(&mut self, cluster: &Cluster, write: &Write, known: &Known<'_>) -> Checked {
        let old = cluster.view_at(write.version - 1);
        let new = cluster.view_at(write.version);
        let (Some(old), Some(new)) = (old.statefulset(&self.set), new.statefulset(&self.set)) else {
            return Ok(());
        };
        let before = self.record(old);
        let after = self.record(new);
        let partition = (old.spec.update_strategy.partition(), new.spec.update_strategy.partition());
        let edited = std::mem::take(&mut self.state_edited);
        let left = self.left.replace(partition.1);
        let Some(after) = after else { return Ok(()) };
        if let Some(before) = before.as_ref().filter(|before| after.seq <= before.seq && !edited) {
            return Err(violation(8, write, format!("seq {} was written over {}", after.seq, before.seq)));
        }
        let stable = annotation(new, "stable");
        if stable != annotation(old, "stable") && stable != after.stable.as_ref().map(|stable| &*stable.0) {
            return Err(violation(8, write, "siskin.dev/stable and the state were written apart".to_owned()));
        }
        let open = partition.1 < new.spec.replicas && partition.1 < PARKED;
        let changing =
            matches!(after.phase, Phase::Opening | Phase::Undoing | Phase::Completing | Phase::Installing);
        if open && !changing && (partition.1 < partition.0 || left == Some(partition.0)) {
            return Err(violation(
                2,
                write,
                format!("partition {} in phase {}", partition.1, after.phase.as_str()),
            ));
        }
        if open && partition.1 < partition.0 && after.phase == Phase::Opening {
            if known.frozen {
                return Err(violation(2, write, "a step was opened in a freeze".to_owned()));
            }
            check_opening(cluster, write, new, &after)?;
        }
        if new.spec.replicas != old.spec.replicas && new.spec.replicas < after.user_replicas {
            return Err(violation(4, write, format!("replicas {} below N", new.spec.replicas)));
        }
        if new.spec.template != old.spec.template && after.phase != Phase::Undoing && after.restored.is_none()
        {
            let what = format!("the template was written in phase {}", after.phase.as_str());
            return Err(violation(2, write, what));
        }
        if let Some(before) = before.filter(|_| !edited) {
            self.check_advance(cluster, write, new, (&before, &after), known)?;
        }
        self.note_bake(write.at, &after);
        Ok(())
    }

    /// 3: exposure grows after a whole bake with evidence only, and nothing bad is promoted by checks.
    fn check_advance(
        &self,
        cluster: &Cluster,
        write: &Write,
        set: &StatefulSet,
        (before, after): (&Record, &Record),
        known: &Known<'_>,
    ) -> Checked {
        let (Some(left), Some(entered)) = (&before.rollout, &after.rollout) else { return Ok(()) };
        let completes = after.phase == Phase::Completing && before.phase != Phase::Completing;
        let advances = left.id == entered.id && (entered.step > left.step || completes);
        // `siskin.dev/promote` skips steps, and the rest of a bake.
        let word = format!("promote={}", entered.canary);
        let commanded = before.consumed != after.consumed || after.consumed.contains(&word);
        if !advances || commanded || before.user_replicas != after.user_replicas {
            return Ok(());
        }
        let Some(plan) = plan(left, before, set) else { return Ok(()) };
        let Some(step) = plan.steps.get(left.step) else { return Ok(()) };
        let Some((id, number, began)) = &self.bake else { return Ok(()) };
        if (id, *number) != (&left.id, left.step) {
            return Ok(());
        }
        // Where the pods show more than the step, as after a scale-up, the step that covers them is next.
        let index = |pod: &object::Pod| pod.ordinal().and_then(|it| it.checked_sub(set.spec.ordinals_start));
        let canaries =
            cluster.pods().iter().filter(|pod| *pod.revision() == *left.canary.0).filter_map(index);
        if canaries.min().is_some_and(|lowest| lowest < step.exposure.partition(before.user_replicas)) {
            return Ok(());
        }
        let passed = write.at.saturating_sub(*began) + SLACK_MS;
        if u128::from(passed) < step.bake.as_millis() {
            let what =
                format!("step {} was left {passed} ms after its bake of {:?} began", step.name, step.bake);
            return Err(violation(3, write, what));
        }
        if let Some(silent) = left
            .resolved_policy
            .checks
            .iter()
            .find(|check| known.heard.get(&check.name).is_none_or(|heard| heard < began))
        {
            let what = format!("step {} was left without an answer to the check {}", step.name, silent.name);
            return Err(violation(3, write, what));
        }
        let image = cluster.revisions().get(&left.canary.0).map(|it| it.template.image().to_string());
        if image.as_ref().is_some_and(|image| known.bad.contains(image)) {
            return Err(violation(
                3,
                write,
                format!("{} is bad and step {} was left", left.canary, step.name),
            ));
        }
        Ok(())
    }

    /// A bake that stood still while its exposure was restored goes on.
    fn note_bake(&mut self, at: Millis, record: &Record) {
        let now = record.rollout.as_ref().map(|rollout| (rollout.id.clone(), rollout.step));
        let same = self.bake.as_ref().map(|(id, step, _)| (id.clone(), *step)) == now;
        if !same {
            self.bake = None;
        }
        if let (Phase::Baking, None, Some((id, step))) = (record.phase, &self.bake, now) {
            self.bake = Some((id, step, at));
        }
    }

    /// 1: a pod is made of the stable revision, or of the canary within the step's exposure.
    fn check_birth(&mut self, cluster: &Cluster, write: &Write) -> Checked {
        let view = cluster.view_at(write.version);
        let Some(set) = view.statefulset(&self.set) else { return Ok(()) };
        let Some(pod) = view.pods().find(|pod| pod.metadata.name == write.name) else { return Ok(()) };
        let index = pod.ordinal().and_then(|ordinal| ordinal.checked_sub(set.spec.ordinals_start));
        let Some((index, record)) = index.zip(self.record(set)) else { return Ok(()) };
        if index < record.user_replicas {
            let claims = pod.claims.iter().filter_map(|claim| cluster.claims().get(claim));
            self.users_claims.extend(claims.map(|claim| claim.metadata.uid));
        }
        if self.exposed || annotation(set, "policy").is_none() {
            return Ok(());
        }
        let revision = Revision::from(pod.revision());
        let of = |name: &Revision| view.revisions().find(|it| *it.metadata.name == *name.0);
        let same = |left: &Revision| {
            *left == revision
                || of(left)
                    .zip(of(&revision))
                    .is_some_and(|(left, right)| template::equal(left.template.json(), right.template.json()))
        };
        let current = *set.status.current_revision == *revision.0;
        if record.stable.as_ref().is_none_or(same) || current {
            return Ok(());
        }
        let canary = record.rollout.as_ref().filter(|rollout| same(&rollout.canary));
        let exposed = canary.and_then(|rollout| {
            let plan = plan(rollout, &record, set)?;
            let step = plan.steps.get(rollout.step)?;
            Some(step.exposure.indexes(record.user_replicas).contains(&index))
        });
        let partition = set.spec.update_strategy.partition();
        // A template that comes while a step is open reaches pods until Siskin parks.
        let overtaken = record.phase == Phase::Opening && canary.is_none() && index >= partition;
        // So does a scale-up.
        let overtaken = overtaken || set.spec.replicas != record.expected_replicas() && index >= partition;
        match exposed {
            Some(true) if record.phase == Phase::Opening => Ok(()),
            _ if overtaken
                || matches!(record.phase, Phase::Completing | Phase::Undoing) && index >= partition =>
            {
                Ok(())
            }
            _ => {
                let what = format!(
                    "{} was made of {revision} in phase {}, partition {partition}",
                    write.name,
                    record.phase.as_str()
                );
                Err(violation(1, write, what))
            }
        }
    }

    fn check_delete(&mut self, cluster: &Cluster, write: &Write, known: &Known<'_>) -> Checked {
        let old = cluster.view_at(write.version - 1);
        let Some(set) = old.statefulset(&self.set) else { return Ok(()) };
        let Some(pod) = old.pods().find(|pod| pod.metadata.name == write.name) else { return Ok(()) };
        let Some(record) = self.record(set) else { return Ok(()) };
        if pod.metadata.controller().is_none_or(|owner| owner.uid != set.metadata.uid) {
            return Err(violation(6, write, format!("{} is not of this StatefulSet", write.name)));
        }
        let partition = set.spec.update_strategy.partition();
        let parks = record.goes_forward() || record.phase == Phase::Reverting;
        if parks && partition < set.spec.replicas && self.left == Some(partition) {
            return Err(violation(1, write, format!("{} was deleted before parking", write.name)));
        }
        let index = |pod: &object::Pod| pod.ordinal().and_then(|it| it.checked_sub(set.spec.ordinals_start));
        let of_the_user = |pod: &object::Pod| index(pod).is_some_and(|index| index < record.user_replicas);
        if !pod.ready() || !of_the_user(pod) || self.exposed {
            return Ok(());
        }
        if record.stable.as_ref().is_some_and(|stable| *stable.0 == *pod.revision()) {
            return Err(violation(5, write, format!("{} is ready and stable, and was deleted", write.name)));
        }
        let Some(rollout) = record.rollout.as_ref().filter(|_| !known.pods_are_old) else { return Ok(()) };
        let bound = rollout.resolved_policy.bounds.max_unavailable.of(record.user_replicas);
        let shown = cluster.view_at(known.pods_shown);
        let seen: BTreeSet<object::Uid> =
            shown.pods().filter(|pod| pod.ready()).map(|pod| pod.metadata.uid).collect();
        let others = old.pods().filter(|other| {
            other.metadata.uid != pod.metadata.uid
                && of_the_user(other)
                && !other.metadata.terminating()
                && (other.ready() || seen.contains(&other.metadata.uid))
        });
        let ready = u32::try_from(others.count()).unwrap_or(u32::MAX);
        if ready + bound < record.user_replicas {
            let what = format!("{} was deleted, {ready} of {} are left", write.name, record.user_replicas);
            return Err(violation(5, write, what));
        }
        Ok(())
    }

    /// 6: only claims that were made for the rollout's extra pods are deleted.
    fn check_claim(&self, cluster: &Cluster, write: &Write) -> Checked {
        let old = cluster.view_at(write.version - 1);
        let Some(claim) = old.claims().find(|claim| claim.metadata.name == write.name) else { return Ok(()) };
        if self.users_claims.contains(&claim.metadata.uid) {
            return Err(violation(6, write, format!("the claim {} is the user's", write.name)));
        }
        Ok(())
    }

    /// The state of a StatefulSet, read once.
    fn record(&mut self, set: &StatefulSet) -> Option<Record> {
        let text = annotation(set, "state")?;
        match &self.read {
            Some((known, record)) if known == text => record.clone(),
            _ => {
                let record: Option<Record> = serde_json::from_str(text).ok();
                self.read = Some((text.to_owned(), record.clone()));
                record
            }
        }
    }
}

fn annotation<'a>(set: &'a StatefulSet, name: &str) -> Option<&'a str> {
    set.metadata.annotations.get(&format!("{PREFIX}{name}")).map(String::as_str)
}

fn plan(rollout: &Rollout, record: &Record, set: &StatefulSet) -> Option<Plan> {
    compile_rollout(rollout, record.user_replicas, !set.spec.claim_templates.is_empty()).ok()
}

fn violation(invariant: u8, write: &Write, what: String) -> Violation {
    Violation { invariant, at: write.at, what }
}

/// 2: a step is opened for the revision that the state names, and no further than the step goes.
fn check_opening(cluster: &Cluster, write: &Write, new: &StatefulSet, after: &Record) -> Checked {
    let Some(rollout) = &after.rollout else { return Ok(()) };
    let canary = cluster.view_at(write.version).revisions().find(|it| *it.metadata.name == *rollout.canary.0);
    let names_it =
        canary.is_some_and(|canary| template::equal(canary.template.json(), new.spec.template.json()));
    if !names_it {
        return Err(violation(
            2,
            write,
            "a step was opened for another template than the canary's".to_owned(),
        ));
    }
    let lowest = plan(rollout, after, new).and_then(|plan| {
        let step = plan.steps.get(rollout.step)?;
        Some(step.exposure.partition(after.user_replicas))
    });
    let partition = new.spec.update_strategy.partition();
    if lowest.is_some_and(|lowest| partition < lowest) {
        return Err(violation(2, write, format!("opened to {partition}, the step goes to {lowest:?}")));
    }
    Ok(())
}

/// 12: said to be rolled back, every pod is stable.
fn check_rolled_back(cluster: &Cluster, at: Millis, version: u64, stable: &Revision) -> Checked {
    let view = cluster.view_at(version);
    let of = |name: &str| view.revisions().find(|it| *it.metadata.name == *name);
    let is_stable = |revision: &str| {
        revision == stable.0
            || of(revision)
                .zip(of(&stable.0))
                .is_some_and(|(left, right)| template::equal(left.template.json(), right.template.json()))
    };
    let wrong = view.pods().find(|pod| !is_stable(pod.revision()));
    match wrong {
        Some(pod) => Err(Violation {
            invariant: 12,
            at,
            what: format!("rolled back is said, and {} is on {}", pod.metadata.name, pod.revision()),
        }),
        None => Ok(()),
    }
}

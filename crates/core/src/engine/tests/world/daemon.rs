//! The daemon in the small world: facts for the engine, and its decisions carried out.

use std::time::Duration;

use super::{SimPod, World};
use crate::{
    checks::{Outcome, Verdict, Verdicts},
    command::Command,
    decision::{AnchorPatch, Decision, Note, Write},
    engine::step,
    facts::{Detail, Facts, PolicyFact, Writer},
    references::of_workload,
    time::{Instant, Now},
};

impl World {
    pub(super) fn engine(&mut self) {
        for _ in 0..20 {
            let facts = self.facts();
            let commands = Command::read(&self.sts);
            let verdicts = self.verdicts();
            let now = Now { mono: Instant(Duration::from_millis(self.at)), wall: self.wall() };
            let decision = step(&self.state, &facts, &self.peers, &verdicts, &commands, now);
            self.wake = decision.wake;
            self.problem = decision.problem.as_ref().map(|problem| problem.reason);
            if !self.act(decision) {
                return;
            }
        }
        panic!("the engine writes without end: {:?}", self.told);
    }

    /// What the engine sees.
    pub fn facts(&self) -> Facts {
        let policy = if self.annotation("policy").is_some() { self.policy.clone() } else { PolicyFact::None };
        let detail = self.observe.detail.then(|| Detail {
            // Those of an object from before are the new one's own when its controller has come by.
            pods: if self.sts.observed_generation == 0 {
                Vec::new()
            } else {
                let live = || self.pods.iter().map(|sim| sim.pod.clone()).collect();
                self.old_pods.clone().unwrap_or_else(live)
            },
            revisions: self.revisions.clone(),
            claims: self.claims.clone(),
            claims_read: Some(self.wall()),
            refusal: self
                .observe
                .refusals
                .then(|| "exceeded quota: pods".to_owned())
                .filter(|_| self.quota.is_some()),
            may_delete_claims: self.may_delete_claims,
            autoscaler: self.observe.autoscaler.then(|| self.autoscaler.clone()),
        });
        let hold = self.observe.hold.then(|| self.is_held());
        let guard = self.guarded.then(|| self.list.clone().unwrap_or_default());
        let rules = self.rules.clone();
        let configuration = self.configuration.as_ref().map(|known| {
            let references = of_workload(self.state.record.as_ref(), &self.sts, detail.as_ref());
            references.into_iter().map(|it| (it.clone(), known.get(&it).copied())).collect()
        });
        Facts { workload: self.sts.clone(), policy, rules, detail, hold, guard, configuration }
    }

    fn verdicts(&self) -> Verdicts {
        let Some((rollout, _)) = self.state.judged() else {
            return Verdicts::default();
        };
        let pods: Vec<&SimPod> = self
            .pods
            .iter()
            .filter(|sim| !sim.pod.terminating && sim.pod.revision.as_ref() == Some(&rollout.canary))
            .collect();
        let version = rollout.canary.0.trim_start_matches("db-");
        let late = pods.iter().any(|sim| !sim.pod.ready && self.at > sim.born + 3000);
        let readiness = if late {
            Outcome::Fail
        } else if pods.is_empty() || pods.iter().any(|sim| !sim.pod.ready) {
            Outcome::Undecided
        } else {
            Outcome::Pass
        };
        let ready = pods.iter().any(|sim| sim.pod.ready);
        let errors = match (ready, self.failing.contains(version)) {
            (false, _) => Outcome::Undecided,
            (true, true) => Outcome::Fail,
            (true, false) => Outcome::Pass,
        };
        let errors = if self.silent && ready { Outcome::NoData } else { errors };
        let verdict = |check: &str, outcome| Verdict {
            check: check.to_owned(),
            enforced: true,
            outcome,
            evidence: match outcome {
                Outcome::NoData => format!("nothing until {}s", self.at / 1000),
                _ => "as the world says".to_owned(),
            },
        };
        Verdicts(vec![verdict("readiness", readiness), verdict("errors", errors)])
    }

    /// Carries a decision out; true if there was something to write.
    fn act(&mut self, decision: Decision) -> bool {
        let wrote = !decision.writes.is_empty();
        let closer = decision.observe.detail && !self.observe.detail
            || decision.observe.autoscaler && !self.observe.autoscaler
            || decision.observe.hold;
        self.observe = decision.observe;
        self.asked_for_hold.extend(self.observe.hold.then_some(self.at));
        self.state.memory.refusal = None;
        for (index, write) in decision.writes.into_iter().enumerate() {
            assert!(index == 0 || !matches!(write, Write::Anchor(_)), "the anchor's write is the first");
            if let (true, Write::DeletePod { uid, .. }) = (self.deletes_denied, &write) {
                if index > 0 {
                    self.state = decision.state;
                }
                self.state.memory.deleted.remove(uid);
                return false;
            }
            if self.lists_denied && matches!(write, Write::Guard { .. }) {
                if index > 0 {
                    self.state = decision.state;
                }
                return false;
            }
            self.writes += 1;
            if self.late.takes(self.writes) {
                self.late.sent(self.at, write);
                self.restart();
                return false;
            }
            self.write(write);
            if self.die_after == Some(self.writes) {
                self.die_after = None;
                self.restart();
                return false;
            }
        }
        if self.answers_lost && wrote && self.writes.is_multiple_of(2) {
            self.state.read_again(&self.sts);
            return true;
        }
        let refusal = self.state.memory.refusal.take();
        self.check_advance(&decision.state);
        self.state = decision.state;
        if self.unlabelled {
            self.state.memory.labels_after =
                Some(Instant(Duration::from_millis(self.at) + Duration::from_secs(30)));
        }
        if let Some(what) = refusal {
            self.state.refused(what);
        }
        if decision.notes.iter().any(|note| matches!(note, Note::RolledBack { .. })) {
            self.check_rolled_back();
        }
        self.told.extend(decision.notes);
        wrote || closer
    }

    /// Rolled back is said only when every pod is on the stable revision and ready.
    fn check_rolled_back(&self) {
        let stable = self.annotation("stable").map_or("none", |stable| stable.trim_start_matches("db-"));
        assert_eq!(self.pods(), vec![stable; self.user_replicas() as usize], "rolled back: {:?}", self.told);
    }

    pub(super) fn write(&mut self, write: Write) {
        match write {
            Write::Anchor(patch) => self.patch(&patch),
            Write::Verdict { revision, verdict, rollout, .. } => {
                let known =
                    self.revisions.iter_mut().find(|known| known.name == revision).expect("a revision");
                known.verdict = Some(verdict);
                known.rollout = Some(rollout);
                known.resource_version += "'";
            }
            Write::DeletePod { name, uid } => {
                let at = self.at;
                if let Some(sim) = self.pods.iter_mut().find(|sim| sim.pod.name == name && sim.pod.uid == uid)
                {
                    sim.pod.terminating = true;
                    sim.gone_at.get_or_insert(at + 300);
                }
            }
            Write::LabelPod { .. } if self.unlabelled => {}
            Write::LabelPod { name, uid, role } => {
                self.labels_written += 1;
                if let Some(sim) = self.pods.iter_mut().find(|sim| sim.pod.name == name && sim.pod.uid == uid)
                {
                    sim.pod.role = role.map(|role| role.as_str().to_owned());
                }
            }
            Write::DeleteClaim { name, uid } => {
                let claim = self.claims.iter_mut().find(|claim| claim.name == name && claim.uid == uid);
                let claim = claim.expect("a claim");
                assert!(!self.users_claims.contains(&claim.uid), "{name} is the user's");
                claim.terminating = true;
            }
            Write::Guard { resource_version, allowed } => {
                assert!(self.guarded, "this installation keeps no lists");
                let known = self.list.as_ref().and_then(|list| list.resource_version.clone());
                assert_eq!(resource_version, known, "the world has no stale reads");
                self.write_list(allowed);
            }
            Write::DeleteGuard { resource_version } => {
                let list = self.list.take().expect("a list");
                assert_eq!(list.resource_version, Some(resource_version), "the world has no stale reads");
            }
        }
    }

    fn patch(&mut self, patch: &AnchorPatch) {
        assert_eq!(patch.resource_version, self.sts.resource_version, "the world has no stale reads");
        for (name, value) in &patch.annotations {
            match value {
                Some(value) => self.sts.annotations.insert(name.clone(), value.clone()),
                None => self.sts.annotations.remove(name),
            };
        }
        if let Some(replicas) = patch.replicas {
            self.sts.replicas = replicas;
            self.sts.replicas_writer = Writer::Siskin;
        }
        if let Some(partition) = patch.partition {
            self.sts.partition = partition;
        }
        if let Some(template) = &patch.template {
            self.sts.template = template.wanted.clone();
        }
        if patch.replicas.is_some() || patch.partition.is_some() || patch.template.is_some() {
            self.sts.generation += 1;
        }
        if let Some(admission) = self.admission {
            admission(&mut self.sts);
        }
        self.bump();
        self.state.memory.refusal = patch.mismatch(&self.sts);
        assert!(self.admission.is_some() || self.state.memory.refusal.is_none());
    }
}

//! The one engine: runs steps forward, holds, and walks back.
//!
//! [`step`] looks at what is, not at what happened: it can be called at any time, any number of times, after any
//! restart. It computes the partition and the replicas that the present phase wants; where the live object
//! differs, the decision's one anchor patch brings them there together with the state.

mod adopt;
mod autoscaler;
mod back;
mod claims;
mod commands;
mod complete;
mod configuration;
mod doubt;
mod forgotten;
mod forward;
mod guard;
mod labels;
mod leave;
mod observe;
mod obstacle;
mod partition;
mod refused;
mod replicas;
mod rest;
mod turn;
mod waiting;

#[cfg(test)]
mod tests;

use crate::{
    checks::{ProbePlan, Verdicts},
    command::Command,
    decision::Decision,
    facts::{Detail, Facts, Pod, PolicyFact, Revision},
    group::MemberFacts,
    state::{Phase, Record, Rollout, State, Trial},
    time::Now,
};
use turn::Turn;

/// Decides what to do next for one workload.
///
/// `verdicts` are those of the open rollout's checks on the pods in `facts`; `commands` come from
/// [`Command::read`] on the same workload.
pub fn step(
    state: &State,
    facts: &Facts,
    peers: &[MemberFacts],
    verdicts: &Verdicts,
    commands: &[Command],
    now: Now,
) -> Decision {
    if facts.workload.deleting {
        return Decision { state: state.clone(), ..Decision::default() };
    }
    let verdicts = configuration::marked(state.record.as_ref(), facts, verdicts);
    let mut turn = Turn::new(state, facts, peers, &verdicts, commands, now);
    match (&facts.policy, state.record.is_some()) {
        (PolicyFact::None, false) => drop(turn.drop_guard()),
        (PolicyFact::None, true) => turn.leave(),
        (_, false) if turn.only_observes() => turn.observe_only(),
        (_, false) => turn.opt_in(),
        (_, true) if turn.is_let_go() => turn.leave(),
        (_, true) => turn.engaged(),
    }
    turn.finish()
}

/// The canary pods and the stable pods of the rollout that is judged, terminating ones left out.
pub fn sides<'a>(state: &State, detail: &'a Detail) -> (Vec<&'a Pod>, Vec<&'a Pod>) {
    let Some((rollout, stable)) = state.judged() else { return (Vec::new(), Vec::new()) };
    sides_of(rollout, stable, detail)
}

fn sides_of<'a>(
    rollout: &Rollout,
    stable: Option<&Revision>,
    detail: &'a Detail,
) -> (Vec<&'a Pod>, Vec<&'a Pod>) {
    let of = |revision: Option<&crate::facts::Revision>| {
        detail
            .pods
            .iter()
            .filter(|pod| !pod.terminating && pod.revision.as_ref() == revision)
            .collect::<Vec<_>>()
    };
    let stable = stable.map_or_else(Vec::new, |stable| of(Some(stable)));
    (of(Some(&rollout.canary)), stable)
}

impl Turn<'_> {
    /// One step of a workload that is looked after.
    fn engaged(&mut self) {
        self.note_deliveries();
        self.follow_replicas();
        if !self.supported() || !self.can_be_planned() {
            self.record_mut().waiting = None;
            return;
        }
        let refusal = self.memory.refusal.take();
        if self.quiet_after_refusal() {
            return;
        }
        if let Some(what) = refusal {
            self.pause_refused(&what);
            return;
        }
        self.follow_pause();
        if !self.stable_agrees() {
            return;
        }
        self.note_partition();
        if !self.record().in_rollout() {
            self.report_what_stands_against_rollouts();
        }
        self.follow_configuration();
        self.act_on_commands();
        match self.record().phase {
            Phase::OptingIn => self.look(),
            Phase::Installing => self.install(),
            Phase::Idle => self.rest(),
            Phase::Opening | Phase::Baking | Phase::AwaitingApproval => self.forward(),
            Phase::Completing => self.complete(),
            Phase::Reverting => self.revert(),
            Phase::Undoing => self.undo(),
        }
        self.label_pods();
    }

    /// What to probe in the phase that this step leads to.
    fn probe_plan(&self) -> ProbePlan {
        let Some(detail) = self.detail else { return ProbePlan::default() };
        let trial = self.memory.observed.as_ref().and_then(|observed| observed.trial.as_ref());
        let (rollout, stable) = match (&self.record, trial) {
            (
                Some(Record {
                    phase: Phase::Opening | Phase::Baking | Phase::AwaitingApproval,
                    rollout: Some(rollout),
                    stable,
                    ..
                }),
                _,
            ) => (rollout, stable.as_ref()),
            (None, Some(Trial { rollout, stable })) => (rollout, Some(stable)),
            _ => return ProbePlan::default(),
        };
        let (canary, stable) = sides_of(rollout, stable, detail);
        let stable: Vec<&Pod> = stable.into_iter().filter(|pod| pod.ready).collect();
        let canary: Vec<&Pod> =
            canary.into_iter().filter(|pod| pod.ready || self.memory.seen_ready.contains(&pod.uid)).collect();
        crate::checks::plan(&rollout.resolved_policy, &canary, &stable)
    }
}

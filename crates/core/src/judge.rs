//! The checks of the open rollout: they live as long as it does. Whoever drives the engine keeps a [`Judge`] and feeds it
//! what the pods and sources answer.

use crate::{
    checks::{Checks, Names, Outcome, PlannedQuery, Sample, Verdicts},
    engine,
    facts::{Detail, Workload},
    policy::Policy,
    state::State,
    time::Instant,
};

/// The checks, and what they said last.
#[derive(Debug, Default)]
pub struct Judge {
    open: Option<Open>,
    said: Vec<Outcome>,
}

#[derive(Debug)]
struct Open {
    rollout: String,
    policy: Policy,
    checks: Checks,
}

impl Judge {
    /// Shows the checks the pods as they are and asks them; `state` gets what a restart must know of them.
    pub fn hear(&mut self, state: &mut State, detail: Option<&Detail>, now: Instant) -> Verdicts {
        self.follow(state);
        let verdicts = match &mut self.open {
            Some(open) => {
                if let Some(detail) = detail {
                    let (canary, stable) = engine::sides(state, detail);
                    open.checks.observe(&canary, &stable, now);
                }
                state.memory.checkpoint = open.checks.checkpoint(now);
                open.checks.verdicts(now)
            }
            None => Verdicts::default(),
        };
        self.said = outcomes(&verdicts);
        verdicts
    }

    /// What the sources are to be asked in the rollout that is open in `state`.
    pub fn queries(&self, state: &State, workload: &Workload, now: Instant) -> Vec<PlannedQuery> {
        let (Some(open), Some((rollout, stable))) = (&self.open, state.judged()) else { return Vec::new() };
        if open.rollout != rollout.id {
            return Vec::new();
        }
        let names = Names {
            namespace: &workload.namespace,
            workload: &workload.name,
            canary: &rollout.canary,
            stable,
        };
        open.checks.queries(&names, now)
    }

    /// Takes an answer; without a rollout nobody waits for it.
    pub fn take(&mut self, sample: Sample) {
        if let Some(open) = &mut self.open {
            open.checks.sample(sample);
        }
    }

    /// Whether a check says something else than when it was last heard.
    pub fn has_news(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|open| outcomes(&open.checks.verdicts(now)) != self.said)
    }

    /// Another rollout, or another copy of its policy, is judged by other checks.
    fn follow(&mut self, state: &mut State) {
        let rollout = state.judged().map(|(rollout, _)| rollout);
        let same = match (&self.open, rollout) {
            (Some(open), Some(rollout)) => {
                open.rollout == rollout.id && open.policy == rollout.resolved_policy
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        self.open = rollout.map(|rollout| Open {
            rollout: rollout.id.clone(),
            policy: rollout.resolved_policy.clone(),
            checks: Checks::resume(&rollout.resolved_policy, &rollout.checks),
        });
        state.memory.checkpoint.clear();
    }
}

fn outcomes(verdicts: &Verdicts) -> Vec<Outcome> {
    verdicts.0.iter().map(|verdict| verdict.outcome).collect()
}

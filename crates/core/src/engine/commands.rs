//! Commands: each names what it means and acts once.

use super::turn::Turn;
use crate::{
    command::Command,
    decision::Note,
    facts::{Revision, RevisionVerdict},
    state::{Cause, Phase},
};

/// How many consumed commands are remembered.
const REMEMBERED: usize = 12;

/// What became of a command.
enum Taken {
    /// It acted.
    Yes(String),
    /// It matched nothing.
    No(String),
    /// It can't be judged yet; it stays.
    Later,
}

impl Turn<'_> {
    /// Lets the commands act, in their order. A consumed or unmatched value is removed once and ignored if it returns,
    /// as it does when it is kept in Git.
    pub(super) fn act_on_commands(&mut self) {
        for command in self.commands {
            let key = command.to_string();
            if self.record().consumed.contains(&key) {
                continue;
            }
            let taken = match command {
                Command::Abort(id) => self.abort(id),
                Command::Undo(id) => self.undo_by_command(id),
                Command::Retry(id) => self.retry(id),
                Command::Promote(revision) => self.promote_by_command(revision),
                Command::Approve { revision, step, user } => self.approve(revision, step, user),
                Command::Malformed { name, value, expected } => {
                    Taken::No(format!("siskin.dev/{name} is `{value}`; expected {expected}"))
                }
            };
            let note = match taken {
                Taken::Yes(text) => Note::CommandTaken(text),
                Taken::No(text) => Note::CommandIgnored(text),
                Taken::Later => continue,
            };
            self.say(note);
            self.annotations.insert(command.name().to_owned(), None);
            let consumed = &mut self.record_mut().consumed;
            consumed.push(key);
            let excess = consumed.len().saturating_sub(REMEMBERED);
            consumed.drain(..excess);
        }
    }

    /// From now on a person's word leads out. One that came too early is the very one that does.
    pub(super) fn listen_for_promote(&mut self) {
        self.record_mut().consumed.retain(|command| !command.starts_with("promote="));
    }

    /// The open rollout goes forward and has this id.
    fn goes_forward(&self, id: &str) -> bool {
        matches!(self.record().phase, Phase::Opening | Phase::Baking | Phase::AwaitingApproval)
            && self.rollout().id == id
    }

    fn abort(&mut self, id: &str) -> Taken {
        if !self.goes_forward(id) {
            return Taken::No(format!("abort: rollout {id} is not going forward"));
        }
        if !self.need_detail() {
            return Taken::Later;
        }
        self.go_back(Cause::Aborted, "aborted".to_owned());
        Taken::Yes(format!("rollout {id} aborted"))
    }

    fn undo_by_command(&mut self, id: &str) -> Taken {
        let open = self.record().rollout.as_ref().is_some_and(|rollout| rollout.id == id);
        if !open || matches!(self.record().phase, Phase::Completing | Phase::Undoing) {
            return Taken::No(format!("undo: rollout {id} is not open"));
        }
        if !self.need_detail() {
            return Taken::Later;
        }
        if self.completed() {
            let (cause, why) = self
                .rollout()
                .back
                .as_ref()
                .map_or((Cause::Aborted, "undone by command".to_owned()), |back| {
                    (back.cause, back.detail.clone())
                });
            self.begin_undo(cause, why);
        } else if self.record().phase != Phase::Reverting {
            self.go_back(Cause::Aborted, "undone by command".to_owned());
        }
        Taken::Yes(format!("rollout {id} is being undone"))
    }

    fn retry(&mut self, id: &str) -> Taken {
        if self.record().phase != Phase::Idle {
            return Taken::Later;
        }
        let Some(update) = self.workload.update_revision.clone() else { return Taken::Later };
        if !self.need_detail() || !self.observed() {
            return Taken::Later;
        }
        let rejected = self.detail.is_some_and(|detail| {
            detail.revisions.iter().any(|revision| {
                revision.rollout.as_deref() == Some(id)
                    && revision.verdict == Some(RevisionVerdict::Rejected)
                    && self.same_template(&revision.name, &update)
            })
        });
        if !rejected {
            return Taken::No(format!(
                "retry: the template now wanted is not the one that rollout {id} rejected"
            ));
        }
        self.start(&update);
        if self.record().phase == Phase::Idle {
            return Taken::Later;
        }
        Taken::Yes(format!("{update} is tried again"))
    }

    fn promote_by_command(&mut self, revision: &Revision) -> Taken {
        match self.record().phase {
            Phase::Opening | Phase::Baking | Phase::AwaitingApproval
                if self.rollout().canary == *revision =>
            {
                let Some(plan) = self.plan() else { return Taken::Later };
                let step = self.rollout().step;
                let last = plan.steps.len().saturating_sub(1);
                let target = plan.steps.iter().position(|step| step.remainder).unwrap_or(last);
                if step < target {
                    self.enter_step(target);
                    Taken::Yes(format!("{revision}: the remaining steps are skipped; the remainder follows"))
                } else {
                    let bake = plan
                        .steps
                        .get(step)
                        .map_or(0, |step| u64::try_from(step.bake.as_millis()).unwrap_or(0));
                    self.rollout_mut().bake_done_ms = bake;
                    Taken::Yes(format!(
                        "{revision}: the rest of this bake is skipped; it goes on as soon as every check passes"
                    ))
                }
            }
            phase if phase == Phase::Installing || phase == Phase::OptingIn && self.paused() => {
                self.name_stable(revision)
            }
            // The one that was named before may turn out bad, and its pods never ready.
            Phase::Reverting | Phase::Undoing
                if self.cause() == Cause::MixedRevisions
                    && self.record().stable.as_ref() != Some(revision) =>
            {
                self.name_stable(revision)
            }
            Phase::Idle if self.record().forgotten.as_ref() == Some(revision) => {
                if !self.need_detail() {
                    return Taken::Later;
                }
                let record = self.record_mut();
                record.stable = Some(revision.clone());
                record.forgotten = None;
                self.say(Note::Adopted(revision.clone()));
                self.bring_to_stable();
                Taken::Yes(format!("{revision} is the stable revision"))
            }
            _ => Taken::No(format!("promote: {revision} is not being judged")),
        }
    }

    /// A person's word on which revision is the stable one.
    fn name_stable(&mut self, revision: &Revision) -> Taken {
        if !self.need_detail() {
            return Taken::Later;
        }
        if !self.can_be_named_stable(revision) {
            return Taken::No(format!(
                "promote: {revision} is neither the current nor the update revision, and no pod runs it"
            ));
        }
        let record = self.record_mut();
        record.stable = Some(revision.clone());
        record.rollout = None;
        self.lift_own_pause();
        self.bring_to_stable();
        Taken::Yes(format!("{revision} is the stable revision"))
    }

    fn approve(&mut self, revision: &Revision, step: &str, user: &str) -> Taken {
        let no = format!("approve: no gate waits for {revision}/{step}");
        if self.record().phase != Phase::AwaitingApproval || self.rollout().canary != *revision {
            return Taken::No(no);
        }
        if !self.need_detail() || !self.may_pass_gate() {
            return Taken::Later;
        }
        let Some(plan) = self.plan() else { return Taken::Later };
        if plan.steps.get(self.rollout().step).is_none_or(|waiting| waiting.name != step) {
            return Taken::No(no);
        }
        let next = self.rollout().step + 1;
        if next >= plan.steps.len() && !self.verdict_is_written(revision, RevisionVerdict::Stable) {
            // The write that promotes comes after the verdict; a command that is taken doesn't come again.
            return Taken::Later;
        }
        self.say(Note::Approved { step: step.to_owned(), user: user.to_owned() });
        if next < plan.steps.len() {
            self.enter_step(next);
        } else {
            // The last step: its gate is passed, the bake is done, what remains is to promote.
            self.advance(&plan);
        }
        Taken::Yes(format!("step {step} of {revision} approved by {user}"))
    }
}

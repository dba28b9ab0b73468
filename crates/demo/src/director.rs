//! Who does what when: goes through the acts of a scenario as their moments come.

use std::time::Duration;

use crate::{
    application::{NAME, image},
    scenario::{Act, Cue, Deed, Scenario},
    scene::Scene,
};

/// How long nothing new may begin or end until a story is given up: longer than any of them takes.
const PATIENCE: Duration = Duration::from_mins(10);

/// How long a moment lasts before the deed, so that it can be seen.
const PAUSE: Duration = Duration::from_secs(4);

/// Where a story stands.
#[derive(Debug)]
pub struct Director {
    acts: &'static [Act],
    /// Since when the moment of the next act has been there.
    since: Option<Duration>,
    /// When the last act was.
    last: Duration,
    /// Ends of rollouts that were there before the last release; it has ended when there are more.
    ended: Option<usize>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    Wait,
    /// This.
    Do(Deed),
    /// The story is at its end.
    End,
    /// The story has come to nothing.
    Stuck,
}

impl Director {
    /// At the beginning of a story.
    pub fn new(scenario: &Scenario) -> Self {
        Self { acts: scenario.acts, since: None, last: Duration::ZERO, ended: None }
    }

    /// What is to be done now that the cluster shows this; `ends` rollouts have ended so far.
    pub fn turn(&mut self, scene: &Scene, ends: usize) -> Turn {
        let is_over = self.ended.is_none_or(|before| ends > before);
        let cue = self.acts.first().map_or(Cue::Rest, |act| act.cue);
        let has_come = match cue {
            Cue::Rest => scene.rests() && is_over,
            Cue::In(phase, step) => {
                let at = |rollout: &siskin_core::state::Rollout| rollout.step >= step;
                scene.record.as_ref().is_some_and(|record| record.phase == phase)
                    && scene.rollout().is_some_and(at)
            }
        };
        if !has_come {
            self.since = None;
            let stuck = scene.passed.saturating_sub(self.last) > PATIENCE;
            return if stuck { Turn::Stuck } else { Turn::Wait };
        }
        if scene.passed.saturating_sub(*self.since.get_or_insert(scene.passed)) < PAUSE {
            return Turn::Wait;
        }
        let Some((act, rest)) = self.acts.split_first() else { return Turn::End };
        self.acts = rest;
        (self.since, self.last) = (None, scene.passed);
        if matches!(act.deed, Deed::Release(_)) {
            self.ended = Some(ends);
        }
        Turn::Do(act.deed)
    }

    /// What people are about to do.
    pub fn upcoming(&self) -> Option<String> {
        self.acts.first().map(|act| said(act.deed))
    }
}

/// What a person would type.
pub fn said(deed: Deed) -> String {
    match deed {
        Deed::Release(tag) => format!("kubectl set image statefulset/{NAME} {NAME}={}", image(tag)),
        Deed::Approve => format!("siskin approve {NAME}"),
        Deed::Abort => format!("siskin abort {NAME}"),
        Deed::Kill => "kill the daemon, and start another one".to_owned(),
    }
}

//! What each release did.

use std::{collections::BTreeSet, time::Duration};

use siskin_core::state::{Back, Record, Rollout};

use crate::{
    scenario::Ending,
    scene::{Scene, Traffic},
    text::{Line, Tone, seconds, thousands},
};

/// All releases so far.
#[derive(Debug, Default)]
pub struct Summary {
    releases: Vec<Release>,
    /// The pods that were there at the last look.
    pods: BTreeSet<String>,
}

/// A release, and what came of it.
#[derive(Debug)]
pub struct Release {
    rollout: String,
    image: String,
    began: Duration,
    end: Option<End>,
    back: Option<Back>,
    /// What clients had met when it began, and since.
    before: Traffic,
    met: Traffic,
    /// The pods there were when it began.
    there: BTreeSet<String>,
    /// Pods that were made in the place of others.
    replaced: BTreeSet<String>,
    /// Extra pods.
    extra: BTreeSet<String>,
}

#[derive(Debug)]
struct End {
    at: Duration,
    /// In the words of the history.
    how: String,
}

impl Summary {
    /// Takes in what the cluster shows.
    pub fn follow(&mut self, scene: &Scene) {
        let Some(record) = &scene.record else { return };
        if let Some(rollout) = &record.rollout
            && self.releases.iter().all(|release| release.rollout != rollout.id)
        {
            self.releases.push(Release::new(scene, rollout, std::mem::take(&mut self.pods)));
        }
        for release in self.releases.iter_mut().filter(|release| release.end.is_none()) {
            release.follow(scene, record);
        }
        self.pods = scene.pods.iter().map(|shown| shown.pod.uid.0.clone()).collect();
    }

    /// How many releases have ended.
    pub fn ended(&self) -> usize {
        self.releases.iter().filter(|release| release.end.is_some()).count()
    }

    /// Whether the releases ended in this way.
    pub fn is(&self, endings: &[Ending]) -> bool {
        let fits = |(release, ending): (&Release, &Ending)| release.is(*ending);
        self.releases.len() == endings.len() && self.releases.iter().zip(endings).all(fits)
    }

    /// For people.
    pub fn lines(&self) -> Vec<Line> {
        let width = self.releases.iter().map(|release| release.image.len()).max().unwrap_or(0) + 2;
        self.releases.iter().flat_map(|release| release.lines(width)).collect()
    }
}

impl Release {
    fn new(scene: &Scene, rollout: &Rollout, there: BTreeSet<String>) -> Self {
        Self {
            rollout: rollout.id.clone(),
            image: scene.image(&rollout.canary).to_owned(),
            began: scene.passed,
            end: None,
            back: None,
            before: scene.traffic,
            met: Traffic::default(),
            there,
            replaced: BTreeSet::new(),
            extra: BTreeSet::new(),
        }
    }

    fn follow(&mut self, scene: &Scene, record: &Record) {
        self.met = scene.traffic.since(self.before);
        for shown in scene.pods.iter().filter(|shown| !self.there.contains(&shown.pod.uid.0)) {
            let is_extra = shown.pod.ordinal >= record.user_replicas;
            let made = if is_extra { &mut self.extra } else { &mut self.replaced };
            made.insert(shown.pod.uid.0.clone());
        }
        if let Some(rollout) = record.rollout.as_ref().filter(|rollout| rollout.id == self.rollout) {
            self.back.clone_from(&rollout.back);
        }
        let past = record.history.iter().find(|past| past.id == self.rollout);
        self.end = past.map(|past| End { at: scene.passed, how: past.end.clone() });
    }

    fn is(&self, ending: Ending) -> bool {
        let Some(end) = &self.end else { return false };
        match (ending, &self.back) {
            (Ending::Promoted, None) => end.how == "promoted",
            (Ending::RolledBack(cause, text), Some(back)) => {
                end.how.starts_with("rolled back") && back.cause == cause && back.detail.contains(text)
            }
            _ => false,
        }
    }

    fn lines(&self, width: usize) -> [Line; 2] {
        let (tone, how) = match (&self.end, &self.back) {
            (None, _) => (Tone::Open, "not at its end".to_owned()),
            (Some(End { at, .. }), Some(back)) => {
                let after = seconds(at.saturating_sub(self.began));
                (Tone::Bad, format!("rolled back after {after}: {}", back.detail))
            }
            (Some(End { at, how }), None) => {
                (Tone::Good, format!("{how} after {}", seconds(at.saturating_sub(self.began))))
            }
        };
        let Traffic { sent, failed, lost } = self.met;
        let [sent, failed, lost] = [sent, failed, lost].map(thousands);
        let (replaced, extra) = (self.replaced.len(), self.extra.len());
        let cost = format!(
            "{sent} requests meanwhile, of which {failed} failed and {lost} met nobody; pods made: {replaced} in place, {extra} extra"
        );
        let line =
            |tone, name: &str, text: &str| Line::new(tone, format!("{name:<width$}{text}")).indented(width);
        [line(tone, &self.image, &how), line(Tone::Plain, "", &cost)]
    }
}

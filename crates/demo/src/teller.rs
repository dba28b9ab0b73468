//! What is new from one look to the next, line by line.

use std::{collections::BTreeMap, time::Duration};

use siskin_core::checks::Outcome;

use crate::{
    next::next,
    page::{condition, side, tone},
    scene::{Scene, Shown, Told},
    text::{Line, Tone, clock},
};

/// Who a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// What people do.
    You,
    /// What Siskin told.
    Siskin,
    /// What Kubernetes did to a pod.
    Pod,
    /// What a check says.
    Check,
    /// What happens next.
    Next,
}

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// When.
    pub at: Duration,
    /// About whom.
    pub who: Who,
    /// How it is.
    pub tone: Tone,
    /// What.
    pub text: String,
}

impl News {
    /// As a line.
    pub fn line(&self) -> Line {
        let who = match self.who {
            Who::You => "you",
            Who::Siskin => "siskin",
            Who::Pod => "pod",
            Who::Check => "check",
            Who::Next => "next",
        };
        Line::new(self.tone, format!("{:>5}  {who:<7} {}", clock(self.at), self.text)).indented(15)
    }

    /// The live page shows it anyway, as long as it lasts.
    pub fn is_on_page(&self) -> bool {
        matches!(self.who, Who::Pod | Who::Check | Who::Next)
    }
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Teller {
    event: u64,
    /// The condition of each pod, by its UID, with its name.
    pods: BTreeMap<String, (String, String)>,
    checks: BTreeMap<String, Outcome>,
    stands: Option<(String, usize)>,
}

impl Teller {
    /// What is new since the last look. `then` is what people are about to do.
    pub fn news(&mut self, scene: &Scene, then: Option<&str>) -> Vec<News> {
        let mut news: Vec<(Who, Tone, String)> = self.events(&scene.events);
        news.extend(self.pods(scene));
        news.extend(self.checks(scene));
        news.extend(self.next(scene, then));
        news.into_iter().map(|(who, tone, text)| News { at: scene.passed, who, tone, text }).collect()
    }

    fn events(&mut self, events: &[Told]) -> Vec<(Who, Tone, String)> {
        let fresh: Vec<&Told> = events.iter().filter(|told| told.number > self.event).collect();
        self.event = fresh.last().map_or(self.event, |told| told.number);
        let tell = |told: &&Told| {
            let tone = match told.reason.as_str() {
                "Promoted" => Tone::Good,
                _ if told.warning => Tone::Bad,
                _ => Tone::Plain,
            };
            (Who::Siskin, tone, format!("{}: {}", told.reason, told.note))
        };
        fresh.iter().map(tell).collect()
    }

    fn pods(&mut self, scene: &Scene) -> Vec<(Who, Tone, String)> {
        let mut news = Vec::new();
        let mut now = BTreeMap::new();
        for shown in &scene.pods {
            let Shown { pod, image, .. } = shown;
            let (tone, state) = condition(pod);
            let known = self.pods.get(&pod.uid.0);
            if known.is_none_or(|(_, before)| *before != state) {
                let side = side(scene, pod);
                let side = if side.is_empty() { String::new() } else { format!(", {side}") };
                news.push((Who::Pod, tone, format!("{} ({image}{side}): {state}", pod.name)));
            }
            now.insert(pod.uid.0.clone(), (pod.name.clone(), state));
        }
        let gone = self.pods.iter().filter(|(uid, _)| !now.contains_key(*uid));
        let mut all: Vec<_> =
            gone.map(|(_, (name, _))| (Who::Pod, Tone::Plain, format!("{name}: gone"))).collect();
        all.extend(news);
        self.pods = now;
        all
    }

    fn checks(&mut self, scene: &Scene) -> Vec<(Who, Tone, String)> {
        let mut news = Vec::new();
        let mut now = BTreeMap::new();
        for verdict in &scene.verdicts {
            if self.checks.get(&verdict.check) != Some(&verdict.outcome) {
                let text = format!("{}: {:?}: {}", verdict.check, verdict.outcome, verdict.evidence);
                news.push((Who::Check, tone(verdict.outcome), text));
            }
            now.insert(verdict.check.clone(), verdict.outcome);
        }
        self.checks = now;
        news
    }

    /// Once for each step and phase.
    fn next(&mut self, scene: &Scene, then: Option<&str>) -> Option<(Who, Tone, String)> {
        let record = scene.record.as_ref()?;
        let phase = if scene.rests() { "rest" } else { record.phase.as_str() };
        let paused = if record.pause.is_some() { " paused" } else { "" };
        let stands = (format!("{phase}{paused}"), scene.rollout().map_or(0, |rollout| rollout.step));
        if self.stands.as_ref() == Some(&stands) {
            return None;
        }
        self.stands = Some(stands);
        Some((Who::Next, Tone::Plain, next(scene, then)))
    }
}

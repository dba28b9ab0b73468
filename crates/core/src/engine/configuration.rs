//! ConfigMaps and Secrets that change under the pods: told, marked in the evidence, and a pause where the policy says
//! so.
//!
//! Kubernetes gives a pod the configuration of its own start (files follow later, environments never), and a revert
//! brings back the template, not what it refers to. So a canary pod may differ from a stable one in more than its
//! template.

use std::{collections::BTreeSet, time::Duration};

use super::turn::{Turn, brief};
use crate::{
    checks::{Verdict, Verdicts},
    decision::Note,
    facts::{Facts, Pod},
    policy::OnConfigChange,
    references::{Reference, Version, Versions, of_template},
    state::{PauseReason, Phase, Record},
};

/// Changes within this time after the last that was told are told together: each costs a write and a message.
const TOLD_AGAIN: Duration = Duration::from_mins(1);
/// So many pods are named.
const NAMED: usize = 5;
/// So many bytes of the state are for the versions of ConfigMaps and Secrets: some two hundred usual names, where a
/// hundred of the longest would leave no room for anything else.
const ROOM: usize = 8 * 1024;
/// In the state: there is no such object.
const ABSENT: &str = "absent";

impl Turn<'_> {
    /// Compares what pods are configured by with what the state speaks of.
    pub(super) fn follow_configuration(&mut self) {
        let Some(versions) = &self.facts.configuration else {
            if self.pauses_on_change() {
                self.report(
                    "ConfigurationUnwatched",
                    "the policy says `onConfigChange: Pause`, but siskin doesn't watch ConfigMaps and Secrets, or can't: \
                     set `watchConfiguration: true` and install the component config-watch"
                        .to_owned(),
                );
            }
            return;
        };
        self.report_what_is_not_followed(versions);
        let (told, referred) = (&self.record().configuration, self.referred());
        let changed: Vec<&Reference> = (versions.iter())
            .filter(|(reference, now)| told.get(&reference.key()).is_some_and(|told| *told != text(**now)))
            .map(|(reference, _)| reference)
            .filter(|reference| referred.as_ref().is_none_or(|referred| referred.contains(reference)))
            .collect();
        if changed.is_empty() {
            self.remember_configuration();
            return;
        }
        let pauses = self.pauses_on_change() && !self.paused();
        let waited = self.memory.configuration_told.map(|at| self.now.mono.since(at));
        if let Some(left) = waited.and_then(|waited| TOLD_AGAIN.checked_sub(waited)).filter(|_| !pauses) {
            self.wake_in(left.max(Duration::from_millis(20)));
            return;
        }
        if !self.need_detail() {
            return;
        }
        let sentences: Vec<String> = changed.into_iter().map(|reference| self.change_of(reference)).collect();
        let detail = brief(format!(
            "{}; pods and containers that start from now on get what it is now",
            sentences.join("; ")
        ));
        self.memory.configuration_told = Some(self.now.mono);
        self.remember_configuration();
        self.say(Note::ConfigChanged(detail.clone()));
        if pauses {
            self.pause(
                PauseReason::ConfigChanged,
                format!("{detail}; `siskin resume` goes on, `siskin abort` goes back"),
            );
        }
    }

    /// An open rollout that goes forward would pause.
    fn pauses_on_change(&self) -> bool {
        matches!(self.record().phase, Phase::Opening | Phase::Baking | Phase::AwaitingApproval)
            && self.policy().is_some_and(|policy| policy.outcome.on_config_change == OnConfigChange::Pause)
    }

    /// What the templates refer to that pods run or will; `None`: not all of them are known.
    fn referred(&self) -> Option<BTreeSet<Reference>> {
        let mut referred = of_template(&self.workload.template);
        match self.detail {
            Some(detail) => {
                let runs = detail.revisions.iter().filter(|revision| self.record().runs(&revision.name));
                referred.extend(runs.flat_map(|revision| of_template(&revision.template)));
                Some(referred)
            }
            // At rest on the stable template there is only that.
            None => (self.workload.update_revision == self.record().stable).then_some(referred),
        }
    }

    /// Takes over the versions of what templates refer to; what none refers to any more is forgotten.
    fn remember_configuration(&mut self) {
        let (Some(versions), Some(referred)) = (&self.facts.configuration, self.referred()) else { return };
        let kept = versions.iter().filter(|(reference, _)| referred.contains(reference));
        self.record_mut().configuration =
            within_room(kept).map(|(reference, now)| (reference.key(), text(*now))).collect();
    }

    /// What the state has no room for.
    fn report_what_is_not_followed(&mut self, versions: &Versions) {
        let left_out = versions.len() - within_room(versions.iter()).count();
        if left_out > 0 && self.problem.is_none() {
            let first: Vec<_> = versions.keys().rev().take(left_out).map(Reference::key).collect();
            let names: Vec<&str> = first.iter().rev().map(String::as_str).collect();
            self.report(
                "ConfigurationNotFollowed",
                brief(format!(
                    "the templates refer to {} ConfigMaps and Secrets, and the state has room for {} of them: a change of the others is not told. They are {}",
                    versions.len(),
                    versions.len() - left_out,
                    named(&names)
                )),
            );
        }
    }

    fn change_of(&self, reference: &Reference) -> String {
        let told = self.record().configuration.get(&reference.key());
        let now =
            self.facts.configuration.as_ref().and_then(|versions| versions.get(reference).copied().flatten());
        match (told.map(String::as_str), now) {
            (_, None) => format!("{reference} was deleted"),
            (Some(ABSENT), Some(_)) => format!("{reference} was made"),
            (_, Some(now)) => {
                let (before, after) = started(self.facts, self.record(), reference, now);
                let mut sentence = format!("{reference} changed");
                for (pods, when) in [(before, "before"), (after, "after")] {
                    if !pods.is_empty() {
                        sentence = format!("{sentence}, {} started {when} that", named(&pods));
                    }
                }
                sentence
            }
        }
    }
}

/// The verdicts; where pods are configured differently their evidence says so.
pub(super) fn marked(record: Option<&Record>, facts: &Facts, verdicts: &Verdicts) -> Verdicts {
    let Some(mark) = record.and_then(|record| mark(record, facts)) else { return verdicts.clone() };
    let marked = verdicts
        .0
        .iter()
        .map(|verdict| Verdict { evidence: format!("{} ({mark})", verdict.evidence), ..verdict.clone() });
    Verdicts(marked.collect())
}

/// What pods differ in besides their template.
fn mark(record: &Record, facts: &Facts) -> Option<String> {
    let differing = facts.configuration.as_ref()?.iter().filter_map(|(reference, now)| {
        let (before, after) = started(facts, record, reference, (*now)?);
        let differ = !before.is_empty() && !after.is_empty();
        differ
            .then(|| format!("{reference} is newer than {} and older than {}", named(&before), named(&after)))
    });
    let differing: Vec<String> = differing.collect();
    (!differing.is_empty()).then(|| format!("configured differently: {}", differing.join("; ")))
}

/// The names of the live pods that refer to an object and started before and after it was last written. What happened
/// in one second is in neither.
fn started<'a>(
    facts: &'a Facts,
    record: &Record,
    reference: &Reference,
    now: Version,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let Some(detail) = &facts.detail else { return Default::default() };
    let refer: Vec<_> = (detail.revisions.iter())
        .filter(|revision| record.runs(&revision.name) && of_template(&revision.template).contains(reference))
        .map(|revision| &revision.name)
        .collect();
    let pods: Vec<&Pod> = (detail.pods.iter())
        .filter(|pod| pod.live() && pod.revision.as_ref().is_some_and(|revision| refer.contains(&revision)))
        .collect();
    let names = |wanted: &dyn Fn(&Pod) -> bool| {
        pods.iter().filter(|pod| wanted(pod)).map(|pod| pod.name.as_str()).collect()
    };
    (names(&|pod| pod.created < now.written), names(&|pod| pod.created > now.written))
}

/// The first of them, in the order of their names, as many as the state has room for.
fn within_room<'a>(
    versions: impl Iterator<Item = (&'a Reference, &'a Option<Version>)>,
) -> impl Iterator<Item = (&'a Reference, &'a Option<Version>)> {
    let mut used = 0;
    versions.take_while(move |(reference, now)| {
        // `"key":"version",`
        used += reference.key().len() + text(**now).len() + 6;
        used <= ROOM
    })
}

fn named(pods: &[&str]) -> String {
    let shown = pods.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match pods.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn text(version: Option<Version>) -> String {
    version.map_or_else(|| ABSENT.to_owned(), |version| version.number.to_string())
}

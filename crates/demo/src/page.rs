//! The live page: pods, step, checks, traffic, and what happens next.

use std::{fmt::Write as _, time::Duration};

use siskin_core::{
    checks::Outcome,
    facts::{PARKED, Phase as PodPhase, Pod, Revision, Workload},
    state::{Phase, Record},
};

use crate::{
    application::NAME,
    next::next,
    scene::{Scene, Shown},
    text::{Line, Tone, clock, seconds, thousands},
};

/// How long the bar of a bake is.
const BAR: usize = 20;

/// The page as lines. `then` is what people are about to do.
pub fn page(scene: &Scene, then: Option<&str>) -> Vec<Line> {
    let mut lines = vec![Line::new(Tone::Plain, "")];
    lines.extend(head(scene));
    lines.push(Line::new(
        Tone::Strong,
        format!("{:<12}{:<18}{:<8}{:>9}{:>8}  STATE", "POD", "IMAGE", "SIDE", "REQUESTS", "FAILED"),
    ));
    lines.extend(scene.pods.iter().map(|shown| pod(scene, shown)));
    if !scene.verdicts.is_empty() {
        lines.push(Line::new(Tone::Strong, format!("{:<12}{:<11}EVIDENCE", "CHECK", "SAYS")));
        lines.extend(scene.verdicts.iter().map(|verdict| {
            let observed = if verdict.enforced { "" } else { " (observed only)" };
            let says = format!("{:?}", verdict.outcome);
            let text = format!("{:<12}{says:<11}{}{observed}", verdict.check, verdict.evidence);
            Line::new(tone(verdict.outcome), text).indented(23)
        }));
    }
    let traffic = &scene.traffic;
    lines.push(named(
        Tone::Plain,
        "TRAFFIC",
        &format!(
            "{} requests, {} failed, {} met nobody",
            thousands(traffic.sent),
            thousands(traffic.failed),
            thousands(traffic.lost)
        ),
    ));
    lines.push(named(Tone::Strong, "NEXT", &next(scene, then)));
    lines
}

fn named(tone: Tone, name: &str, text: &str) -> Line {
    Line::new(tone, format!("{name:<12}{text}")).indented(12)
}

fn head(scene: &Scene) -> Vec<Line> {
    let Some(workload) = &scene.workload else {
        return vec![named(Tone::Bad, &clock(scene.passed), &format!("there is no StatefulSet {NAME}"))];
    };
    let stands =
        scene.record.as_ref().map_or_else(|| "not yet looked after".to_owned(), |it| stands(scene, it));
    let mut lines = vec![named(Tone::Strong, &clock(scene.passed), &format!("{NAME}: {stands}"))];
    lines.push(named(Tone::Plain, "", &spread(workload, scene.record.as_ref())));
    if let Some(pause) = scene.record.as_ref().and_then(|record| record.pause.as_ref()) {
        lines.push(named(Tone::Bad, "PAUSED", &format!("{:?}: {}", pause.reason, pause.detail)));
    }
    lines
}

/// The phase, the step and the bake.
fn stands(scene: &Scene, record: &Record) -> String {
    let phase = record.phase.as_str();
    let image = |revision: &Revision| scene.image(revision).to_owned();
    let Some(rollout) = &record.rollout else {
        let stable = record.stable.as_ref().map_or_else(|| "none yet".to_owned(), image);
        return format!("{phase}, stable {stable}");
    };
    let from = record.stable.as_ref().map_or_else(String::new, image);
    let mut text = format!("{phase}, {from} -> {}", image(&rollout.canary));
    let plan = scene.plan();
    let step = plan.as_ref().and_then(|plan| Some((plan.steps.len(), plan.steps.get(rollout.step)?)));
    let Some((steps, step)) = step.filter(|_| rollout.back.is_none()) else { return text };
    // Writing to a String cannot fail.
    let _ = write!(text, ", step {} ({} of {steps}: {})", step.name, rollout.step + 1, step.exposure);
    if record.phase == Phase::Baking {
        let done = rollout.bake_done().min(step.bake);
        let _ = write!(text, " {} {} of {}", bar(done, step.bake), seconds(done), seconds(step.bake));
    }
    text
}

fn bar(done: Duration, all: Duration) -> String {
    let share = if all.is_zero() { 1.0 } else { done.as_secs_f64() / all.as_secs_f64() };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 20")]
    #[expect(clippy::cast_precision_loss, reason = "from 0 to 20")]
    let full = (share.clamp(0.0, 1.0) * BAR as f64) as usize;
    format!("[{}{}]", "#".repeat(full), "-".repeat(BAR - full))
}

/// Replicas and partition.
fn spread(workload: &Workload, record: Option<&Record>) -> String {
    let partition =
        if workload.partition >= PARKED { "parked".to_owned() } else { workload.partition.to_string() };
    let extra = record.map_or(0, |record| workload.replicas.saturating_sub(record.user_replicas));
    let of_them = if extra > 0 { format!(" ({extra} extra)") } else { String::new() };
    format!("replicas {}{of_them}, partition {partition}", workload.replicas)
}

fn pod(scene: &Scene, shown: &Shown) -> Line {
    let Shown { pod, image, answers } = shown;
    let side = side(scene, pod);
    let (tone, state) = condition(pod);
    let (all, failed) = answers.map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |answers| (thousands(answers.all), thousands(answers.failed)),
    );
    let text = format!("{:<12}{image:<18}{side:<8}{all:>9}{failed:>8}  {state}", pod.name);
    Line::new(tone, text).indented(12)
}

/// Which side a pod is on.
pub fn side(scene: &Scene, pod: &Pod) -> &'static str {
    let record = scene.record.as_ref().filter(|record| record.stable.is_some());
    record.map_or("", |record| record.side(pod))
}

/// How a pod is, in few words.
pub fn condition(pod: &Pod) -> (Tone, String) {
    let waiting = pod.containers.iter().find_map(|container| container.waiting.as_deref());
    let (tone, mut text) = match (pod.phase, waiting) {
        _ if pod.terminating => (Tone::Open, "terminating".to_owned()),
        (PodPhase::Failed, _) => (Tone::Bad, format!("failed {}", pod.reason.as_deref().unwrap_or_default())),
        _ if pod.ready => (Tone::Good, "ready".to_owned()),
        (_, Some("ContainerCreating")) | (PodPhase::Pending, None) => (Tone::Open, "is made".to_owned()),
        (_, Some(waiting)) => (Tone::Bad, waiting.to_owned()),
        (_, None) => (Tone::Open, "not ready".to_owned()),
    };
    if pod.restarts() > 0 {
        let ended = pod.containers.iter().find_map(|container| container.terminated.as_deref());
        let _ = write!(text, ", restarts: {} ({})", pod.restarts(), ended.unwrap_or("ended"));
    }
    (tone, text)
}

/// What a check's outcome is for people.
pub fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Fail => Tone::Bad,
        Outcome::Undecided | Outcome::NoData => Tone::Open,
    }
}

#[cfg(test)]
mod tests;

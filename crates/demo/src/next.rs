//! What happens next, and why.

use std::time::Duration;

use siskin_core::{
    checks::Outcome,
    state::{Phase, Record, Rollout},
    strategy::PlannedStep,
};

use crate::{application::NAME, scene::Scene, text::seconds};

/// What happens next, and why. `then` is what people are about to do.
pub fn next(scene: &Scene, then: Option<&str>) -> String {
    if scene.workload.is_none() {
        return format!("nothing: there is no StatefulSet {NAME}");
    }
    let Some(record) = &scene.record else { return "siskin takes it over".to_owned() };
    if let Some(pause) = &record.pause {
        return format!("nothing by itself: {}", pause.detail);
    }
    match &record.rollout {
        Some(rollout) => in_rollout(scene, record, rollout),
        None => at_rest(scene, record, then),
    }
}

fn at_rest(scene: &Scene, record: &Record, then: Option<&str>) -> String {
    match record.phase {
        Phase::OptingIn => {
            "siskin looks at the pods, and takes what they run as the stable revision".to_owned()
        }
        Phase::Installing => "all pods become Ready; then what they run is the stable revision".to_owned(),
        _ if !scene.rests() => "siskin looks at the new template".to_owned(),
        _ => match (&record.waiting, then) {
            (Some(waiting), _) => waiting.detail.clone(),
            (None, Some(deed)) => deed.to_owned(),
            (None, None) => "nothing: it is parked until its template changes".to_owned(),
        },
    }
}

fn in_rollout(scene: &Scene, record: &Record, rollout: &Rollout) -> String {
    let plan = scene.plan();
    let step = |index: usize| plan.as_ref().and_then(|plan| plan.steps.get(index));
    let canary = scene.image(&rollout.canary);
    let why = rollout.back.as_ref().map_or("", |back| &back.detail);
    match record.phase {
        Phase::Opening => {
            let (exposure, bake) = step(rollout.step)
                .map_or_else(Default::default, |step| (step.exposure.to_string(), seconds(step.bake)));
            format!(
                "pods of {canary} become Ready ({exposure}); then they have to pass every check for {bake}"
            )
        }
        Phase::Baking => baking(scene, rollout, step(rollout.step), step(rollout.step + 1)),
        Phase::AwaitingApproval => format!("a person lets it go on: siskin approve {NAME}"),
        Phase::Completing => format!("{canary} becomes what Kubernetes takes as current, and extra pods go"),
        Phase::Reverting => format!("pods of {canary} go, and stable ones come back: {why}"),
        Phase::Undoing => {
            format!(
                "Kubernetes has completed, so the stable template is written back, and every pod follows: {why}"
            )
        }
        Phase::OptingIn | Phase::Installing | Phase::Idle => String::new(),
    }
}

fn baking(
    scene: &Scene,
    rollout: &Rollout,
    step: Option<&PlannedStep>,
    after: Option<&PlannedStep>,
) -> String {
    let canary = scene.image(&rollout.canary);
    let then = match (step, after) {
        (Some(PlannedStep { approval: true, .. }), _) => "a person is asked".to_owned(),
        (_, Some(after)) => format!("step {}: {}", after.name, after.exposure),
        (_, None) => format!("{canary} is promoted"),
    };
    let bake = step.map_or(Duration::ZERO, |step| step.bake);
    let left = bake.saturating_sub(rollout.bake_done());
    let open: Vec<&str> = (scene.verdicts.iter())
        .filter(|verdict| verdict.enforced && verdict.outcome != Outcome::Pass)
        .map(|verdict| verdict.check.as_str())
        .collect();
    if scene.verdicts.is_empty() {
        format!("the checks are asked; {} of passing and then {then}", seconds(left))
    } else if open.is_empty() {
        format!("{} more, as every check passes; then {then}", seconds(left))
    } else {
        format!(
            "it waits for {}: every check has to pass for {}; then {then}",
            open.join(", "),
            seconds(left)
        )
    }
}

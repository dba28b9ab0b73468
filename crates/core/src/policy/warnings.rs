//! What a policy may say but rarely means, and what follows from it that people should know.

use super::{
    AfterCompletion, ClaimUse, Mode, OnForgotten, OnNoData, Placement, Policy, Probe, Query, Signal,
    Strategy, Surge,
};

/// Sentences for the author of `policy`, in the order of the file.
pub fn warnings(policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if policy.mode == Mode::Observe {
        warnings.push(
            "spec.mode: Observe changes nothing: templates roll as Kubernetes does by itself, good or bad"
                .to_owned(),
        );
    }
    if let Strategy::Canary(canary) = &policy.strategy {
        warnings.extend(
            placement(&canary.placement).map(|text| format!("spec.strategy.canary.placement: {text}")),
        );
        for (index, step) in canary.steps.iter().enumerate().filter(|(_, step)| step.approval) {
            warnings.push(approval(&format!("canary.steps[{index}]"), &format!("step `{}`", step.name)));
        }
    }
    let (path, batches) = match &policy.strategy {
        Strategy::Canary(canary) => ("canary.remainder", &canary.remainder),
        Strategy::RollingUpdate(batches) => ("rollingUpdate", batches),
    };
    if batches.approval {
        warnings.push(approval(path, "the last batch"));
    }
    if policy.checks.is_empty() {
        warnings.push("spec.checks: there are none, so only the readiness of pods is judged".to_owned());
    } else if policy.checks.iter().all(|check| check.mode == Mode::Observe) {
        warnings.push(
            "spec.checks: all of them only observe, so only the readiness of pods is judged".to_owned(),
        );
    }
    for (index, check) in policy.checks.iter().enumerate() {
        match &check.signal {
            Signal::Pods(Probe::Scrape(scrape))
                if scrape.compare.as_ref().is_some_and(|compare| compare.warm_up.is_zero()) =>
            {
                warnings.push(format!(
                    "spec.checks[{index}].compare.warmUp: without one, `{}` compares cold canary pods with warm stable pods",
                    check.name
                ));
            }
            Signal::Source(query) => {
                warnings.extend(
                    source(query, policy.pod_labels)
                        .map(|text| format!("spec.checks[{index}]: `{}` {text}", check.name)),
                );
            }
            Signal::Pods(_) => {}
        }
    }
    if policy.outcome.on_no_data == OnNoData::RollBack {
        warnings.push(
            "spec.outcome.onNoData: RollBack also takes good revisions back when only the measuring fails"
                .to_owned(),
        );
    }
    if policy.outcome.after_completion == AfterCompletion::Undo {
        warnings.push(
            "spec.outcome.afterCompletion: Undo writes the stable template into the workload; where a Git repository \
             owns it, the repository must follow"
                .to_owned(),
        );
    }
    if policy.outcome.on_forgotten == OnForgotten::Restore {
        warnings.push(
            "spec.outcome.onForgotten: Restore writes the stable template into the workload, and a revision that was \
             pending is then only tried when it is applied again"
                .to_owned(),
        );
    }
    warnings
}

/// Whether a query can tell the canary from the others.
fn source(query: &Query, pod_labels: bool) -> Option<&'static str> {
    let template = query.question.template();
    match (template.names_canary(), template.selects_canary_role()) {
        (true, _) => None,
        (false, true) if pod_labels => None,
        (false, true) => {
            Some("selects pods by `siskin_dev_role`, which they only have with `podLabels: true`")
        }
        (false, false) => {
            Some("names neither `canary.pods` nor `canary.revision`, so it also judges what isn't the canary")
        }
    }
}

fn approval(path: &str, gate: &str) -> String {
    format!(
        "spec.strategy.{path}.approval: without the admission policy siskin-guard (deploy/admission/guards) \
         whoever may annotate the workload may approve {gate}; with it only who has the right to"
    )
}

fn placement(placement: &Placement) -> Option<&'static str> {
    let Placement::Surge(Surge { claims, .. }) = placement else { return None };
    Some(match claims {
        None => {
            "without `surge.claims`, workloads with volumeClaimTemplates are refused; say what the data of extra pods is \
             worth: Discard, Keep or Reuse"
        }
        Some(ClaimUse::Discard) => {
            "claims: Discard means that writes served by extra pods are lost with them"
        }
        Some(ClaimUse::Keep) => {
            "claims: Keep leaves claims behind, and the next rollout waits until they are deleted"
        }
        Some(ClaimUse::Reuse) => "claims: Reuse gives extra pods the old data of earlier ones",
    })
}

//! What `siskin adopt` prints.

use std::fmt::Write as _;

use siskin_core::{facts::Workload, policy::Policy, strategy::compile};

use super::findings::{Finding, Surroundings};
use crate::cli::daemon::Daemon;

/// What will happen, step by step, and what stands against it.
pub fn page(seen: &Surroundings, policy: &str, findings: &[Finding]) -> String {
    let Surroundings { workload, .. } = seen;
    let mut page = format!("{}/{} with policy {policy}\n", workload.namespace, workload.name);
    if let Ok(Some(Daemon { deployment, user, .. })) = &seen.daemon {
        let _ = writeln!(page, "Siskin is {user} (Deployment {deployment})");
    }
    page.push_str("\nWHAT HAPPENS\n");
    let mut step = |when: &str, what: &str| {
        let _ = writeln!(page, "  {when:<10}{what}");
    };
    step("now", &format!("the annotation siskin.dev/policy: {policy} is written, and nothing else"));
    if seen.observes() {
        step("", "Siskin changes nothing: templates roll as Kubernetes does by itself, good or bad");
        step("then", "it judges the pods of each new template, and says by Events what it would have done");
    } else {
        step("", "Siskin parks it: no template change reaches a pod unless Siskin lets it");
        let revision = workload.current_revision.as_ref().map_or("the current revision", |it| it.0.as_str());
        step("", &format!("{revision} becomes the stable revision, without being judged"));
        let lines = seen.policy.loaded().map(|policy| rollout(workload, policy)).unwrap_or_default();
        for (index, line) in lines.iter().enumerate() {
            step(if index == 0 { "then" } else { "" }, line);
        }
    }
    step("out", &format!("`siskin leave {} -n {}`", workload.name, workload.namespace));
    if !findings.is_empty() {
        page.push_str("\nFINDINGS\n");
    }
    for Finding { severity, what, why, mend } in findings {
        let _ = writeln!(page, "  {severity:<7}{what}\n         {why}\n         -> {mend}");
    }
    page
}

/// A rollout in a few lines.
fn rollout(workload: &Workload, policy: &Policy) -> Vec<String> {
    const SHOWN: usize = 6;
    let Ok(plan) = compile(policy, workload.replicas, !workload.claim_templates.is_empty()) else {
        return Vec::new();
    };
    let mut lines = vec!["each new template is rolled out like this:".to_owned()];
    for step in plan.steps.iter().take(SHOWN) {
        let approval = if step.approval { ", then a person approves" } else { "" };
        let bake = siskin_core::policy::GoDuration(step.bake);
        lines.push(format!("  {}: {}, watched for {bake}{approval}", step.name, step.exposure));
    }
    if plan.steps.len() > SHOWN {
        lines.push(format!("  and {} steps more", plan.steps.len() - SHOWN));
    }
    // Kubernetes completes it in the step that updates the last of the workload's own pods.
    if let Some(last) = plan.steps.iter().find(|step| step.exposure.is_whole(workload.replicas)) {
        lines.push(format!(
            "from {} on only `siskin undo` leads back, unless the hold policy is in force",
            last.name
        ));
    }
    if !policy.windows.is_empty() {
        lines.push("only within the policy's windows".to_owned());
    }
    lines.push(match policy.outcome.on_failure {
        siskin_core::policy::OnFailure::RollBack => "a check that fails takes all pods back".to_owned(),
        siskin_core::policy::OnFailure::Pause => {
            "a check that fails stops it until a person decides".to_owned()
        }
    });
    lines
}

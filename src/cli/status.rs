//! `siskin status`: where a workload stands, and why.

use std::{fmt::Write as _, time::Duration};

use siskin_core::{
    checks::Verdict,
    facts::{PARKED, Phase as PodPhase, Pod, Workload},
    state::{Obstacle, Record, Rollout, Unreadable},
    strategy,
};

use super::{
    out,
    workload::{Found, LookError, Named, find},
};
use siskin_daemon::{
    clock,
    cluster::{Access, Error, Resource, Scope},
    watch::pods::OwnedPod,
};

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The workload can't be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// Its pods can't be read.
    #[error(transparent)]
    Api(#[from] Error),
}

/// Prints where a workload stands.
pub async fn status(access: &Access, named: &Named) -> Result<(), StatusError> {
    let found = find(access, named).await?;
    let pods = pods(&found).await?;
    out::text(page(&found.managed.workload, &found.record(), &pods));
    Ok(())
}

/// The pods that the workload owns, by ordinal.
pub async fn pods(found: &Found) -> Result<Vec<Pod>, Error> {
    let workload = &found.managed.workload;
    let scope = Scope {
        resource: Resource::Pods,
        namespace: Some(workload.namespace.clone()),
        selector: Some(found.managed.selector.clone()),
        name: None,
    };
    let listed = found.cluster.list::<OwnedPod>(&scope).await?;
    let mut pods: Vec<Pod> = listed
        .items
        .into_iter()
        .filter(|owned| owned.owned_by(&workload.uid))
        .map(|owned| owned.pod)
        .collect();
    pods.sort_by_key(|pod| pod.ordinal);
    Ok(pods)
}

fn page(workload: &Workload, record: &Result<Option<Record>, Unreadable>, pods: &[Pod]) -> String {
    let mut page = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(page, "{name:<11}{value}");
    };
    line("Workload", &format!("{}/{}", workload.namespace, workload.name));
    line("Policy", workload.annotations.get("policy").map_or("none", String::as_str));
    match record {
        Ok(Some(record)) => told(record, &mut line),
        Ok(None) if workload.annotations.contains_key("policy") => {
            line(
                "Phase",
                "no state: Siskin has not come to it yet, or its policy only observes; see the Events",
            );
        }
        Ok(None) => line("Phase", "not looked after by Siskin"),
        Err(problem) => line("Phase", &format!("unknown: {problem}")),
    }
    let partition =
        if workload.partition >= PARKED { "parked".to_owned() } else { workload.partition.to_string() };
    line("Replicas", &format!("{} (partition {partition})", workload.replicas));
    if let Some(detail) =
        record.as_ref().ok().and_then(Option::as_ref).and_then(|record| record.pause.as_ref())
    {
        line("Paused", &format!("{:?}: {}", detail.reason, detail.detail));
        line("", "`siskin resume` lets it go on, `siskin abort` takes it back");
    }
    let waiting = record.as_ref().ok().and_then(|record| record.as_ref()?.waiting.as_ref());
    if let Some(waiting) = waiting {
        line("Waits", &format!("{} (since {})", waiting.detail, clock::render(waiting.since)));
    }
    let problem = record.as_ref().ok().and_then(|record| record.as_ref()?.problem.as_ref());
    if let Some(Obstacle { reason, detail, since }) = problem {
        line("Problem", &format!("{reason}: {detail} (since {})", clock::render(*since)));
    }
    line("Events", &format!("kubectl describe sts {} -n {}", workload.name, workload.namespace));
    page.push_str("\nPODS\n");
    for pod in pods {
        let record = record.as_ref().ok().and_then(Option::as_ref);
        let side = record.map_or("", |record| record.side(pod));
        let revision = pod.revision.as_ref().map_or("?", |revision| revision.0.as_str());
        let _ = writeln!(page, "  {:<24} {revision:<24} {side:<8} {}", pod.name, condition(pod));
    }
    if let Ok(Some(record)) = record {
        if let Some(rollout) = record.rollout.as_ref().filter(|rollout| !rollout.verdicts.is_empty()) {
            page.push_str("\nCHECKS (as saved last)\n");
            for Verdict { check, outcome, evidence, enforced } in &rollout.verdicts {
                let observed = if *enforced { "" } else { " (observed only)" };
                let _ = writeln!(page, "  {check:<24} {:<9} {evidence}{observed}", format!("{outcome:?}"));
            }
        }
        if !record.history.is_empty() {
            page.push_str("\nHISTORY\n");
            for past in record.history.iter().rev() {
                let _ =
                    writeln!(page, "  {} {} {}: {}", clock::render(past.at), past.id, past.canary, past.end);
            }
        }
    }
    page
}

fn told(record: &Record, line: &mut impl FnMut(&str, &str)) {
    line("Phase", record.phase.as_str());
    line("Stable", record.stable.as_ref().map_or("none yet", |stable| stable.0.as_str()));
    let Some(rollout) = &record.rollout else { return };
    line("Canary", &rollout.canary.0);
    line("Rollout", &format!("{} since {}", rollout.id, clock::render(rollout.started)));
    if let Some(back) = &rollout.back {
        line("Goes back", &format!("{:?}: {}", back.cause, back.detail));
    }
    line("Step", &step(record, rollout));
    if let Some(why) = &rollout.surge_refused {
        line("In place", why);
    }
}

fn step(record: &Record, rollout: &Rollout) -> String {
    // Claims decide whether a plan fits, not what its steps are.
    let Ok(plan) = strategy::compile_rollout(rollout, record.user_replicas, false) else {
        return (rollout.step + 1).to_string();
    };
    let Some(step) = plan.steps.get(rollout.step) else { return (rollout.step + 1).to_string() };
    let saved = format!("baked {} of {} (as saved last)", duration(rollout.bake_done()), duration(step.bake));
    format!("{} of {} ({}), {saved}", rollout.step + 1, plan.steps.len(), step.name)
}

/// Whole seconds, as in `1m 30s`.
fn duration(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    match (minutes, seconds) {
        (0, _) => format!("{seconds}s"),
        (_, 0) => format!("{minutes}m"),
        _ => format!("{minutes}m {seconds}s"),
    }
}

fn condition(pod: &Pod) -> String {
    let waiting = pod.containers.iter().find_map(|container| container.waiting.as_deref());
    let mut text = match pod.phase {
        _ if pod.terminating => "terminating".to_owned(),
        PodPhase::Failed => {
            format!("failed{}", pod.reason.as_ref().map_or(String::new(), |why| format!(" ({why})")))
        }
        _ if pod.ready => "ready".to_owned(),
        _ => waiting.map_or("not ready".to_owned(), |waiting| format!("not ready ({waiting})")),
    };
    if pod.restarts() > 0 {
        let _ = write!(text, ", {} restarts", pod.restarts());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use siskin_core::{
        facts::{Container, Revision, Uid},
        policy,
    };

    use super::*;

    fn workload() -> Workload {
        Workload {
            namespace: "payments".into(),
            name: "db".into(),
            uid: Uid::from("u-1"),
            annotations: [("policy".to_owned(), "careful".to_owned())].into(),
            replicas: 4,
            partition: PARKED,
            ..Workload::default()
        }
    }

    fn record() -> Record {
        let policy = policy::builtin("careful").unwrap();
        serde_json::from_value(json!({
            "version": 1, "workloadUID": "u-1", "seq": 9, "stable": "db-1", "userReplicas": 4, "userPartition": 0,
            "phase": "Baking", "problem": { "reason": "NoData", "detail": "no pod answers", "since": 60 }, "pause": { "reason": "Requested", "detail": "asked for" },
            "rollout": {
                "id": "7-b", "canary": "db-2", "resolvedPolicy": policy, "step": 0, "bakeDoneMs": 61_500, "started": 0,
                "verdicts": [{ "check": "readiness", "enforced": true, "outcome": "Pass", "evidence": "1 pod ready" }],
            },
            "history": [{ "id": "6-a", "canary": "db-0", "end": "promoted", "at": 60 }],
        }))
        .unwrap()
    }

    fn pod(ordinal: u32, revision: &str, waiting: Option<&str>) -> Pod {
        let container = Container {
            waiting: waiting.map(str::to_owned),
            restarts: u32::from(waiting.is_some()),
            ..Container::default()
        };
        Pod {
            name: format!("db-{ordinal}"),
            revision: Some(Revision::from(revision)),
            ready: waiting.is_none(),
            containers: vec![container],
            ..Pod::default()
        }
    }

    #[test]
    fn the_page_tells_step_pods_pause_and_history() {
        let pods = [pod(0, "db-1", None), pod(3, "db-2", Some("CrashLoopBackOff"))];
        let page = page(&workload(), &Ok(Some(record())), &pods);
        let expected = "\
Workload   payments/db
Policy     careful
Phase      Baking
Stable     db-1
Canary     db-2
Rollout    7-b since 1970-01-01T00:00:00Z
";
        assert!(page.starts_with(expected), "{page}");
        assert!(page.contains("baked 1m 1s of "), "{page}");
        assert!(page.contains("Replicas   4 (partition parked)\n"));
        assert!(page.contains("Paused     Requested: asked for\n"));
        let problem = "Problem    NoData: no pod answers (since 1970-01-01T00:01:00Z)\nEvents";
        assert!(page.contains(problem), "{page}");
        assert!(page.contains("\nEvents     kubectl describe sts db -n payments\n\nPODS\n"), "{page}");
        assert!(page.contains("stable   ready\n"));
        assert!(page.contains("  readiness                Pass      1 pod ready\n"), "{page}");
        assert!(page.contains("canary   not ready (CrashLoopBackOff), 1 restarts\n"));
        assert!(page.ends_with("HISTORY\n  1970-01-01T00:01:00Z 6-a db-0: promoted\n"));
    }

    #[test]
    fn a_workload_without_a_state_is_told_as_such() {
        assert!(page(&workload(), &Ok(None), &[]).contains("or its policy only observes; see the Events\n"));
        let stranger = Workload { annotations: BTreeMap::new(), ..workload() };
        assert!(page(&stranger, &Ok(None), &[]).contains("Phase      not looked after by Siskin\n"));
    }
}

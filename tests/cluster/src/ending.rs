//! What must be true when any scenario is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kube::ResourceExt;
use serde_json::Value;

use crate::deployed::{Deployed, Expected, ask};
use crate::failure::{Failure, ensure};
use crate::traffic::{Outcome, Request};
use crate::view::Workload;

/// How long the last writes and pods may take after a scenario has seen what it awaited.
const SETTLES_WITHIN: u64 = 30;

/// Waits until `deployed` is as it should end, then checks it; `requests` is the traffic that it had.
pub async fn check(deployed: &Deployed, requests: &[Request]) -> Result<(), Failure> {
    let expected = deployed.expected().clone();
    let settled = deployed
        .until("the expected end", SETTLES_WITHIN, |set| {
            differences(set, &deployed.name, &expected).is_empty()
        })
        .await;
    if settled.is_err() {
        let differences = deployed.look(|set| differences(set, &deployed.name, &expected))?;
        return Err(Failure::Untrue(format!("the end is not as expected: {}", differences.join("; "))));
    }
    data_is_intact(deployed, requests).await
}

fn differences(set: Workload<'_>, name: &str, expected: &Expected) -> Vec<String> {
    let mut differences = Vec::new();
    let mut unless = |truth: bool, what: String| {
        if !truth {
            differences.push(what);
        }
    };
    unless(
        set.replicas() == expected.replicas,
        format!("replicas is {}, not {}", set.replicas(), expected.replicas),
    );
    let parked = set.parked() || set.annotation("policy").is_none();
    unless(parked, format!("the partition is {}", set.partition()));
    let pods: Vec<String> = set.pods().into_iter().map(ResourceExt::name_any).collect();
    unless(
        set.all_ready_on(&expected.version),
        format!("not all pods are ready on {} (pods: {})", expected.version, pods.join(", ")),
    );
    let revisions: BTreeSet<_> =
        set.pods().into_iter().map(|pod| pod.labels().get("controller-revision-hash")).collect();
    unless(revisions.len() <= 1, "pods are of several revisions".into());
    if let Some(stable) = set.annotation("stable") {
        let on_stable = revisions.iter().all(|revision| revision.is_some_and(|revision| revision == stable));
        unless(on_stable, format!("pods are not on the stable revision {stable}"));
    }
    let ordinals = set.first_ordinal()..set.first_ordinal() + expected.replicas;
    let own: BTreeSet<String> = ordinals.map(|ordinal| format!("data-{name}-{ordinal}")).collect();
    let claims: BTreeSet<String> = set.claims().into_iter().map(String::from).collect();
    let stray: Vec<&String> = claims
        .iter()
        .filter(|claim| !own.contains(*claim) && !expected.other_claims.contains(*claim))
        .collect();
    let missing: Vec<&String> = own.difference(&claims).collect();
    unless(stray.is_empty(), format!("stray claims: {stray:?}"));
    unless(missing.is_empty(), format!("missing claims: {missing:?}"));
    differences
}

/// Every pod's file has at least the visits that the pod confirmed since the file's claim came to be.
async fn data_is_intact(deployed: &Deployed, requests: &[Request]) -> Result<(), Failure> {
    let timeline = deployed.timeline();
    let mut confirmed: BTreeMap<&str, Vec<(Instant, u64)>> = BTreeMap::new();
    for request in requests {
        if let Outcome::Counted { pod, visits, .. } = &request.outcome {
            confirmed.entry(pod).or_default().push((request.sent, *visits));
        }
    }
    let pods: Vec<_> = deployed.look(|set| set.pods().into_iter().cloned().collect())?;
    for pod in &pods {
        let name = pod.name_any();
        let claim = timeline.last(&format!("claim/data-{name}"), "uid");
        let since = |sent: Instant| claim.is_none_or(|claim| sent >= claim);
        let visits: Vec<u64> = confirmed
            .get(name.as_str())
            .into_iter()
            .flatten()
            .filter(|(sent, _)| since(*sent))
            .map(|(_, visits)| *visits)
            .collect();
        let answer = ask(pod, "/visits").await?;
        let kept =
            serde_json::from_str::<Value>(&answer.body).ok().and_then(|body| body.get("visits")?.as_u64());
        let least = visits.iter().copied().chain([visits.len() as u64]).max().unwrap_or_default();
        ensure(kept.is_some_and(|kept| kept >= least), || {
            format!("{name} confirmed {least} visits, and its file has {kept:?} ({})", answer.body.trim())
        })?;
    }
    Ok(())
}

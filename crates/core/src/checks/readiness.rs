//! The check that is always on: canary pods become Ready and stay so, and their containers stay up.
//!
//! Failures are read from container states and restart counts, which tell within seconds; Ready flickers between
//! the restarts of a crashing container and `phase` says Running all the while.

use super::{
    Outcome, Role,
    finding::{Finding, listed},
    pods::{PULL_ERRORS, Pods, Seen},
};
use crate::{
    facts::{Container, Phase},
    policy::{GoDuration, Readiness},
    time::Instant,
};

/// Waiting reasons that no waiting mends.
const FATAL: [&str; 5] = [
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Judges the canary pods.
pub(super) fn judge(pods: &Pods, rule: &Readiness, now: Instant) -> Finding {
    let canary = pods.of(Role::Canary);
    if canary.is_empty() {
        return Finding::new(Outcome::Undecided, "no canary pod yet");
    }
    let broken: Vec<String> = canary.iter().filter_map(|seen| failure(seen, rule, now)).collect();
    if !broken.is_empty() {
        return Finding::new(Outcome::Fail, listed(&broken));
    }
    let waiting: Vec<String> =
        canary.iter().filter(|seen| !seen.is_ready()).map(|seen| unready(seen, rule, now)).collect();
    if waiting.is_empty() {
        return Finding::new(Outcome::Pass, format!("{0} of {0} canary pods Ready", canary.len()));
    }
    Finding::new(Outcome::Undecided, listed(&waiting))
}

/// Why a pod fails the check, if it does.
fn failure(seen: &Seen, rule: &Readiness, now: Instant) -> Option<String> {
    let why = ended(seen)
        .or_else(|| fatal(seen))
        .or_else(|| restarted(seen, rule.max_restarts))
        .or_else(|| crash_loop(seen))
        .or_else(|| pull(seen, rule, now))
        .or_else(|| unschedulable(seen, rule, now))
        .or_else(|| overdue(seen, rule, now))?;
    Some(format!("pod {}: {why}", seen.pod.name))
}

/// Other ends than by the kubelet's eviction, such as a node's shutdown, are not the revision's doing.
fn ended(seen: &Seen) -> Option<String> {
    let evicted = seen.pod.phase == Phase::Failed && seen.pod.reason.as_deref() == Some("Evicted");
    evicted.then(|| "evicted by the kubelet, so its node was short of a resource".to_owned())
}

fn fatal(seen: &Seen) -> Option<String> {
    waiting(seen, &FATAL).map(|(container, reason)| format!("container {}: {reason}", container.name))
}

fn restarted(seen: &Seen, allowed: u32) -> Option<String> {
    let restarts =
        seen.pod.containers.iter().fold(0, |sum: u32, container| sum.saturating_add(deaths(container)));
    if restarts <= allowed {
        return None;
    }
    let worst = seen.pod.containers.iter().max_by_key(|container| deaths(container))?;
    let exit = match (worst.exit_code, worst.terminated.as_deref()) {
        (Some(code), Some(reason)) => format!(" (exit code {code}, {reason})"),
        (Some(code), None) => format!(" (exit code {code})"),
        (None, Some(reason)) => format!(" ({reason})"),
        (None, None) => String::new(),
    };
    let (name, here) = (&worst.name, deaths(worst));
    let of = if restarts > here { format!(" of {restarts}") } else { String::new() };
    let times = if restarts == 1 { "time" } else { "times" };
    Some(format!("container {name} restarted {here}{of} {times}{exit}, at most {allowed} allowed"))
}

/// Restarts, counting a first death that the kubelet hasn't followed by a restart yet.
fn deaths(container: &Container) -> u32 {
    let died = container.terminated.is_some() && container.exit_code.is_none_or(|code| code != 0);
    container.restarts.max(u32::from(died))
}

fn crash_loop(seen: &Seen) -> Option<String> {
    let (container, reason) = waiting(seen, &["CrashLoopBackOff"])?;
    Some(format!("container {}: {reason} after {} restarts", container.name, container.restarts))
}

fn pull(seen: &Seen, rule: &Readiness, now: Instant) -> Option<String> {
    let (container, reason) = waiting(seen, &PULL_ERRORS)?;
    let grace = rule.pull_error_grace;
    let over = seen.pull_error.is_some_and(|watch| watch.read(now) >= grace.0);
    over.then(|| format!("container {} can't get its image for {grace}: {reason}", container.name))
}

fn unschedulable(seen: &Seen, rule: &Readiness, now: Instant) -> Option<String> {
    let message = seen.pod.unschedulable.as_deref()?;
    let grace = rule.unschedulable_grace;
    let over = seen.unschedulable.is_some_and(|watch| watch.read(now) >= grace.0);
    over.then(|| format!("no node takes it for {grace}: {}", brief(message)))
}

fn overdue(seen: &Seen, rule: &Readiness, now: Instant) -> Option<String> {
    if seen.is_ready() {
        return None;
    }
    let within = rule.within;
    match (seen.ready, seen.unready) {
        (None, _) if seen.age.read(now) >= within.0 => {
            Some(format!("was not Ready within {within}{}", state(seen)))
        }
        (Some(_), Some(unready)) if unready.read(now) >= within.0 => {
            Some(format!("was Ready once and isn't for {within}{}", state(seen)))
        }
        _ => None,
    }
}

fn unready(seen: &Seen, rule: &Readiness, now: Instant) -> String {
    let (again, waited) = match seen.unready {
        None => ("yet", seen.age.read(now)),
        Some(unready) => ("any more", unready.read(now)),
    };
    let waited = GoDuration::from_secs(waited.as_secs());
    format!("pod {} is not Ready {again} after {waited} of {}{}", seen.pod.name, rule.within, state(seen))
}

/// What keeps a pod from being Ready, as far as it says.
fn state(seen: &Seen) -> String {
    if let Some(message) = &seen.pod.unschedulable {
        return format!(" (unschedulable: {})", brief(message));
    }
    let mut waiting = seen.pod.containers.iter().filter_map(|container| container.waiting.as_deref());
    match (seen.pod.phase, waiting.next(), seen.pod.reason.as_deref()) {
        (Phase::Failed, _, Some(reason)) => format!(" (phase Failed: {reason})"),
        (Phase::Failed, _, None) => " (phase Failed)".to_owned(),
        (_, Some(reason), _) => format!(" ({reason})"),
        _ => String::new(),
    }
}

/// The first container that waits for one of these reasons, and the reason with its message.
fn waiting<'a>(seen: &'a Seen, reasons: &[&str]) -> Option<(&'a Container, String)> {
    let waits =
        |container: &&Container| container.waiting.as_deref().is_some_and(|why| reasons.contains(&why));
    let container = seen.pod.containers.iter().find(waits)?;
    let reason = container.waiting.as_deref().unwrap_or_default();
    let reason = match container.waiting_message.as_deref() {
        Some(message) if !message.is_empty() => format!("{reason} ({})", brief(message)),
        _ => reason.to_owned(),
    };
    Some((container, reason))
}

/// Messages of runtimes can be pages long.
fn brief(message: &str) -> String {
    message.chars().take(200).collect()
}

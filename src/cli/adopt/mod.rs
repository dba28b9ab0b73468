//! `siskin adopt`: says what will happen and what stands against it, and then does it. `siskin leave`: the way out.

mod findings;
mod look;
mod manifest;
mod page;
mod selector;

use serde_json::json;
use siskin_core::{
    decision::PREFIX,
    facts::{PARKED, Workload},
    state::Phase,
};

use self::findings::{Severity, findings};
use super::{
    out,
    workload::{Found, LookError, Named, find},
};
use siskin_daemon::{
    cluster::{Access, Error, Resource},
    watch::statefulsets::Whole,
};

/// The arguments of `adopt`.
#[derive(Debug, clap::Args)]
pub struct Adopt {
    /// The workload.
    #[command(flatten)]
    pub named: Named,
    /// The policy that it gets
    #[arg(long, value_name = "NAME", default_value = "standard")]
    pub policy: String,
    /// Say what would happen and what stands against it; write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where the daemon runs; by default it is sought everywhere, and where you may not look, in siskin-system and in the
    /// workload's namespace
    #[arg(long, value_name = "NS")]
    pub siskin_namespace: Option<String>,
}

/// Why a workload isn't adopted, or doesn't leave.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// The workload can't be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// Findings that stop it.
    #[error(
        "{count} {} against it; nothing was written. Mend {}, or annotate the StatefulSet yourself",
        if *count == 1 { "finding stands" } else { "findings stand" },
        if *count == 1 { "it" } else { "them" }
    )]
    Stopped {
        /// How many.
        count: usize,
    },
    /// There is nothing to do.
    #[error("{0}")]
    Nothing(String),
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] Error),
}

/// Adopts a workload, or only says what would happen.
pub async fn adopt(access: &Access, arguments: &Adopt) -> Result<(), AdoptError> {
    let Adopt { named, policy, dry_run, siskin_namespace } = arguments;
    let found = find(access, named).await?;
    let workload = &found.managed.workload;
    let (namespace, name) = (&workload.namespace, &workload.name);
    match workload.annotations.get("policy") {
        Some(present) if present == policy => {
            return Err(AdoptError::Nothing(format!("{namespace}/{name} has policy {policy} already")));
        }
        Some(present) => {
            out::line(format_args!(
                "{namespace}/{name} has policy {present}; a rollout that is open keeps it\n"
            ));
        }
        None => {}
    }
    let seen = look::around(&found, policy, siskin_namespace.as_deref()).await?;
    let findings = findings(&seen);
    out::text(page::page(&seen, policy, &findings));
    let count = findings.iter().filter(|finding| finding.severity == Severity::Stops).count();
    if count > 0 {
        return Err(AdoptError::Stopped { count });
    }
    if *dry_run {
        out::line("\nNothing was written (--dry-run).");
        return Ok(());
    }
    annotate(&found, Some(policy)).await?;
    let partition = if seen.observes() { "" } else { ", and no partition" };
    out::line(format_args!(
        "\nDone. Write siskin.dev/policy: {policy} into the manifest as well{partition}."
    ));
    Ok(())
}

/// Takes a workload out of Siskin's care.
pub async fn leave(access: &Access, named: &Named) -> Result<(), AdoptError> {
    let found = find(access, named).await?;
    let workload = &found.managed.workload;
    let (namespace, name) = (&workload.namespace, &workload.name);
    if !workload.annotations.contains_key("policy") {
        return Err(AdoptError::Nothing(format!("{namespace}/{name} has no policy")));
    }
    let next = what_leaving_means(&found);
    let applied = look::is_applied(&found, "siskin.dev/policy").await?;
    annotate(&found, None).await?;
    out::line(format_args!("{namespace}/{name}: the annotation siskin.dev/policy is off; {next}"));
    if applied {
        out::line("Take it out of the manifest as well, or the next apply opts in again.");
    }
    if !matches!(found.record(), Ok(None)) {
        out::line(format_args!(
            "`kubectl describe sts {name} -n {namespace}` shows the Event OptedOut when Siskin is done."
        ));
    }
    Ok(())
}

fn what_leaving_means(found: &Found) -> &'static str {
    match found.record() {
        Ok(Some(record)) if matches!(record.phase, Phase::Completing) => {
            "the rollout is promoted already and ends, then the partition from before comes back"
        }
        Ok(Some(record)) if record.in_rollout() => "the open rollout goes back to the stable revision first",
        Ok(Some(_)) if is_pending(&found.managed.workload) => {
            "a template is pending, so it stays parked; the Event says how to roll it out"
        }
        Ok(Some(record)) if record.user_partition >= PARKED => {
            "it was parked before, too, and stays so; the Event says how templates roll again"
        }
        Ok(Some(_)) => "the partition from before comes back",
        Ok(None) => "Siskin has changed nothing of it",
        Err(_) => "its state can't be read; the Event says what is left",
    }
}

fn is_pending(workload: &Workload) -> bool {
    workload.update_revision != workload.current_revision
}

/// One annotation, if nobody has written meanwhile.
async fn annotate(found: &Found, policy: Option<&str>) -> Result<(), Error> {
    let Workload { namespace, name, resource_version, .. } = &found.managed.workload;
    let body = json!({ "metadata": {
        "resourceVersion": resource_version,
        "annotations": { format!("{PREFIX}policy"): policy },
    } });
    found.cluster.patch::<Whole>(Resource::StatefulSets, namespace, name, &body).await.map(drop)
}

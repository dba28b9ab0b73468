//! A pod's status, as `kubectl get pod -o yaml` shows it.

use super::{
    View,
    memory::{Memory, PULL_SYNC, RELIST, Stage},
};
use crate::{
    Millis,
    object::{Container, ContainerState, Name, Phase, PodStatus, Terminated},
};

/// The status of a pod that has come this far.
pub fn of(memory: &Memory, view: &View<'_>, now: Millis) -> PodStatus {
    let failed = match &memory.stage {
        Stage::Failed { reason } => Some(reason.clone()),
        _ => None,
    };
    let waits_for_node = memory.stage == Stage::Waiting && view.unschedulable.is_some();
    let phase = match (&failed, memory.ran) {
        (Some(_), _) => Phase::Failed,
        (None, true) => Phase::Running,
        (None, false) => Phase::Pending,
    };
    PodStatus {
        phase,
        unschedulable: view.unschedulable.filter(|_| waits_for_node).map(Name::from),
        has_ip: failed.is_none() && memory.stage != Stage::Waiting,
        ready_since: memory.ready_since,
        container: (!waits_for_node && failed.is_none()).then(|| container(memory, now)),
        reason: failed,
    }
}

fn container(memory: &Memory, now: Millis) -> Container {
    let waiting = |reason: &str| ContainerState::Waiting { reason: reason.into() };
    let mut last = memory.last.clone();
    let state = match &memory.stage {
        Stage::PullFailed { at, .. } if now < at + PULL_SYNC => waiting("ErrImagePull"),
        Stage::PullFailed { .. } => waiting("ImagePullBackOff"),
        Stage::ConfigMissing => waiting("CreateContainerConfigError"),
        Stage::Running { since } | Stage::Stopping { since: Some(since), .. } => {
            ContainerState::Running { since: *since }
        }
        Stage::Ended { how, restart } => {
            let noticed = now >= how.at + RELIST;
            match how {
                Terminated { reason, .. } if &**reason == "StartError" => {
                    last = Some(how.clone());
                    waiting(if noticed { "CrashLoopBackOff" } else { "RunContainerError" })
                }
                _ if noticed && now < *restart => {
                    last = Some(how.clone());
                    waiting("CrashLoopBackOff")
                }
                _ => ContainerState::Terminated(how.clone()),
            }
        }
        Stage::Stopping { since: None, .. } => {
            last.clone().map_or_else(|| waiting("ContainerCreating"), ContainerState::Terminated)
        }
        Stage::Waiting
        | Stage::Pulling { .. }
        | Stage::Creating { .. }
        | Stage::Failed { .. }
        | Stage::Gone => waiting("ContainerCreating"),
    };
    Container { restarts: memory.restarts, state, last }
}

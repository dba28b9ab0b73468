//! A pod.

use super::{Metadata, Name, REVISION_LABEL, Template};
use crate::Millis;

/// A pod. It has one container that counts, the template's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// `metadata`.
    pub metadata: Metadata,
    /// What it was made of.
    pub template: Template,
    /// The claims that its volumes name.
    pub claims: Vec<Name>,
    /// `status`.
    pub status: PodStatus,
}

impl Pod {
    /// The label `controller-revision-hash`; empty without one.
    pub fn revision(&self) -> &str {
        self.metadata.labels.get(REVISION_LABEL).map_or("", String::as_str)
    }

    /// The number at the end of its name.
    pub fn ordinal(&self) -> Option<u32> {
        ordinal(&self.metadata.name)
    }

    /// Running, and the condition Ready is True.
    pub fn ready(&self) -> bool {
        self.status.phase == Phase::Running && self.status.ready_since.is_some()
    }

    /// Ready for this long.
    pub fn available(&self, min_ready_seconds: u32, now: Millis) -> bool {
        let needed = u64::from(min_ready_seconds) * 1000;
        self.status.ready_since.is_some_and(|since| needed == 0 || since + needed <= now)
    }

    /// Failed or Succeeded: its containers don't come back.
    pub fn ended(&self) -> bool {
        matches!(self.status.phase, Phase::Failed | Phase::Succeeded)
    }
}

/// The name before the ordinal, of a name that ends in `-` and a number.
pub fn parent(pod: &str) -> Option<&str> {
    pod.rsplit_once('-').filter(|(_, number)| is_number(number)).map(|(parent, _)| parent)
}

/// The ordinal at the end of a pod's name. Leading zeros count as a number here, as they do in Kubernetes.
pub fn ordinal(pod: &str) -> Option<u32> {
    let (_, number) = pod.rsplit_once('-')?;
    is_number(number).then(|| number.parse::<i32>().ok())?.and_then(|ordinal| u32::try_from(ordinal).ok())
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the kubelet reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodStatus {
    /// `phase`.
    pub phase: Phase,
    /// `reason`, such as `Evicted`.
    pub reason: Option<Name>,
    /// The condition `PodScheduled` is False with the reason Unschedulable; its message.
    pub unschedulable: Option<Name>,
    /// It has an address.
    pub has_ip: bool,
    /// When the condition Ready became True; `None`: it isn't.
    pub ready_since: Option<Millis>,
    /// `containerStatuses`, the one that counts; `None` until the kubelet has seen the pod.
    pub container: Option<Container>,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, and no container has run.
    #[default]
    Pending,
    /// A container has run; also while it restarts.
    Running,
    /// All containers ended well and stay ended.
    Succeeded,
    /// A container ended badly and stays ended, or the pod was evicted by its kubelet.
    Failed,
}

/// A container's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// `restartCount`.
    pub restarts: u32,
    /// `state`.
    pub state: ContainerState,
    /// `lastState.terminated`.
    pub last: Option<Terminated>,
}

/// `state` of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// `waiting`.
    Waiting {
        /// `reason`, such as `ImagePullBackOff`.
        reason: Name,
    },
    /// `running`.
    Running {
        /// `startedAt`.
        since: Millis,
    },
    /// `terminated`.
    Terminated(Terminated),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminated {
    /// `reason`, such as `Error` or `OOMKilled`.
    pub reason: Name,
    /// `exitCode`.
    pub exit_code: i32,
    /// `finishedAt`.
    pub at: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ordinal_is_the_number_at_the_end() {
        assert_eq!((ordinal("db-11"), parent("db-11")), (Some(11), Some("db")));
        assert_eq!((ordinal("a-b-0"), parent("a-b-0")), (Some(0), Some("a-b")));
        assert_eq!((ordinal("db"), ordinal("db-x1"), ordinal("db-")), (None, None, None));
        assert_eq!(ordinal("db-99999999999"), None);
    }
}

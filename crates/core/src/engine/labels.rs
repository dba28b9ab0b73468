//! `siskin.dev/role` on pods, for queries and Services that select by it. Labels decide nothing here.

use std::time::Duration;

use super::{sides_of, turn::Turn};
use crate::{
    checks::Role,
    decision::Write,
    facts::{Pod, Uid},
};

/// A label whose effect is not seen after this long is written again.
pub(super) const LABEL_AGAIN: Duration = Duration::from_secs(5);

impl Turn<'_> {
    /// Brings one pod's label to what it is in the open rollout; after it, takes one off. Nothing waits for labels, and
    /// everything else goes first.
    pub(super) fn label_pods(&mut self) {
        let Some(record) = &self.record else { return };
        let wanted = record.rollout.as_ref().is_some_and(|rollout| rollout.resolved_policy.pod_labels);
        // Before the first label there is a durable note that there are some to take off.
        if wanted && !record.labelled {
            self.record_mut().labelled = true;
        } else if record.labelled {
            self.next_label(wanted);
        }
    }

    /// Takes the labels off before the record goes; true while there are any that can be.
    pub(super) fn drop_labels(&mut self) -> bool {
        if !self.record().labelled || self.memory.labels_after.is_some() {
            return false;
        }
        self.next_label(false);
        self.record().labelled
    }

    fn next_label(&mut self, wanted: bool) {
        // At rest pods are looked at only as long as there are labels.
        if self.memory.labels_after.is_some() || !self.need_detail() {
            return;
        }
        let (Some(record), Some(detail)) = (&self.record, self.detail) else { return };
        let open = record.rollout.as_ref().filter(|_| wanted);
        let (canary, stable) =
            open.map(|rollout| sides_of(rollout, record.stable.as_ref(), detail)).unwrap_or_default();
        let has = |pods: &[&Pod], uid: &Uid| pods.iter().any(|pod| pod.uid == *uid);
        let role = |pod: &Pod| match () {
            () if has(&canary, &pod.uid) => Some(Role::Canary),
            () if has(&stable, &pod.uid) => Some(Role::Stable),
            () => None,
        };
        let mut wrong = (detail.pods.iter())
            .filter(|pod| !pod.terminating)
            .map(|pod| (pod, role(pod)))
            .filter(|(pod, role)| pod.role.as_deref() != role.map(Role::as_str))
            .peekable();
        if wrong.peek().is_none() && !wanted {
            self.record_mut().labelled = false;
            return;
        }
        let next = wrong.find(|(pod, _)| !self.memory.labelled.contains_key(&pod.uid));
        if let Some((pod, role)) = next
            && self.effect.is_none()
        {
            self.memory.labelled.insert(pod.uid.clone(), self.now.mono);
            self.effect = Some(Write::LabelPod { name: pod.name.clone(), uid: pod.uid.clone(), role });
        }
        self.wake_in(LABEL_AGAIN);
    }
}

//! What happens to a pod's process without a write to the API server.

use siskin_embedded::{model::kubelet, object::Uid};

use crate::{Cluster, translate::millis};

impl Cluster {
    /// Lets a pod's process end, as by a signal from outside.
    pub fn kill(&self, pod: Uid) {
        let now = millis(self.server().now());
        self.upset(pod, |memory| memory.killed("Error", 137, now));
    }

    /// Lets the kubelet evict a pod, as for want of memory or disk: it fails, and its object stays.
    pub fn evict(&self, pod: Uid) {
        self.upset(pod, |memory| memory.failed("Evicted"));
    }

    fn upset(&self, pod: Uid, upset: impl FnOnce(kubelet::Memory) -> kubelet::Memory) {
        self.change(|memory| {
            if let Some(running) = memory.pods.get_mut(&pod) {
                running.kubelet = upset(std::mem::take(&mut running.kubelet));
            }
        });
    }
}

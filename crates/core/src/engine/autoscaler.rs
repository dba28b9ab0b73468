//! Extra pods and something that scales by metrics: it counts them and takes them away, so that both would write
//! `spec.replicas` against each other.

use std::time::Duration;

use super::{rest::surge, turn::Turn};
use crate::{
    facts::Autoscaler,
    policy::{AutoscalerUse, Policy},
    strategy::Plan,
};

/// Nobody tells when an autoscaler is gone; while it is in the way it is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Turn<'_> {
    /// Whether the plan's extra pods may be added beside what scales the workload; reports what stands against it.
    pub(super) fn autoscaler_allows(&mut self, policy: &Policy, plan: &Plan) -> bool {
        let follows = surge(policy).is_none_or(|surge| surge.autoscaler == AutoscalerUse::Follow);
        if plan.surge == 0 || follows {
            return true;
        }
        self.observe.autoscaler = true;
        let why = match self.detail.and_then(|detail| detail.autoscaler.clone()) {
            Some(Autoscaler::Absent) => return true,
            None => return false,
            Some(Autoscaler::Present(name)) => {
                format!(
                    "HorizontalPodAutoscaler `{name}` scales this workload and would count the extra pods"
                )
            }
            Some(Autoscaler::Unknown(why)) => {
                format!("whether an autoscaler counts the extra pods is not known: {why}")
            }
        };
        self.report(
            "AutoscalerInTheWay",
            format!(
                "policy `{}` adds extra pods; {why}. Choose placement InPlace, or surge.autoscaler: Follow, which lets the autoscaler decide how many pods there are with the extra ones",
                policy.name
            ),
        );
        self.wake_in(LOOK_AGAIN);
        false
    }
}

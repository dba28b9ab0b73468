//! What stands around the workload: autoscalers, budgets, Services.

use siskin_core::policy::AutoscalerUse;

use super::{Findings, Service, Surroundings};

impl Findings {
    pub(super) fn of_the_neighbours(&mut self, seen: &Surroundings) {
        let surges = seen.surge().is_some();
        if let Some(autoscalers) = self.seen(&seen.autoscalers, "autoscalers")
            && !autoscalers.is_empty()
        {
            let what = format!("{} scales it", autoscalers.join(", "));
            match seen.surge().map(|surge| surge.autoscaler) {
                Some(AutoscalerUse::Refuse) => self.stops(
                    what,
                    "it would count extra pods, so no rollout would start",
                    "use a policy with placement InPlace, or with surge.autoscaler: Follow",
                ),
                Some(AutoscalerUse::Follow) => self.warns(
                    what,
                    "it counts extra pods and scales with them",
                    "nothing to do, if the workload has no claims; else use placement InPlace",
                ),
                None => {
                    self.tells(
                        what,
                        "a change of replicas in the middle opens the step anew",
                        "nothing to do",
                    );
                }
            }
        }
        if let Some(budgets) = self.seen(&seen.blocking_budgets, "PodDisruptionBudgets")
            && !budgets.is_empty()
        {
            self.tells(
                format!("{} allows no disruption now", budgets.join(", ")),
                "neither the StatefulSet controller nor Siskin asks budgets when a revision changes; nodes can't be drained meanwhile",
                "see that bounds.maxUnavailable and the budget mean the same",
            );
        }
        let Some(services) = self.seen(&seen.services, "Services") else { return };
        let first = services.first().map(|service| service.name.clone());
        if let Some(service) = first.filter(|_| surges && !seen.pre_stop) {
            self.warns(
                format!("extra pods serve behind the Service {service}, and no container has a preStop hook"),
                "requests are lost when an extra pod goes: it ends before everybody knows that it is gone",
                "add lifecycle: { preStop: { sleep: { seconds: 5 } } } to the serving container",
            );
        }
        let early = services.iter().find(|service| surges && service.publishes_not_ready);
        if let Some(Service { name, .. }) = early {
            self.warns(
                format!("the Service {name} has publishNotReadyAddresses"),
                "extra pods get traffic before they are ready, and until they are gone",
                "leave that to the headless Service that gives pods their names",
            );
        }
    }
}

//! What stands in the daemon: whether there is one, and what it may do.

use super::{Findings, Severity, Surroundings};
use crate::cli::daemon::{
    Daemon,
    rights::{MissingRight, Need},
};

impl Findings {
    pub(super) fn of_the_daemon(&mut self, seen: &Surroundings) {
        let until = if seen.observes() {
            "nothing is judged until one runs"
        } else {
            "nothing is parked until one runs, and a template that comes before rolls unjudged"
        };
        match self.seen(&seen.daemon, "who Siskin is, and what it may do,") {
            None | Some(Some(Daemon { ready: true, .. })) => {}
            Some(None) => self.warns(
                "no Siskin looks after it",
                until,
                "see `kubectl get deploy -A -l app.kubernetes.io/name=siskin`, their class (siskin.dev/class) and namespaces",
            ),
            Some(Some(Daemon { deployment, .. })) => self.warns(
                format!("the Deployment {deployment} has no ready pod"),
                until,
                "see its pods and their logs",
            ),
        }
        let Some(missing) = self.seen(&seen.missing_rights, "the rights of Siskin") else { return };
        let mut needs: Vec<Need> = missing.iter().map(|right| right.need).collect();
        needs.sort_unstable();
        needs.dedup();
        for need in needs {
            let of_it: Vec<&MissingRight> = missing.iter().filter(|right| right.need == need).collect();
            let rights: Vec<&str> = of_it.iter().map(|right| right.right.as_str()).collect();
            let Some(MissingRight { user, given_by, .. }) = of_it.first() else { continue };
            let (severity, why) = consequence(need);
            let overlay = if matches!(need, Need::Watch | Need::Enforce) {
                ", or the overlay for one namespace"
            } else {
                ""
            };
            self.add(
                severity,
                format!("{user} may not {}", rights.join(", ")),
                why,
                format!("apply deploy/kustomize/{given_by}{overlay}"),
            );
        }
    }
}

/// What happens without the rights for a need.
fn consequence(need: Need) -> (Severity, &'static str) {
    match need {
        Need::Watch | Need::Enforce => (Severity::Stops, "it could not do its work in this namespace"),
        Need::Claims => (
            Severity::Stops,
            "the policy discards the claims of extra pods, so no rollout would start (MissingRight)",
        ),
        Need::PodGuard => (
            Severity::Stops,
            "its configuration says podGuard: true, and without its lists it does nothing (NotObserved)",
        ),
        Need::Labels => (
            Severity::Warns,
            "rollouts go on without the label siskin.dev/role (NotLabelled), and a query that selects by it has no data",
        ),
        Need::Configuration => (
            Severity::Warns,
            "its configuration says watchConfiguration: true, and changes of ConfigMaps and Secrets stay unseen",
        ),
        Need::Hold => (
            Severity::Warns,
            "it can't see whether the hold is in force, and counts the last step as irrevocable",
        ),
    }
}

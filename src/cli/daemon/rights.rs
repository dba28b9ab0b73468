//! The rights that a daemon needs: what `deploy/kustomize` gives it, and what of it for which policy and configuration.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use siskin_core::{
    configuration::Configuration,
    facts::Workload,
    policy::{ClaimUse, Mode, Placement, Policy, Strategy, Surge},
};

use siskin_daemon::cluster::{Cluster, Error, Question};

/// Questions that are under way at once.
const QUESTIONS: usize = 8;

/// Some verbs on one resource.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// The API group.
    pub group: &'static str,
    /// The resource, with its subresource, if any.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// The folder in `deploy/kustomize` that gives it.
    pub given_by: &'static str,
    /// What it is for.
    pub need: Need,
}

/// What a right is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Need {
    /// Seeing and telling; every workload needs it.
    Watch,
    /// Holding templates back and letting them through: every workload that isn't only observed.
    Enforce,
    /// Asking whether the hold is in force.
    Hold,
    /// `podGuard: true` in the configuration.
    PodGuard,
    /// `podLabels: true` in the policy.
    Labels,
    /// `claims: Discard` in the policy, for a workload that has claims.
    Claims,
    /// `watchConfiguration: true` in the configuration.
    Configuration,
}

const BASE: &str = "base";

/// All of them. What only tells more (reading policies) or belongs to Siskin's own namespace (its Lease) is left out.
pub const RIGHTS: &[Right] = &[
    base(Need::Watch, "apps", "statefulsets", &["list", "watch", "get"]),
    base(Need::Enforce, "apps", "statefulsets", &["patch"]),
    base(Need::Watch, "apps", "controllerrevisions", &["list"]),
    base(Need::Enforce, "apps", "controllerrevisions", &["patch"]),
    base(Need::Watch, "", "pods", &["list", "watch"]),
    base(Need::Enforce, "", "pods", &["delete"]),
    base(Need::Watch, "", "persistentvolumeclaims", &["list"]),
    base(Need::Enforce, "autoscaling", "horizontalpodautoscalers", &["list"]),
    base(Need::Watch, "events.k8s.io", "events", &["create", "list"]),
    component("components/hold-probe", Need::Hold, "apps", "statefulsets/status", &["patch"]),
    component("components/pod-guard", Need::PodGuard, "", "configmaps", GUARD_LISTS),
    component("components/pod-labels", Need::Labels, "", "pods", &["patch"]),
    component("components/claim-deletion", Need::Claims, "", "persistentvolumeclaims", &["delete"]),
    component("components/config-watch", Need::Configuration, "", "configmaps", &["list", "watch"]),
    component("components/config-watch", Need::Configuration, "", "secrets", &["list", "watch"]),
];

const GUARD_LISTS: &[&str] = &["list", "watch", "get", "create", "patch", "delete"];

const fn base(
    need: Need,
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    component(BASE, need, group, resource, verbs)
}

const fn component(
    given_by: &'static str,
    need: Need,
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right { group, resource, verbs, given_by, need }
}

/// What a workload under this policy needs of a daemon that is configured so. What isn't known needs nothing.
pub fn needs(
    workload: &Workload,
    policy: Option<&Policy>,
    configuration: Option<&Configuration>,
) -> BTreeSet<Need> {
    let enforces = policy.is_none_or(|policy| policy.mode == Mode::Enforce);
    let labels = policy.is_some_and(|policy| policy.pod_labels);
    let discards = policy.is_some_and(discards_claims) && !workload.claim_templates.is_empty();
    let guards = configuration.is_some_and(|settings| settings.pod_guard);
    let watches = configuration.is_some_and(|settings| settings.watch_configuration);
    let wanted = [
        (Need::Watch, true),
        (Need::Enforce, enforces),
        // It decides nothing before it has listed them, not even what to observe.
        (Need::PodGuard, guards),
        (Need::Labels, enforces && labels),
        (Need::Claims, enforces && discards),
        (Need::Configuration, enforces && watches),
    ];
    wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(need, _)| need).collect()
}

fn discards_claims(policy: &Policy) -> bool {
    match &policy.strategy {
        Strategy::Canary(canary) => {
            matches!(canary.placement, Placement::Surge(Surge { claims: Some(ClaimUse::Discard), .. }))
        }
        Strategy::RollingUpdate(_) => false,
    }
}

/// A right that a daemon needs and doesn't have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRight {
    /// Who.
    pub user: String,
    /// As in `patch statefulsets/status`.
    pub right: String,
    /// The folder in `deploy/kustomize` that gives it.
    pub given_by: &'static str,
    /// What it is for.
    #[serde(skip)]
    pub need: Need,
}

/// What a user may not of what these needs ask for in a namespace.
pub async fn missing(
    cluster: &Cluster,
    namespace: &str,
    user: &str,
    needs: &BTreeSet<Need>,
) -> Result<Vec<MissingRight>, Error> {
    let needed = RIGHTS.iter().filter(|right| needs.contains(&right.need));
    let asked = needed.flat_map(|right| right.verbs.iter().map(move |verb| (right, *verb)));
    let answers = stream::iter(asked).map(|(right, verb)| lacks(cluster, namespace, user, right, verb));
    answers.buffered(QUESTIONS).try_filter_map(async |missing| Ok(missing)).try_collect().await
}

async fn lacks(
    cluster: &Cluster,
    namespace: &str,
    user: &str,
    right: &Right,
    verb: &'static str,
) -> Result<Option<MissingRight>, Error> {
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
    let question = Question { user, namespace, verb, group: right.group, resource, subresource };
    let allowed = cluster.may(&question).await?;
    Ok((!allowed).then(|| MissingRight {
        user: user.to_owned(),
        right: format!("{verb} {}", right.resource),
        given_by: right.given_by,
        need: right.need,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of a `ClusterRole` or Role as its file in this repository is written: `group resource verb` each.
    fn rules(text: &str) -> BTreeSet<String> {
        let list = |line: &str| -> Vec<String> {
            let inner = line.split(['[', ']']).nth(1).unwrap_or_default();
            inner.split(',').map(|item| item.trim().trim_matches('"').to_owned()).collect()
        };
        let mut parts = text.split("\n---");
        let text = parts.find(|part| part.contains("\nrules:")).unwrap();
        let (mut groups, mut resources, mut rules) = (Vec::new(), Vec::new(), BTreeSet::new());
        for line in text.lines().map(|line| line.split('#').next().unwrap().trim_end()) {
            if line.starts_with("- apiGroups:") {
                groups = list(line);
            } else if line.starts_with("  resources:") {
                resources = list(line);
            } else if let Some(verb) = line.strip_prefix("  - ") {
                for (group, resource) in groups.iter().flat_map(|g| resources.iter().map(move |r| (g, r))) {
                    rules.insert(format!("{group} {resource} {}", verb.trim()));
                }
            }
        }
        rules
    }

    fn ours(given_by: &str) -> BTreeSet<String> {
        let of = |right: &Right| {
            right
                .verbs
                .iter()
                .map(|verb| format!("{} {} {verb}", right.group, right.resource))
                .collect::<Vec<_>>()
        };
        RIGHTS.iter().filter(|right| right.given_by == given_by).flat_map(of).collect()
    }

    #[test]
    fn what_is_asked_for_is_what_the_base_gives() {
        let mut given = rules(include_str!("../../../deploy/kustomize/base/rbac.yaml"));
        given.retain(|rule| !rule.starts_with("admissionregistration.k8s.io "));
        assert_eq!(given, ours(BASE));
    }

    #[test]
    fn what_is_asked_for_is_what_the_components_give() {
        let files = [
            ("hold-probe", include_str!("../../../deploy/kustomize/components/hold-probe/rbac.yaml")),
            ("pod-guard", include_str!("../../../deploy/kustomize/components/pod-guard/rbac.yaml")),
            ("pod-labels", include_str!("../../../deploy/kustomize/components/pod-labels/rbac.yaml")),
            ("claim-deletion", include_str!("../../../deploy/kustomize/components/claim-deletion/rbac.yaml")),
            ("config-watch", include_str!("../../../deploy/kustomize/components/config-watch/rbac.yaml")),
        ];
        for (name, file) in files {
            assert_eq!(rules(file), ours(&format!("components/{name}")), "{name}");
        }
        let given: BTreeSet<_> = RIGHTS.iter().map(|right| right.given_by).collect();
        assert_eq!(given.len(), files.len() + 1, "and the base: {given:?}");
    }

    fn needed(spec: &str, claims: bool, configuration: &Configuration) -> Vec<Need> {
        let text = format!(
            "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: p }}\nspec: {{ {spec} }}\n"
        );
        let policy = siskin_core::policy::parse("p.yaml", &text).unwrap().remove(0);
        let claim_templates = if claims { vec!["data".to_owned()] } else { Vec::new() };
        let workload = Workload { claim_templates, ..Workload::default() };
        needs(&workload, Some(&policy), Some(configuration)).into_iter().collect()
    }

    #[test]
    fn what_is_needed_follows_from_policy_claims_and_configuration() {
        use Need::{Claims, Configuration as Config, Enforce, Labels, PodGuard, Watch};
        let plain = Configuration::default();
        let more = Configuration { pod_guard: true, watch_configuration: true, ..Configuration::default() };
        let surge =
            "strategy: { type: Canary, canary: { placement: { type: Surge, surge: { claims: Discard } } } }";
        assert_eq!(needed("strategy: { type: Canary }", true, &plain), [Watch, Enforce]);
        assert_eq!(needed(surge, true, &plain), [Watch, Enforce, Claims]);
        assert_eq!(needed(surge, false, &plain), [Watch, Enforce]);
        let labels = "strategy: { type: Canary }, podLabels: true";
        assert_eq!(needed(labels, true, &more), [Watch, Enforce, PodGuard, Labels, Config]);
        assert_eq!(needed(&format!("mode: Observe, {labels}"), true, &more), [Watch, PodGuard]);
    }
}

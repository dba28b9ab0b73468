//! The rights that a daemon needs: what `deploy/kustomize` gives it.

use std::collections::BTreeSet;

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
    /// What Siskin can't do without it.
    pub need: Need,
}

/// When a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Always, for every workload.
    Always,
    /// Where the hold is in force.
    Hold,
    /// Where there are lists of released revisions.
    PodGuard,
}

const BASE: &str = "base";

/// All of them. What only tells more (reading policies) or belongs to Siskin's own namespace (its Lease) is left out.
pub const RIGHTS: &[Right] = &[
    always("apps", "statefulsets", &["list", "watch", "get", "patch"]),
    always("apps", "controllerrevisions", &["list", "patch"]),
    always("", "pods", &["list", "watch", "delete"]),
    always("", "persistentvolumeclaims", &["list"]),
    always("autoscaling", "horizontalpodautoscalers", &["list"]),
    always("events.k8s.io", "events", &["create", "list"]),
    Right {
        group: "apps",
        resource: "statefulsets/status",
        verbs: &["patch"],
        given_by: "components/hold-probe",
        need: Need::Hold,
    },
    Right {
        group: "",
        resource: "configmaps",
        verbs: &["list", "watch", "get", "create", "patch", "delete"],
        given_by: "components/pod-guard",
        need: Need::PodGuard,
    },
];

const fn always(group: &'static str, resource: &'static str, verbs: &'static [&'static str]) -> Right {
    Right { group, resource, verbs, given_by: BASE, need: Need::Always }
}

/// The rights for these needs, one by one.
pub fn needed(needs: &BTreeSet<Need>) -> Vec<(Right, &'static str)> {
    RIGHTS
        .iter()
        .filter(|right| needs.contains(&right.need))
        .flat_map(|right| right.verbs.iter().map(|verb| (*right, *verb)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of a `ClusterRole` as its file in this repository is written: `group resource verb` each.
    fn rules(text: &str) -> BTreeSet<String> {
        let list = |line: &str| -> Vec<String> {
            let inner = line.split(['[', ']']).nth(1).unwrap_or_default();
            inner.split(',').map(|item| item.trim().trim_matches('"').to_owned()).collect()
        };
        let text = text.split("kind: ClusterRole\n").nth(1).unwrap().split("\n---").next().unwrap();
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
        let hold = rules(include_str!("../../../deploy/kustomize/components/hold-probe/rbac.yaml"));
        assert_eq!(hold, ours("components/hold-probe"));
        let guard = rules(include_str!("../../../deploy/kustomize/components/pod-guard/rbac.yaml"));
        assert_eq!(guard, ours("components/pod-guard"));
    }
}

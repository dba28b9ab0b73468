//! The kinds that are served: one table, from which paths, discovery, tables and checks are made.

use crate::columns::{self, Column};

/// A resource of the API.
#[derive(Debug)]
pub struct Kind {
    /// Its API group; empty for the core.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its kind.
    pub kind: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// As in messages: `statefulsets.apps`.
    pub resource: &'static str,
    /// What people may type instead.
    pub short_names: &'static [&'static str],
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether `kubectl get all` shows it.
    pub in_all: bool,
    /// What may be done with it.
    pub verbs: &'static [Verb],
    /// `status`, `scale`, `log`.
    pub subresources: &'static [&'static str],
    /// Whether a change of the spec raises `metadata.generation`.
    pub has_generation: bool,
    /// The fields that field selectors may name, beside name and namespace.
    pub selectable: &'static [&'static str],
    /// What kubectl shows, beside the name.
    pub columns: &'static [Column],
}

/// What may be done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// One object is read.
    Get,
    /// All objects are read.
    List,
    /// Changes are followed.
    Watch,
    /// An object is made.
    Create,
    /// An object is replaced.
    Update,
    /// An object is changed in part.
    Patch,
    /// An object is deleted.
    Delete,
    /// All objects of a selection are deleted.
    DeleteCollection,
}

impl Verb {
    /// As discovery and rights name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

const ALL: &[Verb] = &[
    Verb::Create,
    Verb::Delete,
    Verb::DeleteCollection,
    Verb::Get,
    Verb::List,
    Verb::Patch,
    Verb::Update,
    Verb::Watch,
];
const READ: &[Verb] = &[Verb::Get, Verb::List, Verb::Watch];
/// A question: it is answered and not kept.
const ASK: &[Verb] = &[Verb::Create];

/// A resource is the same wherever its entry of the table was copied to.
impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        (self.resource, self.version) == (other.resource, other.version)
    }
}

impl Eq for Kind {}

impl Kind {
    /// `apps/v1`, or `v1` for the core.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As in messages: `StatefulSet.apps`.
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Whether there is such a subresource.
    pub fn has(&self, subresource: &str) -> bool {
        self.subresources.contains(&subresource)
    }

    /// The kind under which its objects are kept: Events are served in two groups.
    pub fn stored(&'static self) -> &'static Kind {
        if self.group == "events.k8s.io" { EVENT } else { self }
    }

    /// Whether it is only asked, never kept.
    pub fn is_question(&self) -> bool {
        self.verbs == ASK
    }
}

/// The kind at this place of the API.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    all().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// Every kind.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().copied()
}

const NOTHING: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    resource: "",
    short_names: &[],
    namespaced: true,
    in_all: false,
    verbs: ALL,
    subresources: &[],
    has_generation: false,
    selectable: &[],
    columns: columns::AGE,
};

/// Pods.
pub const POD: &Kind = &Kind {
    kind: "Pod",
    plural: "pods",
    resource: "pods",
    short_names: &["po"],
    in_all: true,
    subresources: &["log", "status"],
    has_generation: true,
    selectable: &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ],
    columns: columns::POD,
    ..NOTHING
};
/// `StatefulSets`.
pub const STATEFUL_SET: &Kind = &Kind {
    group: "apps",
    kind: "StatefulSet",
    plural: "statefulsets",
    resource: "statefulsets.apps",
    short_names: &["sts"],
    in_all: true,
    subresources: &["scale", "status"],
    has_generation: true,
    columns: columns::STATEFUL_SET,
    ..NOTHING
};
/// `ControllerRevisions`.
pub const CONTROLLER_REVISION: &Kind = &Kind {
    group: "apps",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    resource: "controllerrevisions.apps",
    columns: columns::CONTROLLER_REVISION,
    ..NOTHING
};
/// `PersistentVolumeClaims`.
pub const CLAIM: &Kind = &Kind {
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    resource: "persistentvolumeclaims",
    short_names: &["pvc"],
    subresources: &["status"],
    columns: columns::CLAIM,
    ..NOTHING
};
/// Services.
pub const SERVICE: &Kind = &Kind {
    kind: "Service",
    plural: "services",
    resource: "services",
    short_names: &["svc"],
    in_all: true,
    subresources: &["status"],
    selectable: &["spec.clusterIP", "spec.type"],
    columns: columns::SERVICE,
    ..NOTHING
};
/// `EndpointSlices`.
pub const ENDPOINT_SLICE: &Kind = &Kind {
    group: "discovery.k8s.io",
    kind: "EndpointSlice",
    plural: "endpointslices",
    resource: "endpointslices.discovery.k8s.io",
    has_generation: true,
    columns: columns::ENDPOINT_SLICE,
    ..NOTHING
};
/// `ConfigMaps`.
pub const CONFIG_MAP: &Kind = &Kind {
    kind: "ConfigMap",
    plural: "configmaps",
    resource: "configmaps",
    short_names: &["cm"],
    columns: columns::CONFIG_MAP,
    ..NOTHING
};
/// Secrets.
pub const SECRET: &Kind = &Kind {
    kind: "Secret",
    plural: "secrets",
    resource: "secrets",
    selectable: &["type"],
    columns: columns::SECRET,
    ..NOTHING
};
/// Namespaces.
pub const NAMESPACE: &Kind = &Kind {
    kind: "Namespace",
    plural: "namespaces",
    resource: "namespaces",
    short_names: &["ns"],
    namespaced: false,
    verbs: &[Verb::Create, Verb::Delete, Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch],
    subresources: &["status"],
    selectable: &["status.phase"],
    columns: columns::NAMESPACE,
    ..NOTHING
};
/// Nodes.
pub const NODE: &Kind = &Kind {
    kind: "Node",
    plural: "nodes",
    resource: "nodes",
    short_names: &["no"],
    namespaced: false,
    subresources: &["status"],
    selectable: &["spec.unschedulable"],
    columns: columns::NODE,
    ..NOTHING
};
/// `ServiceAccounts`.
pub const SERVICE_ACCOUNT: &Kind = &Kind {
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    resource: "serviceaccounts",
    short_names: &["sa"],
    ..NOTHING
};
/// Events of the core group, in whose form Events are kept.
pub const EVENT: &Kind = &Kind {
    kind: "Event",
    plural: "events",
    resource: "events",
    short_names: &["ev"],
    selectable: &[
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "involvedObject.uid",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    columns: columns::EVENT,
    ..NOTHING
};
/// The same Events as `events.k8s.io` names their fields.
pub const NEW_EVENT: &Kind = &Kind {
    group: "events.k8s.io",
    resource: "events.events.k8s.io",
    selectable: &[
        "reason",
        "regarding.apiVersion",
        "regarding.fieldPath",
        "regarding.kind",
        "regarding.name",
        "regarding.namespace",
        "regarding.resourceVersion",
        "regarding.uid",
        "reportingController",
        "type",
    ],
    ..*EVENT
};
/// Leases.
pub const LEASE: &Kind = &Kind {
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
    resource: "leases.coordination.k8s.io",
    columns: columns::LEASE,
    ..NOTHING
};
/// `PodDisruptionBudgets`.
pub const DISRUPTION_BUDGET: &Kind = &Kind {
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    resource: "poddisruptionbudgets.policy",
    short_names: &["pdb"],
    subresources: &["status"],
    has_generation: true,
    columns: columns::DISRUPTION_BUDGET,
    ..NOTHING
};
/// `HorizontalPodAutoscalers`.
pub const AUTOSCALER: &Kind = &Kind {
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    resource: "horizontalpodautoscalers.autoscaling",
    short_names: &["hpa"],
    in_all: true,
    subresources: &["status"],
    columns: columns::AUTOSCALER,
    ..NOTHING
};
/// Deployments: none run here, so there are none and none can be made.
pub const DEPLOYMENT: &Kind = &Kind {
    group: "apps",
    kind: "Deployment",
    plural: "deployments",
    resource: "deployments.apps",
    short_names: &["deploy"],
    in_all: true,
    verbs: READ,
    ..NOTHING
};
/// `ValidatingAdmissionPolicies`: none are enforced here, so there are none and none can be made.
pub const VALIDATING_POLICY: &Kind = &Kind {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    resource: "validatingadmissionpolicies.admissionregistration.k8s.io",
    namespaced: false,
    verbs: READ,
    ..NOTHING
};
/// Who the asker is.
pub const SELF_SUBJECT_REVIEW: &Kind = &Kind {
    group: "authentication.k8s.io",
    kind: "SelfSubjectReview",
    plural: "selfsubjectreviews",
    resource: "selfsubjectreviews.authentication.k8s.io",
    namespaced: false,
    verbs: ASK,
    ..NOTHING
};
/// What the asker may do.
pub const SELF_ACCESS_REVIEW: &Kind = &Kind {
    group: "authorization.k8s.io",
    kind: "SelfSubjectAccessReview",
    plural: "selfsubjectaccessreviews",
    resource: "selfsubjectaccessreviews.authorization.k8s.io",
    namespaced: false,
    verbs: ASK,
    ..NOTHING
};
/// What somebody may do.
pub const ACCESS_REVIEW: &Kind = &Kind {
    group: "authorization.k8s.io",
    kind: "SubjectAccessReview",
    plural: "subjectaccessreviews",
    resource: "subjectaccessreviews.authorization.k8s.io",
    namespaced: false,
    verbs: ASK,
    ..NOTHING
};

const KINDS: &[&Kind] = &[
    CONFIG_MAP,
    EVENT,
    NAMESPACE,
    NODE,
    CLAIM,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    SERVICE,
    VALIDATING_POLICY,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    STATEFUL_SET,
    SELF_SUBJECT_REVIEW,
    SELF_ACCESS_REVIEW,
    ACCESS_REVIEW,
    AUTOSCALER,
    LEASE,
    ENDPOINT_SLICE,
    NEW_EVENT,
    DISRUPTION_BUDGET,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_as_messages_name_it() {
        for kind in all() {
            let named = if kind.group.is_empty() {
                kind.plural.to_owned()
            } else {
                format!("{}.{}", kind.plural, kind.group)
            };
            assert_eq!(kind.resource, named);
        }
    }

    #[test]
    fn every_place_in_the_api_is_one_kind() {
        for kind in all() {
            assert!(find(kind.group, kind.version, kind.plural) == Some(kind), "{}", kind.resource);
        }
    }
}

//! Object metadata, as far as it is read.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use siskin_core::{
    facts::{Uid, Writer},
    time::Wall,
};

use crate::{clock, cluster::FIELD_MANAGER};

/// The annotations of ours.
pub const PREFIX: &str = siskin_core::decision::PREFIX;

/// `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// `name`.
    pub name: String,
    /// `namespace`.
    pub namespace: String,
    /// `uid`.
    pub uid: Uid,
    /// `resourceVersion`.
    pub resource_version: String,
    /// `generation`.
    pub generation: i64,
    /// `creationTimestamp`.
    pub creation_timestamp: Option<String>,
    /// `deletionTimestamp`.
    pub deletion_timestamp: Option<String>,
    /// `labels`.
    pub labels: BTreeMap<String, String>,
    /// `annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `ownerReferences`.
    pub owner_references: Vec<Owner>,
    /// `managedFields`.
    pub managed_fields: Vec<ManagedFields>,
}

impl Meta {
    /// Whether the object's controller is the one of this UID.
    pub fn controlled_by(&self, uid: &Uid) -> bool {
        self.owner_references.iter().any(|owner| owner.controller && owner.uid == *uid)
    }

    /// The annotations under `siskin.dev/`, without the prefix.
    pub fn ours(&self) -> BTreeMap<String, String> {
        self.annotations
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?.to_owned(), value.clone())))
            .collect()
    }

    /// When it was made.
    pub fn created(&self) -> Wall {
        self.creation_timestamp.as_deref().and_then(clock::parse).unwrap_or_default()
    }

    /// Who wrote `spec.replicas` last.
    pub fn replicas_writer(&self) -> Writer {
        let writes = self.managed_fields.iter().filter(|entry| entry.writes_replicas());
        // A write takes the field from its owner, so there is mostly one. Times have a resolution of one second; of two
        // in the same second ours is not the news.
        writes
            .max_by_key(|entry| (&entry.time, entry.manager != FIELD_MANAGER))
            .map_or(Writer::Unknown, ManagedFields::writer)
    }
}

/// One of `ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// `uid`.
    pub uid: Uid,
    /// `controller`.
    pub controller: bool,
}

/// One of `managedFields`, as far as it tells who wrote `spec.replicas`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedFields {
    manager: String,
    operation: String,
    subresource: String,
    /// RFC 3339 in UTC, so that texts compare as times.
    time: String,
    fields_v1: Fields,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "f:spec")]
    spec: SpecFields,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SpecFields {
    #[serde(rename = "f:replicas")]
    replicas: Option<IgnoredAny>,
}

impl ManagedFields {
    fn writes_replicas(&self) -> bool {
        self.fields_v1.spec.replicas.is_some()
    }

    fn writer(&self) -> Writer {
        /// The HPA controller runs in the controller manager and writes under its name.
        const AUTOSCALERS: [&str; 4] =
            ["kube-controller-manager", "horizontal-pod-autoscaler", "keda", "vpa"];
        const APPLIERS: [&str; 6] = [
            "argocd",
            "flux",
            "kustomize-controller",
            "helm-controller",
            "helm",
            "kubectl-client-side-apply",
        ];
        let named = |names: &[&str]| names.iter().any(|name| self.manager.starts_with(name));
        let manager = self.manager.clone();
        if self.subresource == "scale" {
            return if named(&AUTOSCALERS) { Writer::Autoscaler(manager) } else { Writer::Person(manager) };
        }
        match self.manager.as_str() {
            FIELD_MANAGER => Writer::Siskin,
            _ if self.operation == "Apply" || named(&APPLIERS) => Writer::Applier(manager),
            _ => Writer::Person(manager),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(manager: &str, operation: &str, subresource: &str, time: &str) -> serde_json::Value {
        json!({
            "manager": manager, "operation": operation, "subresource": subresource, "time": time,
            "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": { "f:metadata": { "f:labels": {} }, "f:spec": { "f:replicas": {}, "f:template": { "f:spec": {} } } },
        })
    }

    fn writer(entries: &[serde_json::Value]) -> Writer {
        serde_json::from_value::<Meta>(json!({ "managedFields": entries })).unwrap().replicas_writer()
    }

    #[test]
    fn the_newest_owner_of_replicas_counts() {
        let old = entry("kubectl-client-side-apply", "Update", "", "2026-01-01T10:00:00Z");
        let new = entry("siskin", "Update", "", "2026-01-01T10:00:05Z");
        let mut status = entry("someone", "Update", "status", "2026-01-01T11:00:00Z");
        status["fieldsV1"] = json!({ "f:status": { "f:replicas": {} } });
        assert_eq!(writer(&[new, old, status]), Writer::Siskin);
        assert_eq!(writer(&[]), Writer::Unknown);
    }

    #[test]
    fn scaling_by_metrics_is_told_from_scaling_by_hand() {
        let at = "2026-01-01T10:00:00Z";
        let by = |manager: &str| writer(&[entry(manager, "Update", "scale", at)]);
        assert_eq!(by("kube-controller-manager"), Writer::Autoscaler("kube-controller-manager".into()));
        assert_eq!(by("keda-operator"), Writer::Autoscaler("keda-operator".into()));
        assert_eq!(by("kubectl"), Writer::Person("kubectl".into()));
    }

    /// As Kubernetes 1.35 writes it: an entry for the scale subresource has no time. Beside it stands a tool that
    /// co-owns the field no longer.
    #[test]
    fn a_write_through_the_scale_subresource_has_no_time() {
        let mut scaled = entry("kube-controller-manager", "Update", "scale", "");
        scaled.as_object_mut().unwrap().remove("time");
        let mut applied = entry("kubectl", "Apply", "", "2026-01-01T10:00:00Z");
        applied["fieldsV1"] = json!({ "f:spec": { "f:template": {} } });
        assert_eq!(writer(&[applied, scaled]), Writer::Autoscaler("kube-controller-manager".into()));
    }

    #[test]
    fn each_real_writer_is_known() {
        let at = "2026-01-01T10:00:00Z";
        let by = |manager: &str, operation: &str| writer(&[entry(manager, operation, "", at)]);
        for (manager, operation) in [
            ("kubectl-client-side-apply", "Update"),
            ("kubectl", "Apply"),
            ("helm", "Update"),
            ("helm", "Apply"),
            ("argocd-controller", "Update"),
            ("argocd-controller", "Apply"),
            ("kustomize-controller", "Apply"),
            ("helm-controller", "Apply"),
        ] {
            assert_eq!(by(manager, operation), Writer::Applier(manager.into()), "{manager} by {operation}");
        }
        for manager in ["kubectl-edit", "kubectl-patch", "kubectl-replace"] {
            assert_eq!(by(manager, "Update"), Writer::Person(manager.into()));
        }
    }

    #[test]
    fn appliers_are_known_by_operation_or_by_name() {
        let at = "2026-01-01T10:00:00Z";
        assert_eq!(writer(&[entry("kubectl", "Apply", "", at)]), Writer::Applier("kubectl".into()));
        assert_eq!(
            writer(&[entry("argocd-controller", "Update", "", at)]),
            Writer::Applier("argocd-controller".into())
        );
        assert_eq!(writer(&[entry("helm", "Update", "", at)]), Writer::Applier("helm".into()));
        assert_eq!(writer(&[entry("kubectl-edit", "Update", "", at)]), Writer::Person("kubectl-edit".into()));
    }
}

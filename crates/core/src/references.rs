//! The ConfigMaps and Secrets that a pod template refers to, and their versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use crate::{
    facts::{Detail, Workload},
    state::Record,
    time::Wall,
};

/// The kinds of objects that configure pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// A ConfigMap or Secret in the workload's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// What is known of an object without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its resourceVersion, or a number that differs where that does. A change of labels changes it too.
    pub number: u64,
    /// When it was made or last written (API time, whole seconds).
    pub written: Wall,
}

/// Each object that is referred to, as it is now; `None`: there is none.
pub type Versions = BTreeMap<Reference, Option<Version>>;

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

impl Reference {
    /// The key in the state.
    pub fn key(&self) -> String {
        format!("{:?}/{}", self.kind, self.name)
    }

    /// The reference of a key.
    pub fn of_key(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('/')?;
        let kind = [Kind::ConfigMap, Kind::Secret].into_iter().find(|known| format!("{known:?}") == kind)?;
        Some(Self { kind, name: name.to_owned() })
    }
}

/// What a pod of this template (`spec.template`) mounts or reads as environment, in any of its containers. Image pull
/// secrets configure no process and are left out; what a program reads from the API server by itself can't be known.
pub fn of_template(template: &Value) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let Some(spec) = template.get("spec") else { return found };
    let mut add = |kind, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) {
            found.insert(Reference { kind, name: name.to_owned() });
        }
    };
    for volume in items(spec, "volumes") {
        add(Kind::ConfigMap, volume.pointer("/configMap/name"));
        add(Kind::Secret, volume.pointer("/secret/secretName"));
        for source in volume.get("projected").into_iter().flat_map(|projected| items(projected, "sources")) {
            add(Kind::ConfigMap, source.pointer("/configMap/name"));
            add(Kind::Secret, source.pointer("/secret/name"));
        }
    }
    let containers = ["containers", "initContainers", "ephemeralContainers"];
    for container in containers.into_iter().flat_map(|list| items(spec, list)) {
        for source in items(container, "envFrom") {
            add(Kind::ConfigMap, source.pointer("/configMapRef/name"));
            add(Kind::Secret, source.pointer("/secretRef/name"));
        }
        for variable in items(container, "env") {
            add(Kind::ConfigMap, variable.pointer("/valueFrom/configMapKeyRef/name"));
            add(Kind::Secret, variable.pointer("/valueFrom/secretKeyRef/name"));
        }
    }
    found
}

fn items<'a>(object: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// What the next step has to know the versions of: whatever pods of the workload may be configured by, as far as their
/// templates are known, and what the state speaks of.
pub fn of_workload(
    record: Option<&Record>,
    workload: &Workload,
    detail: Option<&Detail>,
) -> BTreeSet<Reference> {
    let mut all = of_template(&workload.template);
    let revisions = detail.into_iter().flat_map(|detail| &detail.revisions);
    let in_use = |name| record.is_some_and(|record| record.runs(name));
    all.extend(revisions.filter(|it| in_use(&it.name)).flat_map(|it| of_template(&it.template)));
    let known = record.into_iter().flat_map(|record| record.configuration.keys());
    all.extend(known.filter_map(|key| Reference::of_key(key)));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(template: &Value) -> Vec<String> {
        of_template(template).iter().map(Reference::key).collect()
    }

    #[test]
    fn volumes_and_environments_of_all_containers_are_read() {
        let template = json!({ "spec": {
            "imagePullSecrets": [{ "name": "registry" }],
            "volumes": [
                { "name": "a", "configMap": { "name": "volume" } },
                { "name": "b", "secret": { "secretName": "volume" } },
                { "name": "c", "projected": { "sources": [
                    { "configMap": { "name": "projected" } },
                    { "secret": { "name": "projected" } },
                    { "serviceAccountToken": { "path": "token" } },
                ] } },
                { "name": "d", "emptyDir": {} },
            ],
            "containers": [{
                "envFrom": [{ "configMapRef": { "name": "env-from" } }, { "prefix": "X", "secretRef": { "name": "env-from" } }],
                "env": [
                    { "name": "PLAIN", "value": "1" },
                    { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "env", "key": "a" } } },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "env", "key": "b", "optional": true } } },
                    { "name": "C", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                ],
            }],
            "initContainers": [{ "envFrom": [{ "configMapRef": { "name": "init" } }] }],
            "ephemeralContainers": [{ "env": [{ "valueFrom": { "secretKeyRef": { "name": "ephemeral" } } }] }],
        } });
        assert_eq!(
            keys(&template),
            [
                "ConfigMap/env",
                "ConfigMap/env-from",
                "ConfigMap/init",
                "ConfigMap/projected",
                "ConfigMap/volume",
                "Secret/env",
                "Secret/env-from",
                "Secret/ephemeral",
                "Secret/projected",
                "Secret/volume",
            ]
        );
    }

    #[test]
    fn a_template_of_any_shape_is_no_trouble() {
        for template in [
            json!(null),
            json!({ "spec": 1 }),
            json!({ "spec": { "volumes": {}, "containers": [null, 3, { "env": "x", "envFrom": [[]] }] } }),
            json!({ "spec": { "volumes": [{ "configMap": { "name": "" } }, { "secret": { "secretName": 4 } }] } }),
        ] {
            assert_eq!(keys(&template), Vec::<String>::new(), "{template}");
        }
    }

    #[test]
    fn a_key_leads_back_to_its_reference() {
        let reference = Reference { kind: Kind::Secret, name: "tls.v1".into() };
        assert_eq!(Reference::of_key(&reference.key()), Some(reference));
        for strange in ["", "Secret", "Pod/a", "secret/a"] {
            assert_eq!(Reference::of_key(strange), None, "{strange}");
        }
    }
}

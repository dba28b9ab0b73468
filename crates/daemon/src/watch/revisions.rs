//! `ControllerRevisions`: the templates that Kubernetes keeps, and what rollouts found of them.

use serde::Deserialize;
use serde_json::Value;
use siskin_core::facts::{Revision, RevisionFact, RevisionVerdict, Uid};

use super::meta::Meta;

/// A ControllerRevision, as listed.
#[derive(Deserialize)]
pub struct ControllerRevision {
    metadata: Meta,
    #[serde(default)]
    revision: i64,
    #[serde(default)]
    data: Value,
}

impl ControllerRevision {
    /// Whether its controller is the one of this UID.
    pub fn owned_by(&self, uid: &Uid) -> bool {
        self.metadata.controlled_by(uid)
    }
}

impl From<ControllerRevision> for RevisionFact {
    fn from(ControllerRevision { metadata, revision, mut data }: ControllerRevision) -> Self {
        let mut template = data.pointer_mut("/spec/template").map(Value::take).unwrap_or_default();
        if let Some(template) = template.as_object_mut() {
            // The StatefulSet controller stores a strategic merge patch that replaces the template.
            template.remove("$patch");
        }
        let mut ours = metadata.ours();
        Self {
            created: metadata.created(),
            name: Revision(metadata.name),
            resource_version: metadata.resource_version,
            number: revision,
            template,
            verdict: ours.get("verdict").and_then(|verdict| verdict_of(verdict)),
            rollout: ours.remove("rollout"),
        }
    }
}

fn verdict_of(text: &str) -> Option<RevisionVerdict> {
    use RevisionVerdict::{Rejected, Stable, Superseded};
    [Stable, Rejected, Superseded].into_iter().find(|verdict| verdict.as_str() == text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use siskin_core::time::Wall;

    use super::*;

    #[test]
    fn the_template_comes_without_its_patch_directive() {
        let listed: ControllerRevision = serde_json::from_value(json!({
            "metadata": {
                "name": "db-6f", "resourceVersion": "3", "creationTimestamp": "1970-01-01T00:01:00Z",
                "ownerReferences": [{ "uid": "u-1", "controller": true }],
                "annotations": { "siskin.dev/verdict": "rejected", "siskin.dev/rollout": "r7", "siskin.dev/policy": "x" }
            },
            "revision": 4,
            "data": { "spec": { "template": { "$patch": "replace", "spec": { "containers": [] } } } }
        }))
        .unwrap();
        assert!(listed.owned_by(&Uid::from("u-1")));
        let fact = RevisionFact::from(listed);
        assert_eq!(fact.template, json!({ "spec": { "containers": [] } }));
        assert_eq!((fact.number, fact.verdict), (4, Some(RevisionVerdict::Rejected)));
        assert_eq!(fact.created, Wall(60));
        assert_eq!(fact.rollout.as_deref(), Some("r7"));
    }
}

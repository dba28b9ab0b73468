//! `HorizontalPodAutoscalers`: only what they scale. KEDA and others make one for each object of theirs.

use serde::Deserialize;
use siskin_core::facts::Workload;

use super::meta::Meta;

/// An autoscaler, as listed.
#[derive(Deserialize)]
pub struct Autoscaler {
    metadata: Meta,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: Target,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Target {
    api_version: String,
    kind: String,
    name: String,
}

impl Autoscaler {
    /// Whether it scales the workload. The version of the API doesn't matter to its target.
    pub fn scales(&self, workload: &Workload) -> bool {
        let Target { api_version, kind, name } = &self.spec.scale_target_ref;
        kind == "StatefulSet" && api_version.starts_with("apps/") && *name == workload.name
    }

    /// Its name.
    pub fn into_name(self) -> String {
        self.metadata.name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_autoscaler_belongs_to_the_stateful_set_that_it_names() {
        let scales = |version: &str, kind: &str, name: &str| {
            let target = json!({ "apiVersion": version, "kind": kind, "name": name });
            let listed = json!({ "metadata": { "name": "hpa" }, "spec": { "scaleTargetRef": target, "maxReplicas": 5 } });
            let workload = Workload { name: "db".to_owned(), ..Workload::default() };
            serde_json::from_value::<Autoscaler>(listed).unwrap().scales(&workload)
        };
        assert!(scales("apps/v1", "StatefulSet", "db"));
        assert!(!scales("apps/v1", "StatefulSet", "db2"));
        assert!(!scales("apps/v1", "Deployment", "db"));
        assert!(!scales("example.com/v1", "StatefulSet", "db"));
    }
}

//! The sample application as objects: a StatefulSet, a Service for traffic and the headless Service.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::images;
use crate::view::PARKED;

/// Where the sample application listens.
pub const PORT: u16 = 8000;

/// Pods have this long to end. The application takes 2 s.
pub const GRACE_SECONDS: u32 = 4;

/// A StatefulSet of the sample application, told in few words. What isn't said: 3 replicas of v1, `Parallel`,
/// one claim per pod, no policy.
#[derive(Debug, Clone)]
pub struct Visits {
    pub name: String,
    pub replicas: i32,
    pub version: String,
    pub first_ordinal: i32,
    policy: Option<String>,
    parked: bool,
    class: Option<String>,
    ordered: bool,
    fault: Option<String>,
    configured: bool,
    takes: Option<&'static str>,
}

impl Visits {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            replicas: 3,
            version: "v1".into(),
            first_ordinal: 0,
            policy: None,
            parked: false,
            class: None,
            ordered: false,
            fault: None,
            configured: false,
            takes: None,
        }
    }

    pub fn replicas(self, replicas: i32) -> Self {
        Self { replicas, ..self }
    }

    pub fn version(self, version: &str) -> Self {
        Self { version: version.into(), ..self }
    }

    /// Opted in to the policy of this name.
    pub fn policy(self, name: &str) -> Self {
        Self { policy: Some(name.into()), ..self }
    }

    /// With a partition of 1000000.
    pub fn parked(self) -> Self {
        Self { parked: true, ..self }
    }

    /// Of this class.
    pub fn class(self, name: &str) -> Self {
        Self { class: Some(name.into()), ..self }
    }

    /// `OrderedReady`.
    pub fn ordered(self) -> Self {
        Self { ordered: true, ..self }
    }

    pub fn first_ordinal(self, first_ordinal: i32) -> Self {
        Self { first_ordinal, ..self }
    }

    /// Faults from the start, as in `/admin/fault?...`.
    pub fn fault(self, fault: &str) -> Self {
        Self { fault: Some(fault.into()), ..self }
    }

    /// With the ConfigMap `<name>-env` as environment and the Secret `<name>-files` as a volume.
    pub fn configured(self) -> Self {
        Self { configured: true, ..self }
    }

    /// Each pod takes one of this resource of its node.
    pub fn takes(self, resource: &'static str) -> Self {
        Self { takes: Some(resource), ..self }
    }

    pub fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    pub fn statefulset(&self) -> Value {
        let strategy = self.parked.then(|| json!({ "rollingUpdate": { "partition": PARKED } }));
        let of = |name: &str, value: &Option<String>| Some((format!("siskin.dev/{name}"), value.clone()?));
        let annotations: BTreeMap<_, _> =
            [of("policy", &self.policy), of("class", &self.class)].into_iter().flatten().collect();
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": { "name": self.name, "annotations": annotations },
            "spec": {
                "replicas": self.replicas,
                "serviceName": format!("{}-pods", self.name),
                "podManagementPolicy": if self.ordered { "OrderedReady" } else { "Parallel" },
                "updateStrategy": strategy,
                "ordinals": { "start": self.first_ordinal },
                "selector": { "matchLabels": { "app": self.name } },
                "template": {
                    "metadata": { "labels": { "app": self.name } },
                    "spec": {
                        "terminationGracePeriodSeconds": GRACE_SECONDS,
                        "automountServiceAccountToken": false,
                        "volumes": self.volumes(),
                        "containers": [self.container()],
                    },
                },
                "volumeClaimTemplates": [{
                    "metadata": { "name": "data" },
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": { "requests": { "storage": "16Mi" } },
                    },
                }],
            },
        })
    }

    fn volumes(&self) -> Value {
        let secret = format!("{}-files", self.name);
        if self.configured {
            json!([{ "name": "files", "secret": { "secretName": secret } }])
        } else {
            Value::Null
        }
    }

    fn container(&self) -> Value {
        let configuration = format!("{}-env", self.name);
        let environment_from =
            self.configured.then(|| json!([{ "configMapRef": { "name": configuration } }]));
        let mut environment = vec![
            json!({ "name": "VERSION", "value": self.version }),
            json!({ "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }),
        ];
        environment.extend(self.fault.as_ref().map(|fault| json!({ "name": "FAULT", "value": fault })));
        json!({
            "name": "visits",
            "image": images::visits(&self.version),
            "imagePullPolicy": "IfNotPresent",
            "env": environment,
            "envFrom": environment_from,
            "resources": self.takes.map(|resource| json!({ "limits": { resource: 1 } })),
            "ports": [{ "name": "web", "containerPort": PORT }],
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            "readinessProbe":
                { "httpGet": { "path": "/healthz", "port": "web" }, "periodSeconds": 1, "failureThreshold": 1 },
        })
    }

    /// The Service for traffic.
    pub fn service(&self) -> Value {
        self.service_named(&self.name, None)
    }

    /// The Service that gives pods their names.
    pub fn headless_service(&self) -> Value {
        self.service_named(&format!("{}-pods", self.name), Some("None"))
    }

    fn service_named(&self, name: &str, address: Option<&str>) -> Value {
        let ports = json!([{ "name": "web", "port": PORT }]);
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": name },
            "spec": { "selector": { "app": self.name }, "ports": ports, "clusterIP": address },
        })
    }
}

/// The strategic merge patch of a template to another `VERSION` and image, as `kubectl set image` and `set env` would
/// do, with other variables beside.
pub fn template_patch(version: &str, image: &str, others: &[Value]) -> Value {
    let mut environment = vec![json!({ "name": "VERSION", "value": version })];
    environment.extend_from_slice(others);
    let container = json!({ "name": "visits", "image": image, "env": environment });
    json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
}

//! What the API server fills in.

mod pod;

use serde_json::{Value, json};

use crate::{kinds::Kind, value};

/// The claims of a cluster are guarded by this finalizer; whoever knows which pods use them takes it away.
const CLAIM_PROTECTION: &str = "kubernetes.io/pvc-protection";

/// Fills in a new object; `allocate` gives what a cluster gives out.
pub fn of_new(kind: &'static Kind, object: &mut Value, allocate: impl FnOnce(&mut Value)) {
    match kind.plural {
        "statefulsets" => value::set(object, &[], "status", json!({ "availableReplicas": 0, "replicas": 0 })),
        "pods" => value::set(object, &[], "status", json!({ "phase": "Pending", "qosClass": "BestEffort" })),
        "persistentvolumeclaims" => {
            value::set(object, &[], "status", json!({ "phase": "Pending" }));
            let mut finalizers = value::items(object, &["metadata", "finalizers"]).to_vec();
            if !finalizers.iter().any(|finalizer| finalizer == CLAIM_PROTECTION) {
                finalizers.push(CLAIM_PROTECTION.into());
            }
            value::set(object, &["metadata"], "finalizers", finalizers);
        }
        "services" => value::set(object, &[], "status", json!({ "loadBalancer": {} })),
        "namespaces" => {
            value::set(object, &[], "status", json!({ "phase": "Active" }));
            let name = value::text(object, &["metadata", "name"]).to_owned();
            value::set(object, &["metadata", "labels"], "kubernetes.io/metadata.name", name);
        }
        _ => {}
    }
    of_changed(kind, object);
    allocate(object);
}

/// Fills in what a changed object lacks.
pub fn of_changed(kind: &'static Kind, object: &mut Value) {
    match kind.plural {
        "statefulsets" => stateful_set(object),
        "pods" => {
            pod::spec(value::object(object).entry("spec").or_insert(Value::Null));
            value::default(object, &["spec"], "enableServiceLinks", true);
        }
        "persistentvolumeclaims" => claim(object),
        "services" => service(object),
        "secrets" => secret(object),
        _ => {}
    }
}

fn stateful_set(set: &mut Value) {
    let spec = &["spec"];
    value::default(set, spec, "podManagementPolicy", "OrderedReady");
    // Without a type everything is default; a RollingUpdate without parameters stays without.
    if value::text(set, &["spec", "updateStrategy", "type"]).is_empty() {
        value::set(set, &["spec", "updateStrategy"], "type", "RollingUpdate");
        value::default(set, &["spec", "updateStrategy"], "rollingUpdate", json!({}));
    }
    let rolls = value::text(set, &["spec", "updateStrategy", "type"]) == "RollingUpdate";
    if rolls && value::of(set, &["spec", "updateStrategy", "rollingUpdate"]).is_object() {
        value::default(set, &["spec", "updateStrategy", "rollingUpdate"], "partition", 0);
        // Its feature gate is off, so the field is dropped.
        value::remove(set, &["spec", "updateStrategy", "rollingUpdate"], "maxUnavailable");
    }
    for when in ["whenDeleted", "whenScaled"] {
        value::default(set, &["spec", "persistentVolumeClaimRetentionPolicy"], when, "Retain");
    }
    value::default(set, spec, "replicas", 1);
    value::default(set, spec, "revisionHistoryLimit", 10);
    pod::spec(value::map(set, &["spec", "template"]).entry("spec").or_insert(Value::Null));
    if let Some(Value::Array(claims)) = value::map(set, &["spec"]).get_mut("volumeClaimTemplates") {
        for template in claims {
            value::default(template, &[], "apiVersion", "v1");
            value::default(template, &[], "kind", "PersistentVolumeClaim");
            value::default(template, &["spec"], "volumeMode", "Filesystem");
            value::default(template, &["status"], "phase", "Pending");
        }
    }
}

fn claim(claim: &mut Value) {
    value::default(claim, &["spec"], "volumeMode", "Filesystem");
}

fn secret(secret: &mut Value) {
    value::default(secret, &[], "type", "Opaque");
}

fn service(service: &mut Value) {
    let spec = &["spec"];
    value::default(service, spec, "sessionAffinity", "None");
    value::default(service, spec, "type", "ClusterIP");
    if value::text(service, &["spec", "type"]) != "ExternalName" {
        value::default(service, spec, "internalTrafficPolicy", "Cluster");
        value::default(service, spec, "ipFamilies", json!(["IPv4"]));
        value::default(service, spec, "ipFamilyPolicy", "SingleStack");
    }
    if let Some(Value::Array(ports)) = value::map(service, spec).get_mut("ports") {
        for port in ports {
            value::default(port, &[], "protocol", "TCP");
            let number = port["port"].clone();
            value::default(port, &[], "targetPort", number);
        }
    }
}

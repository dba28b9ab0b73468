//! Services and their `EndpointSlices`.

use serde_json::{Value, json};
use siskin_embedded::object::{Endpoint, Kind, Owner, Service};

use super::{
    Untranslatable, items,
    metadata::{metadata, strings},
    number, text, with_owner,
};

/// The label that names a slice's Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names a slice's controller, and its value.
pub const MANAGED_BY: (&str, &str) =
    ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");

/// Reads a Service.
pub fn read(object: &Value) -> Result<Service, Untranslatable> {
    Ok(Service {
        metadata: metadata(object)?,
        selector: strings(object.pointer("/spec/selector")),
        publish_not_ready: object.pointer("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true)),
    })
}

/// The slice that the controller makes for a Service, but for its endpoints.
pub fn new_slice(service: &Service) -> Value {
    let name = &service.metadata.name;
    let owner =
        Owner { kind: Kind::Service, name: name.clone(), uid: service.metadata.uid, controller: true };
    let mut slice = with_owner(&json!({}), &owner);
    super::merge(
        &mut slice,
        json!({
            "metadata": { "generateName": format!("{name}-"), "labels": { SERVICE_NAME: &**name, MANAGED_BY.0: MANAGED_BY.1 } },
            "addressType": "IPv4",
        }),
    );
    slice
}

/// What a slice says: the endpoints, and the ports as the first of their pods resolves them. `pod` gives a pod's
/// object by name.
pub fn slice_patch<'a>(
    service: &Value,
    endpoints: &[Endpoint],
    pod: impl Fn(&str) -> Option<&'a Value>,
) -> Value {
    let shown: Vec<Value> = endpoints
        .iter()
        .map(|endpoint| {
            let pod = pod(&endpoint.pod).unwrap_or(&Value::Null);
            let mut shown = json!({
                "addresses": [text(pod, "/status/podIP")],
                "conditions": { "ready": endpoint.ready, "serving": endpoint.serving, "terminating": endpoint.terminating },
                "nodeName": text(pod, "/spec/nodeName"),
                "targetRef": { "kind": "Pod", "name": &*endpoint.pod, "namespace": text(pod, "/metadata/namespace"),
                    "uid": endpoint.uid.to_string() },
            });
            if text(pod, "/spec/subdomain") == text(service, "/metadata/name") {
                super::merge(&mut shown, json!({ "hostname": text(pod, "/spec/hostname") }));
            }
            shown
        })
        .collect();
    let first = endpoints.first().and_then(|endpoint| pod(&endpoint.pod));
    let ports: Vec<Value> = items(service, "/spec/ports")
        .iter()
        .map(|port| {
            let number = match &port["targetPort"] {
                Value::String(name) => first.and_then(|pod| named_port(pod, name)).map(Value::from),
                number => Some(number.clone()),
            };
            json!({ "name": text(port, "/name"), "port": number, "protocol": port["protocol"] })
        })
        .collect();
    json!({ "endpoints": shown, "ports": ports })
}

fn named_port(pod: &Value, name: &str) -> Option<i64> {
    let ports = items(pod, "/spec/containers").iter().flat_map(|container| items(container, "/ports"));
    let port = ports.into_iter().find(|port| text(port, "/name") == name)?;
    Some(number(port, "/containerPort"))
}

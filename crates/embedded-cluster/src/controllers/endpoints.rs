//! `EndpointSlices` of Services that select pods, and the way of clients' requests behind them.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use siskin_embedded::{
    Millis,
    model::endpoints,
    object::{Endpoint, Service},
};
use siskin_embedded_api::{
    kinds::ENDPOINT_SLICE,
    store::{Part, Query, Target},
};

use super::Pass;
use crate::{
    seen::{Object, Seen, Space, all, typed, versions},
    translate::{
        merge,
        service::{MANAGED_BY, SERVICE_NAME, new_slice, slice_patch},
        text,
    },
};

const ENDPOINTS: &str = "endpointslice-controller";
/// How long kube-proxy takes to see new endpoints, at least and at most (seen: the last answer from the old pods came
/// 57 to 194 ms after a flip of the selector).
const PROXY: (Millis, Millis) = (40, 180);

pub(super) fn sync(pass: &mut Pass<'_>, seen: &Seen) {
    let mut served = BTreeSet::new();
    for (namespace, space) in &seen.spaces {
        let slices = all(pass.store, &Query::namespaced(ENDPOINT_SLICE, namespace));
        for service in &space.services {
            served.insert((namespace.clone(), service.typed.metadata.name.clone()));
            if !service.typed.selector.is_empty() && !service.typed.metadata.terminating() {
                sync_one(pass, namespace, space, service, &slices);
            }
        }
    }
    pass.memory.routes.retain(|service, _| served.contains(service));
}

fn sync_one(
    pass: &mut Pass<'_>,
    namespace: &str,
    space: &Space,
    service: &Object<Service>,
    slices: &[Arc<Value>],
) {
    let key = (namespace.to_owned(), service.typed.metadata.name.clone());
    let label = |slice: &Value, name: &str| {
        let labels = slice.pointer("/metadata/labels");
        labels.and_then(|labels| labels[name].as_str()).unwrap_or_default().to_owned()
    };
    let slice = slices.iter().find(|slice| {
        label(slice, SERVICE_NAME) == *service.typed.metadata.name
            && label(slice, MANAGED_BY.0) == MANAGED_BY.1
    });
    let pods = space.pods.iter().map(|pod| &pod.json);
    let looked_at = versions(slice.into_iter().chain([&service.json]).chain(pods));
    let route = pass.memory.routes.entry(key).or_default();
    if route.looked_at == looked_at {
        return;
    }
    route.looked_at = looked_at;
    let view = endpoints::View { service: &service.typed, pods: typed(&space.pods), slice: None };
    let endpoints = endpoints::sync(&view).unwrap_or_default();
    let pod = |name: &str| {
        let is = |pod: &&Object<_>| text(&pod.json, "/metadata/name") == name;
        space.pods.iter().find(is).map(|pod| &*pod.json)
    };
    let patch = slice_patch(&service.json, &endpoints, pod);
    // Refused only in a namespace that ends.
    if let Some(slice) = slice {
        let target = Target::new(ENDPOINT_SLICE, namespace, text(slice, "/metadata/name"));
        let _ = pass.patch(ENDPOINTS, &target, Part::Whole, patch);
    } else {
        let mut slice = new_slice(&service.typed);
        merge(&mut slice, patch);
        let call = pass.call(ENDPOINTS);
        let _ = pass.store.create(ENDPOINT_SLICE, namespace, slice, &call);
    }
    lead(pass, namespace, service, endpoints);
}

/// Lets requests go to these endpoints, once kube-proxy knows.
fn lead(pass: &mut Pass<'_>, namespace: &str, service: &Object<Service>, endpoints: Vec<Endpoint>) {
    let key = (namespace.to_owned(), service.typed.metadata.name.clone());
    let route = pass.memory.routes.entry(key).or_default();
    let known = route.next.as_ref().map_or(&route.endpoints, |(_, next)| next);
    if *known != endpoints {
        let at = route.next.as_ref().map(|(at, _)| *at);
        let at = at.unwrap_or_else(|| pass.now + pass.chance.between(PROXY.0, PROXY.1));
        route.next = Some((at, endpoints));
    }
}

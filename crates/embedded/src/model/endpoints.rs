//! The endpoints of a Service.

use crate::object::{Endpoint, EndpointSlice, Pod, Service, selects};

/// What the controller looks at.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The Service.
    pub service: &'a Service,
    /// Pods of its namespace.
    pub pods: Vec<&'a Pod>,
    /// What it wrote last.
    pub slice: Option<&'a EndpointSlice>,
}

/// The endpoints to write; `None`: they are as they should be.
///
/// Pods with an address that haven't ended are in, ready or not. `publishNotReadyAddresses` calls all of them ready,
/// terminating ones too.
pub fn sync(view: &View<'_>) -> Option<Vec<Endpoint>> {
    let selector = &view.service.selector;
    let selected = |pod: &&&Pod| !selector.is_empty() && selects(selector, &pod.metadata.labels);
    let reachable = |pod: &&&Pod| pod.status.has_ip && !pod.ended();
    let mut endpoints: Vec<Endpoint> =
        view.pods.iter().filter(selected).filter(reachable).map(|pod| endpoint(view.service, pod)).collect();
    endpoints.sort_by(|a, b| a.pod.cmp(&b.pod));
    let changed = view.slice.is_none_or(|slice| slice.endpoints != endpoints);
    changed.then_some(endpoints)
}

fn endpoint(service: &Service, pod: &Pod) -> Endpoint {
    let (serving, terminating) = (pod.status.ready_since.is_some(), pod.metadata.terminating());
    Endpoint {
        pod: pod.metadata.name.clone(),
        uid: pod.metadata.uid,
        ready: service.publish_not_ready || serving && !terminating,
        serving,
        terminating,
    }
}

//! Writes that are only tried: the API server runs admission and answers as if, and nothing is kept.

use kube::{
    api::{Patch, PatchParams},
    core::Request,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cluster, Error, Resource};

impl Cluster {
    /// Tries a JSON merge patch of an object's status, and gives the object as it would be then.
    pub async fn try_patch_status<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("try to patch the status of {} {namespace}/{name}", resource.singular());
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            dry_run: true,
            ..PatchParams::default()
        };
        let request = Request::new(resource.path(Some(namespace)));
        let request = request.patch_subresource("status", name, &params, &Patch::Merge(body));
        self.call(&self.reads, call, request).await
    }
}

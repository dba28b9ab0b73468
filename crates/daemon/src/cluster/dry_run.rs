//! Writes that are only tried: the API server runs admission and answers as if, and nothing is kept.

use kube::{
    api::{Patch, PatchParams, PostParams},
    core::Request,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cluster, Error, Resource};

impl Cluster {
    /// Tries a JSON merge patch of an object, and gives the object as it would be then.
    pub async fn try_patch<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("try to patch {} {namespace}/{name}", resource.singular());
        let request = Request::new(resource.path(Some(namespace)));
        let request = request.patch(name, &self.trial(), &Patch::Merge(body));
        self.call(&self.reads, call, request).await
    }

    /// As [`Cluster::try_patch`], of its status.
    pub async fn try_patch_status<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("try to patch the status of {} {namespace}/{name}", resource.singular());
        let request = Request::new(resource.path(Some(namespace)));
        let request = request.patch_subresource("status", name, &self.trial(), &Patch::Merge(body));
        self.call(&self.reads, call, request).await
    }

    fn trial(&self) -> PatchParams {
        PatchParams { field_manager: Some(self.manager.to_owned()), dry_run: true, ..PatchParams::default() }
    }

    /// Tries to create an object, and gives it as it would be then.
    pub async fn try_create<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("try to create a {} in {namespace}", resource.singular());
        let params = PostParams { dry_run: true, field_manager: Some(self.manager.to_owned()) };
        let request =
            Request::new(resource.path(Some(namespace))).create(&params, body.to_string().into_bytes());
        self.call(&self.reads, call, request).await
    }
}

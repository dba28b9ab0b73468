//! The API server as this program uses it: few resources, read as projections, each call with a time limit.
//!
//! Nothing is retried here. What a failed write means is known only to the one who asked for it: the next step
//! is always to read again and decide again.

mod dry_run;
mod leading;
mod review;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams},
    client::{ClientBuilder, DynBody},
    config::{KubeConfigOptions, Kubeconfig},
    core::Request,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use siskin_core::facts::Uid;
use tokio::sync::Semaphore;
use tower::util::MapResponseLayer;

pub use self::review::Question;
use crate::{
    clock::ServerClock,
    lease::Leadership,
    report::metrics::{Metrics, REQUESTS},
};

/// The manager of every field that the daemon writes.
pub const FIELD_MANAGER: &str = "siskin";

/// Longer than the API server's own slowest good answers, shorter than people's patience.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Each call under way has a connection of its own (HTTP/1), which stays open for a while: these bound both at a
/// start with many workloads. Writes don't wait for reads; a hundred rollbacks at once are still sent in 0.1 s.
/// The Lease waits for neither.
const READS: usize = 8;
const WRITES: usize = 16;

/// A page of a list; bounds the memory that a list takes at its peak.
const PAGE: u32 = 100;

/// How the cluster is found.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Access {
    /// The kubeconfig file; by default $KUBECONFIG, ~/.kube/config, or the pod's service account
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
}

/// Why the cluster can't be reached at all.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig that was named.
    #[error("the kubeconfig can't be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// Nothing was named and nothing was found.
    #[error("no cluster is configured; give --kubeconfig, set KUBECONFIG, or run in a pod: {0}")]
    Nothing(#[from] kube::config::InferConfigError),
    /// The client can't be built.
    #[error("the connection can't be set up: {0}")]
    Client(#[source] kube::Error),
}

/// Why one call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer in time; a write may or may not have happened.
    #[error("{call}: no answer from the API server in {}s", CALL_TIMEOUT.as_secs())]
    Timeout {
        /// What was asked.
        call: String,
    },
    /// The API server said no.
    #[error("{call}: {message}")]
    Refused {
        /// What was asked.
        call: String,
        /// The HTTP status.
        code: u16,
        /// The API server's text.
        message: String,
    },
    /// Only the leader writes, and this process isn't the leader any more.
    #[error("{call}: not sent, as another process may lead by now")]
    NotLeading {
        /// What was wanted.
        call: String,
    },
    /// There was no usable answer.
    #[error("{call}: {source}")]
    Failed {
        /// What was asked.
        call: String,
        /// What went wrong.
        source: Box<kube::Error>,
    },
}

impl Error {
    fn new(call: String, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { call, code: status.code, message: status.message },
            other => Self::Failed { call, source: Box::new(other) },
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Timeout { .. } | Self::NotLeading { .. } | Self::Failed { .. } => None,
        }
    }

    /// A precondition didn't hold.
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// There is no such object.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// The object can't be so; a merge patch with another UID than the object's is answered with this.
    pub fn is_invalid(&self) -> bool {
        self.code() == Some(422)
    }

    /// The right is missing.
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// The namespace is on its way out, and its objects with it.
    pub fn is_terminating(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("because it is being terminated"))
    }

    /// It was not sent, as this process doesn't lead any more.
    pub fn is_not_leading(&self) -> bool {
        matches!(self, Self::NotLeading { .. })
    }

    /// The resourceVersion of a watch or a page is too old.
    pub fn is_expired(&self) -> bool {
        self.code() == Some(410)
    }

    /// The API server said no for another reason than somebody else's write: the write didn't happen.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { code: 400..=499, .. }) && !self.is_conflict()
    }

    /// A metric label.
    pub fn category(&self) -> &'static str {
        match self.code() {
            Some(409) => "conflict",
            Some(404) => "not_found",
            Some(401 | 403) => "forbidden",
            Some(422 | 400) => "invalid",
            Some(_) => "error",
            None => match self {
                Self::Timeout { .. } => "timeout",
                Self::NotLeading { .. } => "not_leading",
                Self::Refused { .. } | Self::Failed { .. } => "unreachable",
            },
        }
    }
}

/// The resources that are read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `StatefulSets`.
    StatefulSets,
    /// Pods.
    Pods,
    /// `ControllerRevisions`.
    ControllerRevisions,
    /// `PersistentVolumeClaims`.
    Claims,
    /// Events (events.k8s.io).
    Events,
    /// Deployments.
    Deployments,
    /// `ConfigMaps`.
    ConfigMaps,
    /// Services.
    Services,
    /// `PodDisruptionBudgets`.
    PodDisruptionBudgets,
    /// `HorizontalPodAutoscalers`.
    HorizontalPodAutoscalers,
    /// Secrets, of which only metadata is read.
    Secrets,
    /// `ValidatingAdmissionPolicies`.
    ValidatingPolicies,
    /// `MutatingAdmissionPolicies` (Kubernetes 1.36).
    MutatingPolicies,
    /// `MutatingAdmissionPolicies`, their beta (Kubernetes 1.34 and 1.35).
    MutatingPoliciesBeta,
    /// Leases.
    Leases,
}

impl Resource {
    fn path(self, namespace: Option<&str>) -> String {
        let (group, plural) = (self.group(), self.plural());
        match namespace {
            Some(namespace) => format!("/{group}/namespaces/{namespace}/{plural}"),
            None => format!("/{group}/{plural}"),
        }
    }

    fn group(self) -> &'static str {
        match self {
            Self::StatefulSets | Self::ControllerRevisions | Self::Deployments => "apis/apps/v1",
            Self::Pods | Self::Claims | Self::ConfigMaps | Self::Secrets | Self::Services => "api/v1",
            Self::PodDisruptionBudgets => "apis/policy/v1",
            Self::HorizontalPodAutoscalers => "apis/autoscaling/v2",
            Self::Events => "apis/events.k8s.io/v1",
            Self::Leases => "apis/coordination.k8s.io/v1",
            Self::ValidatingPolicies | Self::MutatingPolicies => "apis/admissionregistration.k8s.io/v1",
            Self::MutatingPoliciesBeta => "apis/admissionregistration.k8s.io/v1beta1",
        }
    }

    /// The name in paths and rights.
    pub fn plural(self) -> &'static str {
        match self {
            Self::StatefulSets => "statefulsets",
            Self::Pods => "pods",
            Self::ControllerRevisions => "controllerrevisions",
            Self::Claims => "persistentvolumeclaims",
            Self::Events => "events",
            Self::Deployments => "deployments",
            Self::ConfigMaps => "configmaps",
            Self::Services => "services",
            Self::PodDisruptionBudgets => "poddisruptionbudgets",
            Self::HorizontalPodAutoscalers => "horizontalpodautoscalers",
            Self::Leases => "leases",
            Self::Secrets => "secrets",
            Self::ValidatingPolicies => "validatingadmissionpolicies",
            Self::MutatingPolicies | Self::MutatingPoliciesBeta => "mutatingadmissionpolicies",
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::StatefulSets => "StatefulSet",
            Self::Pods => "Pod",
            Self::ControllerRevisions => "ControllerRevision",
            Self::Claims => "PersistentVolumeClaim",
            Self::Events => "Event",
            Self::Deployments => "Deployment",
            Self::ConfigMaps => "ConfigMap",
            Self::Services => "Service",
            Self::PodDisruptionBudgets => "PodDisruptionBudget",
            Self::HorizontalPodAutoscalers => "HorizontalPodAutoscaler",
            Self::Secrets => "Secret",
            Self::ValidatingPolicies => "ValidatingAdmissionPolicy",
            Self::MutatingPolicies | Self::MutatingPoliciesBeta => "MutatingAdmissionPolicy",
            Self::Leases => "Lease",
        }
    }

    /// Events tell of what has happened, and the Lease is how a process becomes the leader.
    fn written_by_the_leader_only(self) -> bool {
        !matches!(self, Self::Events | Self::Leases)
    }
}

/// What an object is known by that is to be deleted.
#[derive(Clone, Copy, Debug)]
pub enum Precondition<'a> {
    /// Its UID: another object of the same name stays.
    Uid(&'a Uid),
    /// Its resourceVersion: it stays if anything changed.
    Version(&'a str),
}

/// What a list or a watch covers.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The resource.
    pub resource: Resource,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// A label selector, or everything.
    pub selector: Option<String>,
    /// The one object of this name, or all.
    pub name: Option<String>,
}

impl Scope {
    fn field_selector(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("metadata.name={name}"))
    }
}

/// A whole list and the moment it shows.
#[derive(Debug)]
pub struct Listed<T> {
    /// The objects.
    pub items: Vec<T>,
    /// Where a watch goes on.
    pub resource_version: String,
}

#[derive(Deserialize)]
struct Page<T> {
    metadata: PageMeta,
    /// Null for none, where metadata only was asked for.
    items: Option<Vec<T>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// A connection to the API server; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    manager: &'static str,
    metrics: Metrics,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    leases: Arc<Semaphore>,
    leadership: Leadership,
    clock: ServerClock,
}

impl Cluster {
    /// Sets the client up; nothing is sent yet. Fields that are written will be managed by `manager`; requests are
    /// counted in `metrics`.
    pub async fn new(access: &Access, manager: &'static str, metrics: Metrics) -> Result<Self, AccessError> {
        let config = match (&access.kubeconfig, &access.context) {
            (None, None) => Config::infer().await?,
            (file, context) => {
                let kubeconfig = file.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from)?;
                let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
                Config::from_custom_kubeconfig(kubeconfig, &options).await?
            }
        };
        Self::reached_by(config, manager, metrics)
    }

    fn reached_by(mut config: Config, manager: &'static str, metrics: Metrics) -> Result<Self, AccessError> {
        config.connect_timeout = Some(CALL_TIMEOUT);
        config.default_retry = false;
        let clock = ServerClock::default();
        let heard = clock.clone();
        let hearing = MapResponseLayer::new(move |answer: http::Response<Box<DynBody>>| {
            heard.hear(answer.headers());
            answer
        });
        let client =
            ClientBuilder::try_from(config).map_err(AccessError::Client)?.with_layer(&hearing).build();
        Ok(Self::with(client, manager, metrics).told_by(clock))
    }

    /// The same connection; this is the API server's clock, and by its machine's clock everything is timed. Who makes the
    /// client lets the clock [hear](ServerClock::hear) the answers.
    #[must_use]
    pub fn told_by(self, clock: ServerClock) -> Self {
        Self { clock, ..self }
    }

    /// Calls go through this client; its API server is taken to have this machine's clock.
    pub fn with(client: Client, manager: &'static str, metrics: Metrics) -> Self {
        Self {
            client,
            manager,
            metrics,
            reads: Arc::new(Semaphore::new(READS)),
            writes: Arc::new(Semaphore::new(WRITES)),
            leases: Arc::new(Semaphore::new(1)),
            leadership: Leadership::Always,
            clock: ServerClock::default(),
        }
    }

    /// The clock of the API server, by which the times in its objects are.
    pub fn clock(&self) -> &ServerClock {
        &self.clock
    }

    /// The namespace of the kubeconfig's context, or the pod's own.
    pub fn default_namespace(&self) -> &str {
        self.client.default_namespace()
    }

    /// Reads one object from the quorum, never from a cache.
    pub async fn get<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Result<T, Error> {
        let call = format!("read {} {namespace}/{name}", resource.singular());
        let request =
            Request::new(resource.path(Some(namespace))).get(name, &kube::api::GetParams::default());
        let lane = if resource == Resource::Leases { &self.leases } else { &self.reads };
        self.call(lane, call, request).await
    }

    /// Reads all objects of a scope from the quorum, page by page.
    pub async fn list<T: DeserializeOwned>(&self, scope: &Scope) -> Result<Listed<T>, Error> {
        self.pages(scope, Request::list).await
    }

    /// As [`Cluster::list`], of the objects with these fields.
    pub async fn list_where<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        fields: &str,
    ) -> Result<Listed<T>, Error> {
        self.pages(scope, |request, params| request.list(&params.clone().fields(fields))).await
    }

    /// As [`Cluster::list`], but the objects' metadata only.
    pub async fn list_metadata<T: DeserializeOwned>(&self, scope: &Scope) -> Result<Listed<T>, Error> {
        self.pages(scope, Request::list_metadata).await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        list: impl Fn(&Request, &ListParams) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Listed<T>, Error> {
        let request = Request::new(scope.resource.path(scope.namespace.as_deref()));
        let mut params = ListParams {
            label_selector: scope.selector.clone(),
            field_selector: scope.field_selector(),
            ..ListParams::default()
        }
        .limit(PAGE);
        let mut listed = Listed { items: Vec::new(), resource_version: String::new() };
        loop {
            let call = format!("list {}", scope.resource.plural());
            let page: Page<T> = self.call(&self.reads, call, list(&request, &params)).await?;
            listed.items.extend(page.items.into_iter().flatten());
            listed.resource_version = page.metadata.resource_version;
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => params.continue_token = Some(next),
                None => return Ok(listed),
            }
        }
    }

    /// Opens a watch that the API server ends after `seconds`; `metadata_only` as [`Cluster::list_metadata`].
    pub async fn watch<T>(
        &self,
        scope: &Scope,
        from: &str,
        seconds: u32,
        metadata_only: bool,
    ) -> Result<impl Stream<Item = Result<WatchEvent<T>, Error>> + use<T>, Error>
    where
        T: Clone + DeserializeOwned + Send + 'static,
    {
        let call = format!("watch {}", scope.resource.plural());
        let params = WatchParams {
            label_selector: scope.selector.clone(),
            field_selector: scope.field_selector(),
            timeout: Some(seconds),
            bookmarks: true,
            ..WatchParams::default()
        };
        let request = Request::new(scope.resource.path(scope.namespace.as_deref()));
        let request =
            if metadata_only { request.watch_metadata(&params, from) } else { request.watch(&params, from) }
                .map_err(|error| Error::new(call.clone(), kube::Error::BuildRequest(error)))?;
        self.metrics.count(&REQUESTS, &[("method", "WATCH")]);
        let opened = tokio::time::timeout(CALL_TIMEOUT, self.client.request_events::<T>(request))
            .await
            .map_err(|_| Error::Timeout { call: call.clone() })?;
        let events = opened.map_err(|error| Error::new(call.clone(), error))?;
        Ok(events.map(move |event| event.map_err(|error| Error::new(call.clone(), error))).boxed())
    }

    /// Writes a JSON merge patch and gives the object as it is then.
    pub async fn patch<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("patch {} {namespace}/{name}", resource.singular());
        let params = PatchParams { field_manager: Some(self.manager.to_owned()), ..PatchParams::default() };
        let request = Request::new(resource.path(Some(namespace))).patch(name, &params, &Patch::Merge(body));
        self.write(resource, call, request).await
    }

    /// Deletes the object of this name if it is still the one that was seen.
    pub async fn delete(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        precondition: Precondition<'_>,
    ) -> Result<(), Error> {
        let call = format!("delete {} {namespace}/{name}", resource.singular());
        let (uid, resource_version) = match precondition {
            Precondition::Uid(uid) => (Some(uid.0.clone()), None),
            Precondition::Version(version) => (None, Some(version.to_owned())),
        };
        let params = DeleteParams::default().preconditions(Preconditions { uid, resource_version });
        let request = Request::new(resource.path(Some(namespace))).delete(name, &params);
        self.write::<serde::de::IgnoredAny>(resource, call, request).await.map(drop)
    }

    /// Creates an object and gives it as it is then.
    pub async fn create<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: &str,
        body: &Value,
    ) -> Result<T, Error> {
        let call = format!("create {} in {namespace}", resource.singular());
        let params = PostParams { field_manager: Some(self.manager.to_owned()), ..PostParams::default() };
        let request =
            Request::new(resource.path(Some(namespace))).create(&params, body.to_string().into_bytes());
        self.write(resource, call, request).await
    }

    /// Whether the API server knows a resource.
    pub async fn serves(&self, resource: Resource) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Resources {
            resources: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let call = format!("ask for the kinds of {}", resource.group());
        let request = http::Request::get(format!("/{}", resource.group())).body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest);
        match self.call::<Resources>(&self.reads, call, request).await {
            Ok(Resources { resources }) => Ok(resources.iter().any(|named| named.name == resource.plural())),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What an error in the stream of a watch means.
    pub fn watch_error(scope: &Scope, status: kube::core::Status) -> Error {
        Error::new(format!("watch {}", scope.resource.plural()), kube::Error::Api(Box::new(status)))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        lane: &Semaphore,
        call: String,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let request = match request {
            Ok(request) => request,
            Err(error) => return Err(Error::new(call, kube::Error::BuildRequest(error))),
        };
        self.metrics.count(&REQUESTS, &[("method", request.method().as_str())]);
        let answer = async {
            // A lane is never closed.
            let _permit = lane.acquire().await;
            self.client.request::<T>(request).await
        };
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|error| Error::new(call, error)),
            Err(_) => Err(Error::Timeout { call }),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::header::DATE, routing::get};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::{ServerClock, parse};

    #[tokio::test]
    async fn the_servers_clock_is_heard_in_its_answers() {
        let answer = || async { ([(DATE, "Tue, 01 Jan 2030 00:00:00 GMT")], json!({}).to_string()) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(get(answer))).await });
        let config = Config::new(server.parse().unwrap());
        let cluster = Cluster::reached_by(config, "test", Metrics::default()).unwrap();
        let before = ServerClock::default().now().wall;
        assert!(cluster.clock().now().wall.0 - before.0 < 60);
        cluster.get::<Value>(Resource::StatefulSets, "payments", "db").await.unwrap();
        let off = cluster.clock().now().wall.0 - parse("2030-01-01T00:00:00Z").unwrap().0;
        assert!((0..60).contains(&off), "{off}");
    }
}

//! The installed policies: found by the annotation in which each names the user that Siskin is.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::identity::Identity;
use crate::{
    cluster::{Cluster, Error, Resource, Scope},
    server::health::Health,
    watch::{Change, Watched, follow, meta::Meta},
};

/// The annotation of a policy: the user that it takes for Siskin.
pub const SISKIN_USER: &str = "siskin.dev/siskin-user";

/// After a question that failed.
const RETRY: Duration = Duration::from_secs(2);

/// A policy, of Siskin's or not.
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    metadata: Meta,
}

impl Policy {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Its name and the user that it takes for Siskin, if it is one of ours.
    pub fn named(self) -> Option<(String, String)> {
        let Meta { name, mut annotations, .. } = self.metadata;
        Some((name, annotations.remove(SISKIN_USER)?))
    }
}

impl Watched for Policy {
    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// The kinds of policies that the API server knows: validating ones, and mutating ones since 1.34 or where their beta
/// is switched on.
pub async fn kinds(cluster: &Cluster) -> Result<Vec<Resource>, Error> {
    let mut kinds = vec![Resource::ValidatingPolicies];
    for kind in [Resource::MutatingPolicies, Resource::MutatingPoliciesBeta] {
        if cluster.serves(kind).await? {
            kinds.push(kind);
            break;
        }
    }
    Ok(kinds)
}

/// Keeps `identity` current: asks once who we are, then watches the policies for ever.
pub async fn follow_identity(cluster: Cluster, health: Health, identity: Identity) {
    identity.is(answer(|| cluster.who_am_i()).await);
    match answer(|| readable(&cluster)).await {
        Ok(kinds) => follow_policies(&cluster, &health, &identity, kinds).await,
        // A Role can't give the right to read them, and a right that comes later comes with a restart.
        Err(why) => identity.unreadable(why),
    }
}

/// The kinds, all of which may be read.
async fn readable(cluster: &Cluster) -> Result<Vec<Resource>, Error> {
    let kinds = kinds(cluster).await?;
    for kind in &kinds {
        cluster.list::<Policy>(&everywhere(*kind)).await?;
    }
    Ok(kinds)
}

/// Asks until there is an answer; `Err` with the reason if it was no.
async fn answer<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, String> {
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if error.is_forbidden() || error.is_not_found() => return Err(error.to_string()),
            Err(error) => tracing::warn!(%error, "asked again soon"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow_policies(cluster: &Cluster, health: &Health, identity: &Identity, kinds: Vec<Resource>) {
    let (tell, mut changes) = tokio::sync::mpsc::unbounded_channel();
    let mut watches = JoinSet::new();
    let mut seen: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
    let all = kinds.len();
    for (kind, resource) in kinds.into_iter().enumerate() {
        let age = health.watch(resource.plural().to_owned(), false);
        let tell = tell.clone();
        let watching = follow::<Policy>(cluster.clone(), everywhere(resource), age, move |change| {
            let _ = tell.send((kind, change));
        });
        watches.spawn(watching.in_current_span());
    }
    while let Some((kind, change)) = changes.recv().await {
        apply(seen.entry(kind).or_default(), change);
        if seen.len() == all {
            identity
                .named(seen.values().flatten().map(|(name, user)| (name.clone(), user.clone())).collect());
        }
    }
}

fn everywhere(resource: Resource) -> Scope {
    Scope { resource, namespace: None, selector: None, name: None }
}

fn apply(seen: &mut BTreeMap<String, String>, change: Change<Policy>) {
    match change {
        Change::All(all) => *seen = all.into_iter().filter_map(Policy::named).collect(),
        Change::Put(policy) => {
            seen.remove(&policy.metadata.name);
            seen.extend(policy.named());
        }
        Change::Gone(policy) => drop(seen.remove(&policy.metadata.name)),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde_json::{Value, json};

    use super::*;
    use crate::report::metrics::Metrics;

    /// An API server of Kubernetes 1.35 with the beta on, where we are robin; it lists these policies, or refuses to.
    fn cluster(validating: Option<Value>) -> Cluster {
        let service = tower::service_fn(move |request: Request<Body>| {
            let kind = |name: &str| json!({ "resources": [{ "name": name }] });
            let path = request.uri().path();
            let answer = match path.rsplit('/').next().unwrap_or_default() {
                "selfsubjectreviews" => Some(json!({ "status": { "userInfo": { "username": "robin" } } })),
                "v1" => Some(kind("validatingadmissionpolicies")),
                "v1beta1" => Some(kind("mutatingadmissionpolicies")),
                "mutatingadmissionpolicies" => {
                    Some(json!({ "metadata": { "resourceVersion": "5" }, "items": [] }))
                }
                _ => validating
                    .clone()
                    .map(|items| json!({ "metadata": { "resourceVersion": "5" }, "items": items })),
            };
            let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            async move {
                if watch {
                    std::future::pending::<()>().await;
                }
                let refusal =
                    json!({ "kind": "Status", "status": "Failure", "code": 403, "message": "no right" });
                let (status, body) = answer.map_or((403, refusal), |answer| (200, answer));
                Response::builder().status(status).body(Body::from(body.to_string().into_bytes()))
            }
        });
        Cluster::with(Client::new(service, "default"), "test", Metrics::default())
    }

    async fn verdict(validating: Option<Value>) -> Result<String, String> {
        let identity = Identity::default();
        let following = follow_identity(cluster(validating), Health::default(), identity.clone());
        let _ = tokio::time::timeout(Duration::from_secs(1), following).await;
        identity.verdict()
    }

    #[tokio::test(start_paused = true)]
    async fn who_the_policies_name_is_compared_with_who_we_are() {
        let named = |user: &str| json!([{ "metadata": { "name": "siskin-park", "annotations": { SISKIN_USER: user } } }]);
        let agreed = "siskin is robin, as the admission policies say".to_owned();
        assert_eq!(verdict(Some(named("robin"))).await, Ok(agreed));
        let strange = verdict(Some(named("wren"))).await.unwrap_err();
        assert!(strange.starts_with("siskin is robin, but siskin-park says that it is wren"), "{strange}");
    }

    #[tokio::test(start_paused = true)]
    async fn policies_that_may_not_be_read_are_no_reason_to_be_unready() {
        let told = verdict(None).await.unwrap();
        assert!(
            told.starts_with("siskin is robin; whom the admission policies name is not known: "),
            "{told}"
        );
        assert!(told.ends_with("no right"), "{told}");
    }

    fn policy(name: &str, user: Option<&str>) -> Policy {
        let annotations = user.map_or(json!({}), |user| json!({ SISKIN_USER: user }));
        serde_json::from_value(json!({ "metadata": { "name": name, "annotations": annotations } })).unwrap()
    }

    #[test]
    fn only_policies_that_name_a_siskin_are_kept() {
        let mut seen = BTreeMap::new();
        apply(&mut seen, Change::All(vec![policy("park", Some("robin")), policy("foreign", None)]));
        assert_eq!(seen, [("park".to_owned(), "robin".to_owned())].into());
        apply(&mut seen, Change::Put(policy("guards", Some("wren"))));
        apply(&mut seen, Change::Put(policy("park", None)));
        assert_eq!(seen, [("guards".to_owned(), "wren".to_owned())].into());
        apply(&mut seen, Change::Gone(policy("guards", Some("wren"))));
        assert!(seen.is_empty());
    }
}

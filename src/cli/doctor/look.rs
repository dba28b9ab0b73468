//! What is in the cluster: daemons, policies, lists of released revisions, rights.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use serde::Deserialize;
use siskin_core::{facts::PARKED, state::Record};

use super::{
    diagnosis::{Care, Daemon, Known, MissingRight, Policy, Probe, Probed, Workload},
    rights::{Need, needed},
};
use crate::{
    admission::policies,
    cluster::{Cluster, Error, Question, Resource, Scope},
    watch::{guards::GuardList, meta::Meta, statefulsets::Managed},
};

/// The label of the objects of `deploy/kustomize`.
const SELECTOR: &str = "app.kubernetes.io/name=siskin";
/// Questions that are under way at once.
const QUESTIONS: usize = 8;

/// A Deployment, as far as it tells who its pods are.
#[derive(Deserialize)]
struct Deployment {
    metadata: Meta,
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    spec: PodSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    service_account_name: String,
}

impl From<Deployment> for Daemon {
    fn from(Deployment { metadata: Meta { namespace, name, .. }, spec }: Deployment) -> Self {
        let account = match spec.template.spec.service_account_name.as_str() {
            "" => "default",
            named => named,
        };
        Self {
            user: format!("system:serviceaccount:{namespace}:{account}"),
            deployment: format!("{namespace}/{name}"),
        }
    }
}

/// The daemons, by their Deployments' service accounts.
pub async fn daemons(cluster: &Cluster) -> Known<Vec<Daemon>> {
    let scope = Scope {
        resource: Resource::Deployments,
        namespace: None,
        selector: Some(SELECTOR.to_owned()),
        name: None,
    };
    known(
        cluster
            .list::<Deployment>(&scope)
            .await
            .map(|listed| listed.items.into_iter().map(Daemon::from).collect()),
    )
}

/// The policies of Siskin's.
pub async fn installed(cluster: &Cluster) -> Known<Vec<Policy>> {
    known(read_policies(cluster).await)
}

async fn read_policies(cluster: &Cluster) -> Result<Vec<Policy>, Error> {
    let mut found = BTreeMap::new();
    for resource in policies::kinds(cluster).await? {
        let scope = Scope { resource, namespace: None, selector: None, name: None };
        for policy in cluster.list::<policies::Policy>(&scope).await?.items {
            let name = policy.name().to_owned();
            let siskin_user = policy.named().map(|(_, user)| user);
            if siskin_user.is_some() || name.starts_with("siskin-") {
                found.insert(name.clone(), Policy { name, siskin_user });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// The workload, and its list of released revisions.
pub async fn workload(cluster: &Cluster, managed: &Managed) -> Workload {
    let workload = &managed.workload;
    let name = GuardList::name(&workload.name);
    let list = cluster.get::<GuardList>(Resource::ConfigMaps, &workload.namespace, &name).await;
    let released = match list {
        Ok(list) if list.ours => {
            Known::Is(Some(list.guard.allowed.into_iter().map(|revision| revision.0).collect()))
        }
        Ok(_) => Known::Is(None),
        Err(error) if error.is_not_found() => Known::Is(None),
        Err(error) => Known::Unknown(error.to_string()),
    };
    let policy = workload.annotations.get("policy").cloned();
    let record = Record::read(workload).ok().flatten();
    Workload {
        name: workload.name.clone(),
        care: match policy {
            None => Care::None,
            Some(_) if workload.partition >= PARKED => Care::Parked,
            Some(_) => Care::Open,
        },
        policy,
        partition: workload.partition,
        phase: record.map(|record| record.phase.as_str()),
        released,
    }
}

/// What the daemons are needed to do in a namespace, with what is in force there, and may not.
pub async fn missing_rights(
    cluster: &Cluster,
    namespace: &str,
    daemons: &Known<Vec<Daemon>>,
    workload: Option<&Workload>,
    probes: &[Probed],
) -> Known<Vec<MissingRight>> {
    let daemons = match daemons {
        Known::Is(daemons) => daemons,
        Known::Unknown(why) => return Known::Unknown(why.clone()),
    };
    let mut needs = BTreeSet::from([Need::Always]);
    if probes.iter().any(|probed| probed.probe == Probe::Hold && probed.answer.protects()) {
        needs.insert(Need::Hold);
    }
    if workload.is_some_and(|workload| matches!(workload.released, Known::Is(Some(_)))) {
        needs.insert(Need::PodGuard);
    }
    let asked =
        daemons.iter().flat_map(|daemon| needed(&needs).into_iter().map(move |right| (daemon, right)));
    let answers: Vec<Result<Option<MissingRight>, Error>> = stream::iter(asked)
        .map(async |(daemon, (right, verb))| {
            let (resource, subresource) = right.resource.split_once('/').unwrap_or((right.resource, ""));
            let question =
                Question { user: &daemon.user, namespace, verb, group: right.group, resource, subresource };
            let allowed = cluster.may(&question).await?;
            Ok((!allowed).then(|| MissingRight {
                user: daemon.user.clone(),
                right: format!("{verb} {}", right.resource),
                given_by: right.given_by,
            }))
        })
        .buffered(QUESTIONS)
        .collect()
        .await;
    let missing: Result<Vec<_>, Error> = answers.into_iter().filter_map(Result::transpose).collect();
    known(missing)
}

/// What was read, or why not.
pub fn known<T>(read: Result<T, Error>) -> Known<T> {
    match read {
        Ok(it) => Known::Is(it),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_daemon_is_the_service_account_of_its_pods() {
        let deployment = |account: serde_json::Value| -> Daemon {
            let deployment: Deployment = serde_json::from_value(json!({
                "metadata": { "name": "siskin", "namespace": "siskin-system" },
                "spec": { "template": { "spec": account } },
            }))
            .unwrap();
            deployment.into()
        };
        let daemon = deployment(json!({ "serviceAccountName": "robin" }));
        assert_eq!(daemon.deployment, "siskin-system/siskin");
        assert_eq!(daemon.user, "system:serviceaccount:siskin-system:robin");
        assert_eq!(deployment(json!({})).user, "system:serviceaccount:siskin-system:default");
    }
}

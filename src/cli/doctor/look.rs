//! What is in the cluster: daemons, policies, lists of released revisions, rights.

use std::collections::{BTreeMap, BTreeSet};

use siskin_core::{facts::PARKED, state::Record};

use super::diagnosis::{Care, Daemon, Known, MissingRight, Policy, Probe, Probed, Workload};
use crate::cli::daemon::{
    self,
    rights::{self, Need},
};
use siskin_daemon::{
    admission::policies,
    cluster::{Cluster, Error, Resource, Scope},
    watch::{guards::GuardList, statefulsets::Managed},
};

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
    workload: Option<(&Managed, &Workload)>,
    probes: &[Probed],
) -> Known<Vec<MissingRight>> {
    let daemons = match daemons {
        Known::Is(daemons) => daemons,
        Known::Unknown(why) => return Known::Unknown(why.clone()),
    };
    let mut missing = Vec::new();
    for daemon in daemons.iter().filter(|daemon| daemon.looks_at(namespace)) {
        let needs = match workload {
            Some((managed, workload)) => needs_of(cluster, daemon, managed, workload).await,
            None => Some(BTreeSet::from([Need::Watch, Need::Enforce])),
        };
        let Some(mut needs) = needs else { continue };
        if probes.iter().any(|probed| probed.probe == Probe::Hold && probed.answer.protects()) {
            needs.insert(Need::Hold);
        }
        match rights::missing(cluster, namespace, &daemon.user, &needs).await {
            Ok(more) => missing.extend(more),
            Err(error) => return Known::Unknown(error.to_string()),
        }
    }
    Known::Is(missing)
}

/// What a workload needs of a daemon; `None`: it is of another class than the daemon.
async fn needs_of(
    cluster: &Cluster,
    daemon: &Daemon,
    managed: &Managed,
    workload: &Workload,
) -> Option<BTreeSet<Need>> {
    let configuration = daemon::configuration(cluster, daemon).await.ok();
    if configuration.as_ref().is_some_and(|it| it.class.as_deref() != managed.workload.class()) {
        return None;
    }
    let named = match &workload.policy {
        Some(name) => Some(daemon::policy(cluster, daemon, configuration.as_ref(), name).await),
        None => None,
    };
    let policy = named.as_ref().and_then(daemon::Named::loaded);
    let mut needs = rights::needs(&managed.workload, policy, configuration.as_ref());
    if matches!(workload.released, Known::Is(Some(_))) {
        needs.insert(Need::PodGuard);
    }
    Some(needs)
}

/// What was read, or why not.
pub fn known<T>(read: Result<T, Error>) -> Known<T> {
    match read {
        Ok(it) => Known::Is(it),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

//! What a daemon is told: its configuration, and the policies that it knows.

use std::collections::BTreeMap;

use serde::Deserialize;
use siskin_core::{
    configuration::{self, Configuration, missing},
    policy::{self, Policy},
};

use super::Daemon;
use siskin_daemon::cluster::{Cluster, Resource};

/// The configuration's key in its ConfigMap.
const FILE: &str = "config.yaml";

/// What the name of a policy leads to.
#[derive(Clone, Debug)]
pub enum Named {
    /// It is good.
    Loaded(Box<Policy>),
    /// The daemon doesn't know it, or can't follow it, or it has a mistake.
    Unusable(String),
    /// Nobody could look.
    NotSeen(String),
}

impl Named {
    /// The policy, if it is good.
    pub fn loaded(&self) -> Option<&Policy> {
        match self {
            Self::Loaded(policy) => Some(policy),
            Self::Unusable(_) | Self::NotSeen(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct ConfigMap {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Its configuration, or why it isn't known.
pub async fn configuration(cluster: &Cluster, daemon: &Daemon) -> Result<Configuration, String> {
    let Some(name) = &daemon.configuration else { return Ok(Configuration::default()) };
    let map: ConfigMap = cluster
        .get(Resource::ConfigMaps, &daemon.namespace, name)
        .await
        .map_err(|error| error.to_string())?;
    let text = map.data.get(FILE).ok_or_else(|| format!("the ConfigMap {name} has no {FILE}"))?;
    configuration::parse(FILE, text).map_err(|errors| errors.to_string())
}

/// What a policy's name means to a daemon that is configured so.
pub async fn policy(
    cluster: &Cluster,
    daemon: &Daemon,
    configuration: Option<&Configuration>,
    name: &str,
) -> Named {
    let files = match &daemon.policies {
        None => BTreeMap::new(),
        Some(map) => match cluster.get::<ConfigMap>(Resource::ConfigMaps, &daemon.namespace, map).await {
            Ok(map) => map.data,
            Err(error) if error.is_not_found() => BTreeMap::new(),
            Err(error) => return built_in(name, &error.to_string()),
        },
    };
    named(files, configuration, name)
}

/// What a policy's name means where the daemon's own could not be seen: a file may replace a built-in one, but mostly
/// none does.
pub fn built_in(name: &str, unseen: &str) -> Named {
    policy::builtin(name)
        .map_or_else(|| Named::NotSeen(unseen.to_owned()), |policy| Named::Loaded(Box::new(policy)))
}

fn named(files: BTreeMap<String, String>, configuration: Option<&Configuration>, name: &str) -> Named {
    let policy = match policy::load(&files.into_iter().collect::<Vec<_>>()).lookup(name) {
        Ok(policy) => policy,
        Err(error) => return Named::Unusable(error.to_string()),
    };
    match configuration.map(|settings| missing(&settings.sources, &policy)).unwrap_or_default().as_slice() {
        [] => Named::Loaded(Box::new(policy)),
        missing => Named::Unusable(format!("the policy `{name}` can't be followed: {}", missing.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_asks_a_source_which_the_daemon_lacks_is_unusable() {
        let text = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: { name: p }\nspec:\n  \
                    strategy: { type: Canary }\n  checks:\n  - { name: a, prometheus: { source: main, query: up }, \
                    limit: { min: 1 } }\n";
        let files = BTreeMap::from([("p.yaml".to_owned(), text.to_owned())]);
        assert!(named(files.clone(), None, "p").loaded().is_some(), "nobody knows its sources");
        let told = named(files, Some(&Configuration::default()), "p");
        assert!(matches!(&told, Named::Unusable(why) if why.contains("source `main`")), "{told:?}");
    }
}

//! Looking around a workload: the cluster -> [`Surroundings`].

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use siskin_core::{
    facts::Workload,
    policy::{Mode, Policy},
};

use super::{
    findings::{Seen, Service, Surroundings},
    manifest,
    selector::{LabelSelector, Labels, serves},
};
use crate::cli::{
    daemon::{
        self, Responsible,
        rights::{self, MissingRight, Need},
    },
    doctor::{diagnosis::Answer, dry_run, look::installed},
    status::pods,
    workload::Found,
};
use siskin_daemon::{
    cluster::{Error, Resource, Scope},
    watch::{autoscalers::Autoscaler, meta::Meta},
};

/// The policy of `deploy/admission` that holds Kubernetes' current revision.
const HOLD: &str = "siskin-hold";

/// Looks at everything that may stand against a workload's adoption; the daemon is sought in `namespace`, if given.
pub async fn around(found: &Found, policy: &str, namespace: Option<&str>) -> Result<Surroundings, Error> {
    let workload = found.managed.workload.clone();
    let whole = whole(found).await?;
    let template = &workload.template;
    let containers = || template.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten();
    let any = |path: &str| containers().any(|container| container.pointer(path).is_some());
    let responsible = daemon::responsible(&found.cluster, &workload, namespace).await;
    let known = responsible.as_ref().ok().and_then(Option::as_ref);
    let configuration = known.and_then(|it| it.configuration.as_ref().ok());
    let policy = match known {
        Some(it) => daemon::policy(&found.cluster, &it.daemon, configuration, policy).await,
        None => daemon::built_in(policy, "no Siskin was found whose policies could be looked at"),
    };
    Ok(Surroundings {
        pods: pods(found).await?,
        applied_partition: manifest::partition(&whole),
        applied_replicas: manifest::replicas(&whole, &workload),
        readiness_probe: any("/readinessProbe"),
        pre_stop: any("/lifecycle/preStop"),
        autoscalers: autoscalers(found).await,
        blocking_budgets: blocking_budgets(found).await,
        services: services(found).await,
        missing_rights: missing_rights(found, known, policy.loaded()).await,
        parked_by_others: parked_by_others(found, policy.loaded()).await,
        configuration: configuration.cloned(),
        daemon: responsible.map(|it| it.map(|it| it.daemon)),
        policy,
        workload,
    })
}

/// Whether the manifest that was applied last has an annotation.
pub async fn is_applied(found: &Found, annotation: &str) -> Result<bool, Error> {
    Ok(manifest::has_annotation(&whole(found).await?, annotation))
}

/// The StatefulSet with everything that the projection leaves out.
async fn whole(found: &Found) -> Result<Value, Error> {
    let Workload { namespace, name, .. } = &found.managed.workload;
    found.cluster.get(Resource::StatefulSets, namespace, name).await
}

/// Whether admission policies park a new template of a workload that is only observed; of others Siskin itself does.
async fn parked_by_others(found: &Found, policy: Option<&Policy>) -> Seen<bool> {
    if policy.is_none_or(|policy| policy.mode == Mode::Enforce) {
        return Ok(false);
    }
    match dry_run::opt_in(&found.cluster, &found.managed.workload.namespace).await {
        Answer::Unknown { why } => Err(why),
        answer => Ok(answer.protects()),
    }
}

async fn missing_rights(
    found: &Found,
    responsible: Option<&Responsible>,
    policy: Option<&Policy>,
) -> Seen<Vec<MissingRight>> {
    let Some(Responsible { daemon, configuration }) = responsible else { return Ok(Vec::new()) };
    let workload = &found.managed.workload;
    let mut needs = rights::needs(workload, policy, configuration.as_ref().ok());
    let policies = installed(&found.cluster).await;
    let holds = policies.get().is_some_and(|policies| policies.iter().any(|policy| policy.name == HOLD));
    if holds && needs.contains(&Need::Enforce) {
        needs.insert(Need::Hold);
    }
    let missing = rights::missing(&found.cluster, &workload.namespace, &daemon.user, &needs).await;
    missing.map_err(|error| error.to_string())
}

async fn list<T: DeserializeOwned>(found: &Found, resource: Resource) -> Seen<Vec<T>> {
    let namespace = Some(found.managed.workload.namespace.clone());
    let scope = Scope { resource, namespace, selector: None, name: None };
    found.cluster.list::<T>(&scope).await.map(|listed| listed.items).map_err(|error| error.to_string())
}

async fn autoscalers(found: &Found) -> Seen<Vec<String>> {
    let all: Vec<Autoscaler> = list(found, Resource::HorizontalPodAutoscalers).await?;
    let ours = all.into_iter().filter(|it| it.scales(&found.managed.workload));
    Ok(ours.map(|it| format!("the HorizontalPodAutoscaler {}", it.into_name())).collect())
}

/// The labels that every pod of the workload has.
fn pod_labels(workload: &Workload) -> Labels {
    let labels = workload.template.pointer("/metadata/labels").cloned().unwrap_or_default();
    serde_json::from_value(labels).unwrap_or_default()
}

#[derive(Deserialize)]
struct Budget {
    metadata: Meta,
    #[serde(default)]
    spec: BudgetSpec,
    #[serde(default)]
    status: BudgetStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BudgetSpec {
    /// Without one it selects nothing.
    selector: Option<LabelSelector>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BudgetStatus {
    disruptions_allowed: u32,
}

impl Budget {
    fn blocks(&self, labels: &Labels) -> bool {
        let selector = self.spec.selector.as_ref();
        self.status.disruptions_allowed == 0 && selector.is_some_and(|selector| selector.selects(labels))
    }
}

async fn blocking_budgets(found: &Found) -> Seen<Vec<String>> {
    let all: Vec<Budget> = list(found, Resource::PodDisruptionBudgets).await?;
    let labels = pod_labels(&found.managed.workload);
    let blocking = all.into_iter().filter(|budget| budget.blocks(&labels));
    Ok(blocking.map(|budget| format!("the budget {}", budget.metadata.name)).collect())
}

#[derive(Deserialize)]
struct ListedService {
    metadata: Meta,
    #[serde(default)]
    spec: ServiceSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    selector: Labels,
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    publish_not_ready_addresses: bool,
}

async fn services(found: &Found) -> Seen<Vec<Service>> {
    let all: Vec<ListedService> = list(found, Resource::Services).await?;
    let labels = pod_labels(&found.managed.workload);
    let serving =
        all.into_iter().filter(|it| it.spec.cluster_ip != "None" && serves(&it.spec.selector, &labels));
    let service = |ListedService { metadata, spec }: ListedService| Service {
        name: metadata.name,
        publishes_not_ready: spec.publish_not_ready_addresses,
    };
    Ok(serving.map(service).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn blocks(selector: &Value, allowed: u32) -> bool {
        let budget = json!({
            "metadata": { "name": "db" },
            "spec": { "minAvailable": 3, "selector": selector },
            "status": { "disruptionsAllowed": allowed },
        });
        let labels = Labels::from([("app".to_owned(), "db".to_owned())]);
        serde_json::from_value::<Budget>(budget).unwrap().blocks(&labels)
    }

    #[test]
    fn a_budget_blocks_by_its_whole_selector() {
        let among = |apps: &[&str]| json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": apps }] });
        assert!(blocks(&among(&["db", "web"]), 0));
        assert!(!blocks(&among(&["web"]), 0));
        assert!(!blocks(&among(&["db"]), 1), "it allows one");
        assert!(blocks(&json!({}), 0), "an empty selector selects every pod");
        assert!(!blocks(&Value::Null, 0), "without one it selects none");
    }
}

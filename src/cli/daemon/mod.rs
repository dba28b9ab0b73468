//! The daemon as the command line sees it: its Deployment, who it is to the API server, and its settings.

pub mod rights;
mod settings;

use serde::{Deserialize, Serialize};
use siskin_core::{configuration::Configuration, facts::Workload};

pub use self::settings::{Named, built_in, configuration, policy};
use siskin_daemon::{
    cluster::{Cluster, Error, Resource, Scope},
    watch::meta::Meta,
};

/// The label of the objects of `deploy/kustomize`.
const SELECTOR: &str = "app.kubernetes.io/name=siskin";
/// Where `deploy/kustomize/base` puts it.
const NAMESPACE: &str = "siskin-system";

/// A daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Daemon {
    /// Namespace and name of its Deployment.
    pub deployment: String,
    /// Who its pods are to the API server.
    pub user: String,
    /// The namespace of its Deployment.
    #[serde(skip)]
    pub namespace: String,
    /// It has a ready pod.
    #[serde(skip)]
    pub ready: bool,
    /// The only namespaces that it looks at; none: it looks at all.
    #[serde(skip)]
    pub scope: Vec<String>,
    /// The ConfigMap of its configuration; `None`: it has none, so every default holds.
    #[serde(skip)]
    pub configuration: Option<String>,
    /// The ConfigMap of its policies; `None`: it has the built-in ones only.
    #[serde(skip)]
    pub policies: Option<String>,
}

impl Daemon {
    /// Whether it looks at a namespace.
    pub fn looks_at(&self, namespace: &str) -> bool {
        self.scope.is_empty() || self.scope.iter().any(|one| one == namespace)
    }
}

/// A daemon that looks after a workload.
#[derive(Clone, Debug)]
pub struct Responsible {
    /// It.
    pub daemon: Daemon,
    /// How it is configured, or why that isn't known.
    pub configuration: Result<Configuration, String>,
}

/// The daemons of a namespace, or of all, by their Deployments' service accounts.
pub async fn daemons(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Daemon>, Error> {
    let scope = Scope {
        resource: Resource::Deployments,
        namespace: namespace.map(str::to_owned),
        selector: Some(SELECTOR.to_owned()),
        name: None,
    };
    let listed = cluster.list::<Deployment>(&scope).await?;
    Ok(listed.items.into_iter().map(Daemon::from).collect())
}

/// The daemon that looks after a workload, sought in `namespace` if that is given; `Ok(None)`: there is none.
pub async fn responsible(
    cluster: &Cluster,
    workload: &Workload,
    namespace: Option<&str>,
) -> Result<Option<Responsible>, String> {
    let found = sought(cluster, workload, namespace).await.map_err(|error| {
        format!("{error}; name the namespace where Siskin runs by --siskin-namespace, or ask who may look")
    })?;
    let mut candidates = Vec::new();
    for daemon in found.into_iter().filter(|daemon| daemon.looks_at(&workload.namespace)) {
        let configuration = configuration(cluster, &daemon).await;
        candidates.push(Responsible { daemon, configuration });
    }
    choose(candidates, workload)
}

/// Who may not look everywhere may still look in the namespace where Siskin mostly is, or in that of the workload.
async fn sought(
    cluster: &Cluster,
    workload: &Workload,
    namespace: Option<&str>,
) -> Result<Vec<Daemon>, Error> {
    if namespace.is_some() {
        return daemons(cluster, namespace).await;
    }
    match daemons(cluster, None).await {
        Err(error) if error.is_forbidden() => {}
        other => return other,
    }
    match daemons(cluster, Some(NAMESPACE)).await {
        Ok(found) if !found.is_empty() => Ok(found),
        first => match daemons(cluster, Some(&workload.namespace)).await {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => first,
        },
    }
}

/// Of several, the one of the workload's class.
fn choose(candidates: Vec<Responsible>, workload: &Workload) -> Result<Option<Responsible>, String> {
    let of_its_class = |it: &Responsible| {
        it.configuration.as_ref().map_or(true, |settings| settings.class.as_deref() == workload.class())
    };
    let mut candidates: Vec<_> = candidates.into_iter().filter(of_its_class).collect();
    if candidates.len() > 1 {
        let names: Vec<_> = candidates.iter().map(|it| it.daemon.deployment.as_str()).collect();
        return Err(format!(
            "several could look after it: {}; name the namespace of the right one by --siskin-namespace",
            names.join(", ")
        ));
    }
    Ok(candidates.pop())
}

/// A Deployment, as far as it tells who its pods are and how they are started.
#[derive(Deserialize)]
struct Deployment {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    ready_replicas: u32,
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
    containers: Vec<Container>,
    volumes: Vec<Volume>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Container {
    args: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Volume {
    name: String,
    config_map: Option<ConfigMapVolume>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMapVolume {
    name: String,
}

impl PodSpec {
    /// The ConfigMap of a volume, by the volume's name in `deploy/kustomize`.
    fn config_map(&self, volume: &str) -> Option<String> {
        let found = self.volumes.iter().find(|it| it.name == volume)?;
        found.config_map.as_ref().map(|map| map.name.clone())
    }

    /// The values of `--namespace` of `siskin run`, in the form of `deploy/kustomize`.
    fn scope(&self, own: &str) -> Vec<String> {
        let args = self.containers.iter().flat_map(|container| &container.args);
        let values = args.skip_while(|arg| *arg != "--namespace").skip(1);
        let values = values.take_while(|arg| !arg.starts_with('-')).flat_map(|arg| arg.split(','));
        values.map(|name| if name == "$(POD_NAMESPACE)" { own } else { name }.to_owned()).collect()
    }
}

impl From<Deployment> for Daemon {
    fn from(Deployment { metadata: Meta { namespace, name, .. }, spec, status }: Deployment) -> Self {
        let pods = spec.template.spec;
        let account = match pods.service_account_name.as_str() {
            "" => "default",
            named => named,
        };
        Self {
            deployment: format!("{namespace}/{name}"),
            user: format!("system:serviceaccount:{namespace}:{account}"),
            ready: status.ready_replicas > 0,
            scope: pods.scope(&namespace),
            configuration: pods.config_map("config"),
            policies: pods.config_map("policies"),
            namespace,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn daemon(pods: &Value) -> Daemon {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": { "name": "siskin", "namespace": "birds" },
            "spec": { "template": { "spec": pods } },
            "status": { "readyReplicas": 1 },
        }))
        .unwrap();
        deployment.into()
    }

    #[test]
    fn a_daemon_is_the_service_account_of_its_pods() {
        let robin = daemon(&json!({ "serviceAccountName": "robin" }));
        assert_eq!(robin.deployment, "birds/siskin");
        assert_eq!(robin.user, "system:serviceaccount:birds:robin");
        assert!(robin.ready);
        assert_eq!(daemon(&json!({})).user, "system:serviceaccount:birds:default");
    }

    #[test]
    fn its_volumes_say_where_its_settings_are() {
        let volume = |name: &str, map: &str| json!({ "name": name, "configMap": { "name": map } });
        let secret = json!({ "name": "secrets", "secret": { "secretName": "siskin-secrets" } });
        let volumes = [volume("config", "siskin-config-1"), volume("policies", "ours"), secret];
        let found = daemon(&json!({ "volumes": volumes }));
        assert_eq!(found.configuration.as_deref(), Some("siskin-config-1"));
        assert_eq!(found.policies.as_deref(), Some("ours"));
        assert_eq!(daemon(&json!({})).policies, None);
    }

    #[test]
    fn one_that_looks_at_some_namespaces_looks_after_nothing_else() {
        let with = |args: Value| daemon(&json!({ "containers": [{ "args": args }] }));
        let own = with(json!(["run", "--policies", "/x", "--namespace", "$(POD_NAMESPACE)"]));
        assert!(own.looks_at("birds") && !own.looks_at("payments"));
        let two = with(json!(["run", "--namespace", "payments,orders", "--config", "/x"]));
        assert!(two.looks_at("orders") && !two.looks_at("/x") && !two.looks_at("birds"));
        assert!(with(json!(["run"])).looks_at("payments"));
    }

    fn of_class(class: Option<&str>) -> Responsible {
        Responsible {
            daemon: Daemon {
                deployment: format!("birds/{}", class.unwrap_or("siskin")),
                ..Daemon::default()
            },
            configuration: Ok(Configuration { class: class.map(str::to_owned), ..Configuration::default() }),
        }
    }

    fn chosen(candidates: &[Responsible], class: Option<&str>) -> Result<Option<String>, String> {
        let annotations = class.map(|class| ("class".to_owned(), class.to_owned())).into_iter().collect();
        let workload = Workload { annotations, ..Workload::default() };
        choose(candidates.to_vec(), &workload).map(|chosen| chosen.map(|it| it.daemon.deployment))
    }

    #[test]
    fn of_several_the_one_of_the_workload_s_class_looks_after_it() {
        let both = [of_class(None), of_class(Some("blue"))];
        assert_eq!(chosen(&both, Some("blue")), Ok(Some("birds/blue".into())));
        assert_eq!(chosen(&both, None), Ok(Some("birds/siskin".into())));
        assert_eq!(chosen(&both, Some("green")), Ok(None));
    }

    #[test]
    fn two_that_can_t_be_told_apart_are_named() {
        let hidden = Responsible { configuration: Err("no right".into()), ..of_class(Some("hidden")) };
        let told = chosen(&[of_class(None), hidden], None).unwrap_err();
        assert!(told.starts_with("several could look after it: birds/siskin, birds/hidden"), "{told}");
    }
}

//! A sample application that runs: what a scenario does to it, awaits of it, and how it should end.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::http;
use crate::images;
use crate::observer::Timeline;
use crate::view::{View, Workload, version};
use crate::visits::{PORT, Visits, template_patch};

/// The field manager of a person at the keyboard.
const PERSON: &str = "kubectl";
const POD_ANSWERS: Duration = Duration::from_secs(5);

/// How a workload should be when its scenario is over.
#[derive(Debug, Clone)]
pub struct Expected {
    pub replicas: i32,
    pub version: String,
    /// Claims that may be there beside those of the replicas.
    pub other_claims: BTreeSet<String>,
}

/// A handle of one StatefulSet with its Services. Clones share it.
#[derive(Clone)]
pub struct Deployed {
    pub name: String,
    client: Client,
    namespace: String,
    view: watch::Receiver<View>,
    timeline: Timeline,
    expected: Arc<Mutex<Expected>>,
}

impl Deployed {
    /// The handle of a StatefulSet that comes to be by whatever means.
    pub fn of(
        visits: &Visits,
        client: &Client,
        namespace: &str,
        view: watch::Receiver<View>,
        timeline: Timeline,
    ) -> Self {
        Self {
            name: visits.name.clone(),
            client: client.clone(),
            namespace: namespace.into(),
            view,
            timeline,
            expected: Arc::new(Mutex::new(Expected {
                replicas: visits.replicas,
                version: visits.version.clone(),
                other_claims: BTreeSet::new(),
            })),
        }
    }

    /// Creates the objects.
    pub async fn create(&self, visits: &Visits) -> Result<(), Failure> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        for service in [visits.headless_service(), visits.service()] {
            services.create(&PostParams::default(), &serde_json::from_value(service)?).await?;
        }
        let set: StatefulSet = serde_json::from_value(visits.statefulset())?;
        self.sets().create(&PostParams::default(), &set).await?;
        Ok(())
    }

    /// Its namespace and name.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What was seen in its namespace.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn sets(&self) -> Api<StatefulSet> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    // What is awaited.

    /// Waits until `condition` holds, at most `within` seconds; returns when it was seen.
    pub async fn until(
        &self,
        what: &str,
        within: u64,
        mut condition: impl FnMut(Workload<'_>) -> bool,
    ) -> Result<Instant, Failure> {
        let within = Duration::from_secs(within);
        let mut view = self.view.clone();
        let holds = view.wait_for(|view| view.workload(&self.name).is_some_and(&mut condition));
        match timeout(within, holds).await {
            Ok(Ok(_)) => Ok(self.timeline.mark(format!("saw: {what}"))),
            _ => Err(Failure::Awaited { what: what.into(), within }),
        }
    }

    /// Waits until it is ready after its creation, and if it has a policy, looked after.
    pub async fn until_settled(&self, version: &str, policy: bool) -> Result<(), Failure> {
        self.until_all_on(version, 60).await?;
        if policy {
            self.until("adopted and parked", 30, |set| set.parked() && set.annotation("stable").is_some())
                .await?;
        }
        Ok(())
    }

    /// Waits until the StatefulSet controller has acted on the last write.
    pub async fn until_observed(&self) -> Result<(), Failure> {
        // Our own view may be of before that write.
        let written = self.sets().get(&self.name).await?.metadata.generation;
        self.until("observed by its controller", 30, |set| set.observed_generation() >= written)
            .await
            .map(drop)
    }

    /// Waits until every pod is ready on `version` and none of the pods of `old`, by UID, is left.
    pub async fn until_replaced(
        &self,
        version: &str,
        old: &BTreeSet<String>,
        within: u64,
    ) -> Result<Instant, Failure> {
        let new = |pod: &Pod| pod.uid().is_some_and(|uid| !old.contains(&uid));
        self.until(&format!("all pods replaced by ready ones on {version}"), within, |set| {
            set.all_ready_on(version) && set.pods().into_iter().all(new)
        })
        .await
    }

    /// Waits until every pod is ready on `version`.
    pub async fn until_all_on(&self, version: &str, within: u64) -> Result<Instant, Failure> {
        self.until(&format!("all pods ready on {version}"), within, |set| set.all_ready_on(version)).await
    }

    /// Waits until Siskin rests with `version` on every pod.
    pub async fn until_at_rest_on(&self, version: &str, within: u64) -> Result<Instant, Failure> {
        self.until(&format!("at rest on {version}"), within, |set| set.at_rest_on(version)).await
    }

    /// Waits until Siskin is in `phase`.
    pub async fn until_phase(&self, phase: &str, within: u64) -> Result<Instant, Failure> {
        self.until(&format!("phase {phase}"), within, |set| set.in_phase(phase)).await
    }

    /// Waits until `count` ready pods of `version`, and no others of it, are judged.
    pub async fn until_judged(&self, version: &str, count: usize, within: u64) -> Result<Instant, Failure> {
        let what = format!("{version} is judged on {count} pods");
        self.until(&what, within, |set| set.in_phase("Baking") && set.ready_on(version) == count).await
    }

    /// Waits until Siskin pauses for `reason`.
    pub async fn until_paused(&self, reason: &str, within: u64) -> Result<Instant, Failure> {
        self.until(&format!("paused: {reason}"), within, |set| set.pause() == reason).await
    }

    /// Waits until `count` pods are ready on `version`.
    pub async fn until_ready_on(&self, version: &str, count: usize, within: u64) -> Result<Instant, Failure> {
        let what = format!("{count} pods ready on {version}");
        self.until(&what, within, |set| set.ready_on(version) == count).await
    }

    /// Makes sure that `invariant` holds for the whole of `seconds`.
    pub async fn stays(
        &self,
        what: &str,
        seconds: u64,
        mut invariant: impl FnMut(Workload<'_>) -> bool,
    ) -> Result<(), Failure> {
        let mut view = self.view.clone();
        let broken = view.wait_for(|view| view.workload(&self.name).is_some_and(|set| !invariant(set)));
        match timeout(Duration::from_secs(seconds), broken).await {
            Err(_) => Ok(()),
            Ok(_) => Err(Failure::Untrue(format!("it should stay so for {seconds} s: {what}"))),
        }
    }

    /// Looks at it as it is now.
    pub fn look<T>(&self, question: impl FnOnce(Workload<'_>) -> T) -> Result<T, Failure> {
        let view = self.view.borrow().clone();
        let gone = || Failure::Untrue(format!("StatefulSet {} is gone", self.name));
        view.workload(&self.name).map(question).ok_or_else(gone)
    }

    /// The open rollout's id.
    pub fn rollout(&self) -> Result<String, Failure> {
        self.look(|set| set.state_text("/rollout/id"))
    }

    /// The id of the last rollout that ended.
    pub fn last_rollout(&self) -> Result<String, Failure> {
        self.look(|set| set.last_rollout())
    }

    /// The revision of the newest template.
    pub fn canary(&self) -> Result<String, Failure> {
        self.look(|set| set.update_revision().to_owned())
    }

    // What is done to it.

    /// Another version by its image and `VERSION`; returns when the API server had it.
    pub async fn set_version(&self, version: &str) -> Result<Instant, Failure> {
        self.set_image(version, &images::visits(version)).await
    }

    /// Another version with an image that may not exist.
    pub async fn set_image(&self, version: &str, image: &str) -> Result<Instant, Failure> {
        self.patch(&format!("sets {version}"), &Patch::Strategic(template_patch(version, image, &[]))).await
    }

    /// Another version with the image `tag` and faults from its start; `None` takes the faults away.
    pub async fn set_faulty(
        &self,
        version: &str,
        tag: &str,
        fault: Option<&str>,
    ) -> Result<Instant, Failure> {
        let fault = match fault {
            Some(fault) => json!({ "name": "FAULT", "value": fault }),
            None => json!({ "name": "FAULT", "$patch": "delete" }),
        };
        let patch = template_patch(version, &images::visits(tag), &[fault]);
        self.patch(&format!("sets faulty {version}"), &Patch::Strategic(patch)).await
    }

    /// The annotation `siskin.dev/<name>`, or none.
    pub async fn annotate(&self, name: &str, value: Option<&str>) -> Result<Instant, Failure> {
        let patch = json!({ "metadata": { "annotations": { (format!("siskin.dev/{name}")): value } } });
        self.merge(&format!("annotates {name}={}", value.unwrap_or("(none)")), patch).await
    }

    /// Any merge patch.
    pub async fn merge(&self, what: &str, patch: Value) -> Result<Instant, Failure> {
        self.patch(what, &Patch::Merge(patch)).await
    }

    /// A merge patch through the status.
    pub async fn merge_status(&self, patch: Value) -> Result<(), Failure> {
        let patch = Patch::Merge(patch);
        self.sets().patch_status(&self.name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// `kubectl replace`: what the manifest doesn't say goes.
    pub async fn replace(&self, visits: &Visits) -> Result<(), Failure> {
        let set: StatefulSet = serde_json::from_value(visits.statefulset())?;
        self.sets().replace(&self.name, &PostParams::default(), &set).await?;
        Ok(())
    }

    /// Any strategic merge patch.
    pub async fn strategic(&self, what: &str, patch: Value) -> Result<Instant, Failure> {
        self.patch(what, &Patch::Strategic(patch)).await
    }

    /// A forced server-side apply of these fields, as by a tool that has them in Git.
    pub async fn apply(&self, what: &str, mut fields: Value) -> Result<Instant, Failure> {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("apiVersion".into(), "apps/v1".into());
            fields.insert("kind".into(), "StatefulSet".into());
        }
        self.sets().patch(&self.name, &PatchParams::apply("gitops").force(), &Patch::Apply(fields)).await?;
        Ok(self.timeline.mark(format!("applies {what}")))
    }

    /// Deletes the StatefulSet with its pods.
    pub async fn delete(&self) -> Result<(), Failure> {
        self.sets().delete(&self.name, &DeleteParams::foreground()).await?;
        self.until_gone().await
    }

    /// Deletes the StatefulSet and leaves its pods.
    pub async fn orphan(&self) -> Result<(), Failure> {
        self.sets().delete(&self.name, &DeleteParams::orphan()).await?;
        self.timeline.mark("deletes the StatefulSet without its pods");
        self.until_gone().await
    }

    async fn until_gone(&self) -> Result<(), Failure> {
        let within = Duration::from_mins(1);
        let mut view = self.view.clone();
        match timeout(within, view.wait_for(|view| view.workload(&self.name).is_none())).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Failure::Awaited { what: format!("StatefulSet {} is gone", self.name), within }),
        }
    }

    /// Creates the StatefulSet anew and waits until its controller has seen it.
    pub async fn create_again(&self, visits: &Visits) -> Result<(), Failure> {
        let set: StatefulSet = serde_json::from_value(visits.statefulset())?;
        self.sets().create(&PostParams::default(), &set).await?;
        self.timeline.mark("creates the StatefulSet anew");
        self.until_observed().await
    }

    /// Deletes every pod; returns their UIDs.
    pub async fn delete_pods(&self) -> Result<BTreeSet<String>, Failure> {
        let pods: Vec<Pod> = self.look(|set| set.pods().into_iter().cloned().collect())?;
        self.timeline.mark("deletes all pods");
        for pod in &pods {
            // One that is gone by now was deleted by others.
            match self.pods().delete(&pod.name_any(), &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                other => drop(other?),
            }
        }
        Ok(pods.iter().filter_map(ResourceExt::uid).collect())
    }

    async fn patch(&self, what: &str, patch: &Patch<Value>) -> Result<Instant, Failure> {
        let parameters = PatchParams { field_manager: Some(PERSON.into()), ..PatchParams::default() };
        self.sets().patch(&self.name, &parameters, patch).await?;
        Ok(self.timeline.mark(what))
    }

    /// `kubectl scale`; the new number is also the expected one.
    pub async fn scale(&self, replicas: i32) -> Result<Instant, Failure> {
        let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        self.sets().patch_scale(&self.name, &PatchParams::default(), &patch).await?;
        self.expected().replicas = replicas;
        Ok(self.timeline.mark(format!("scales to {replicas}")))
    }

    fn pod_name(&self, ordinal: i32) -> Result<String, Failure> {
        let name = self.look(|set| set.pod(ordinal).map(ResourceExt::name_any))?;
        name.ok_or_else(|| Failure::Untrue(format!("{} has no pod of ordinal {ordinal}", self.name)))
    }

    /// Deletes the pod of `ordinal` without waiting for its end, as when its node is lost.
    pub async fn force_delete(&self, ordinal: i32) -> Result<Instant, Failure> {
        let name = self.pod_name(ordinal)?;
        self.pods().delete(&name, &DeleteParams::default().grace_period(0)).await?;
        Ok(self.timeline.mark(format!("force-deletes {name}")))
    }

    /// Evicts the pod of `ordinal` as a drain does.
    pub async fn evict(&self, ordinal: i32) -> Result<Instant, Failure> {
        let name = self.pod_name(ordinal)?;
        self.pods().evict(&name, &EvictParams::default()).await?;
        Ok(self.timeline.mark(format!("evicts {name}")))
    }

    /// Flips faults in every pod of `version`; returns when the last one had it.
    pub async fn fault(&self, wanted: &str, fault: &str) -> Result<Instant, Failure> {
        let pods: Vec<Pod> = self.look(|set| set.pods().into_iter().cloned().collect())?;
        let mut reached = 0;
        for pod in pods.iter().filter(|pod| version(pod.spec.as_ref()) == Some(wanted)) {
            let answer = ask(pod, &format!("/admin/fault?{fault}")).await?;
            if answer.status != 200 {
                return Err(Failure::Untrue(format!(
                    "{} refused the fault: {}",
                    pod.name_any(),
                    answer.body
                )));
            }
            reached += 1;
        }
        match reached {
            0 => {
                Err(Failure::Untrue(format!("no pod of {} runs {wanted}, so none can be faulty", self.name)))
            }
            _ => Ok(self.timeline.mark(format!("makes {reached} pods of {wanted} faulty: {fault}"))),
        }
    }

    /// A claim of `ordinal`, which no pod uses, and which may be left.
    pub async fn make_claim(&self, ordinal: i32) -> Result<(), Failure> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let claim = serde_json::from_value(json!({
            "metadata": { "name": format!("data-{}-{ordinal}", self.name) },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "16Mi" } } },
        }))?;
        claims.create(&PostParams::default(), &claim).await?;
        self.leaves_claim(ordinal);
        Ok(())
    }

    /// Where traffic goes.
    pub async fn address(&self) -> Result<SocketAddr, Failure> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        let service = services.get(&self.name).await?;
        let address = service.spec.and_then(|spec| spec.cluster_ip?.parse::<IpAddr>().ok());
        let missing = || Failure::Untrue(format!("Service {} has no address", self.name));
        Ok(SocketAddr::new(address.ok_or_else(missing)?, PORT))
    }

    // How it should end.

    /// It should end on `version`.
    pub fn ends_on(&self, version: &str) {
        self.expected().version = version.into();
    }

    /// The claim of `ordinal` may be left.
    pub fn leaves_claim(&self, ordinal: i32) {
        self.expected().other_claims.insert(format!("data-{}-{ordinal}", self.name));
    }

    /// What was said of its end.
    pub fn expected(&self) -> MutexGuard<'_, Expected> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A GET to a pod.
pub async fn ask(pod: &Pod, path: &str) -> Result<http::Answer, Failure> {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse::<IpAddr>().ok());
    let address = address.ok_or_else(|| Failure::Untrue(format!("{} has no address", pod.name_any())))?;
    let failed = |source| Failure::Pod { pod: pod.name_any(), path: path.into(), source };
    http::get(SocketAddr::new(address, PORT), path, POD_ANSWERS).await.map_err(failed)
}

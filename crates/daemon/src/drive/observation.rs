//! What is observed of a workload only while something happens: its pods by a watch, its revisions and claims by
//! lists.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use siskin_core::{
    decision::Observe,
    facts::{Autoscaler, Claim, Detail, Pod, Revision, RevisionFact, Uid},
    time::{Instant, Wall},
};
use tokio::{sync::watch, task::AbortHandle};
use tracing::Instrument;

use crate::{
    cluster::{Cluster, Resource, Scope},
    server::health::{Age, Health},
    watch::{
        Change, SILENCE, autoscalers,
        claims::ClaimMeta,
        follow,
        pods::OwnedPod,
        refusals,
        revisions::ControllerRevision,
        statefulsets::{Key, Managed},
    },
};

/// Claims are made and deleted by others without notice to us; they are read again this often while they matter.
const CLAIMS_AGE: Duration = Duration::from_millis(500);
/// Roles change rarely.
const RIGHT_AGE: Duration = Duration::from_secs(30);
/// Why pods are refused is told once; it may be right then.
const REFUSAL_AGE: Duration = Duration::from_secs(5);
/// They come and go rarely.
const AUTOSCALER_AGE: Duration = Duration::from_secs(5);
/// After a read failed.
const RETRY: Duration = Duration::from_secs(1);
/// While something is missing.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const NOT_LISTED: &str = "its pods can't be listed";
/// What is missing for longer is told to people.
const WORTH_TELLING: Duration = Duration::from_secs(10);

type Pods = Arc<BTreeMap<Uid, Pod>>;

/// The observation of one workload's pods, revisions and claims. Dropping it ends the watch.
pub struct Observation {
    scope: Scope,
    pods: watch::Receiver<Option<Pods>>,
    task: AbortHandle,
    age: Age,
    missing: Option<Missing>,
    revisions: Option<Vec<RevisionFact>>,
    /// What the revisions were read for; `None`: they are to be read again.
    read_for: Option<ReadFor>,
    claims: Vec<Claim>,
    claims_read: Option<Wall>,
    /// Until then the claims needn't be read again.
    claims_fresh: Option<Instant>,
    may_delete_claims: bool,
    refusal: Option<String>,
    /// Until then the Events needn't be read again.
    refusal_fresh: Option<Instant>,
    /// Until then the right to delete claims needn't be asked for again.
    right_fresh: Option<Instant>,
    autoscaler: Option<Autoscaler>,
    /// Until then the autoscalers needn't be read again.
    autoscaler_fresh: Option<Instant>,
    /// No list before this time.
    not_before: Instant,
}

/// Something that is not known, or no longer.
struct Missing {
    since: Instant,
    why: String,
}

/// A change of one of these means that there may be another revision.
#[derive(PartialEq)]
struct ReadFor {
    generation: i64,
    current: Option<Revision>,
    update: Option<Revision>,
}

impl Drop for Observation {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Observation {
    /// Opens the watch.
    pub fn start(cluster: &Cluster, health: &Health, key: &Key, managed: &Managed) -> Self {
        let scope = |resource| Scope {
            resource,
            namespace: Some(key.namespace.clone()),
            selector: Some(managed.selector.clone()),
            name: None,
        };
        let (tell, pods) = watch::channel(None);
        let age = health.watch(format!("pods of {key}"), false);
        let owner = managed.workload.uid.clone();
        let renewed = age.clone();
        let watching = follow::<OwnedPod>(cluster.clone(), scope(Resource::Pods), renewed, move |change| {
            tell.send_modify(|pods| apply(pods, change, &owner));
        });
        let task = tokio::spawn(watching.in_current_span()).abort_handle();
        Self {
            scope: scope(Resource::ControllerRevisions),
            pods,
            task,
            age,
            missing: Some(Missing { since: cluster.clock().mono(), why: NOT_LISTED.to_owned() }),
            revisions: None,
            read_for: None,
            claims: Vec::new(),
            claims_read: None,
            claims_fresh: None,
            may_delete_claims: false,
            refusal: None,
            refusal_fresh: None,
            right_fresh: None,
            autoscaler: None,
            autoscaler_fresh: None,
            not_before: Instant::default(),
        }
    }

    /// Returns when the pods have changed.
    pub async fn changed(&mut self) {
        if self.pods.changed().await.is_err() {
            // The watch never ends by itself; if it does, nothing changes any more.
            std::future::pending::<()>().await;
        }
        self.claims_fresh = None;
    }

    /// When to look again if nothing happens before: nobody tells of what can't be read.
    pub fn look_again(&self) -> Duration {
        if self.missing.is_some() { LOOK_AGAIN } else { SILENCE }
    }

    /// Why something is missing, if it is for so long that people should know.
    pub fn missing(&self, now: Instant) -> Option<&str> {
        self.missing
            .as_ref()
            .filter(|missing| now.since(missing.since) >= WORTH_TELLING)
            .map(|missing| missing.why.as_str())
    }

    /// Marks the revisions as changed by us.
    pub fn revisions_changed(&mut self) {
        self.read_for = None;
    }

    /// Marks the claims as changed by us.
    pub fn claims_changed(&mut self) {
        self.claims_fresh = None;
    }

    /// Everything that is known, once pods and revisions have been read.
    pub async fn detail(&mut self, cluster: &Cluster, managed: &Managed, observe: Observe) -> Option<Detail> {
        let Some(pods) = self.pods.borrow_and_update().clone() else {
            self.found(Err(NOT_LISTED.to_owned()), cluster.clock().mono());
            return None;
        };
        let read = self.read(cluster, managed, observe).await;
        self.found(read, cluster.clock().mono());
        let mut pods: Vec<Pod> = pods.values().cloned().collect();
        pods.sort_by(|a, b| (a.ordinal, &a.name).cmp(&(b.ordinal, &b.name)));
        Some(Detail {
            pods,
            revisions: self.revisions.clone()?,
            claims: self.claims.clone(),
            claims_read: self.claims_read,
            refusal: None,
            may_delete_claims: self.may_delete_claims,
            autoscaler: self.autoscaler.clone(),
        })
    }

    /// Why Kubernetes could not create a pod. It is only told to people: what can't be read is not missing.
    pub async fn refusal(&mut self, cluster: &Cluster, managed: &Managed) -> Option<String> {
        let now = cluster.clock().mono();
        if self.refusal_fresh.is_none_or(|until| now >= until) {
            self.refusal_fresh = Some(now + REFUSAL_AGE);
            let read = refusals::last(cluster, &managed.workload).await;
            self.refusal = read.unwrap_or_else(|error| {
                tracing::warn!(%error, "why no pod is created can't be read");
                None
            });
        }
        self.refusal.clone()
    }

    /// Reads what isn't known or may have changed; `Err` with the reason if something stays unknown.
    async fn read(&mut self, cluster: &Cluster, managed: &Managed, observe: Observe) -> Result<(), String> {
        self.read_revisions(cluster, managed).await?;
        if !managed.workload.claim_templates.is_empty() {
            self.ask_for_right(cluster, &managed.workload.namespace).await?;
        }
        if observe.claims {
            self.read_claims(cluster, managed).await?;
        }
        if observe.autoscaler {
            self.read_autoscaler(cluster, managed).await?;
        }
        let silent = self.age.silent_for(cluster.clock().mono());
        if silent > SILENCE {
            return Err(format!("the watch of its pods is silent for {}s", silent.as_secs()));
        }
        Ok(())
    }

    /// Keeps since when something is missing, and why.
    fn found(&mut self, read: Result<(), String>, now: Instant) {
        self.missing = read
            .err()
            .map(|why| Missing { since: self.missing.as_ref().map_or(now, |missing| missing.since), why });
    }

    async fn read_revisions(&mut self, cluster: &Cluster, managed: &Managed) -> Result<(), String> {
        let workload = &managed.workload;
        let wanted = ReadFor {
            generation: workload.generation,
            current: workload.current_revision.clone(),
            update: workload.update_revision.clone(),
        };
        if self.read_for.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.may_read(cluster.clock().mono())?;
        match cluster.list::<ControllerRevision>(&self.scope).await {
            Ok(listed) => {
                let ours = listed.items.into_iter().filter(|revision| revision.owned_by(&workload.uid));
                self.revisions = Some(ours.map(RevisionFact::from).collect());
                self.read_for = Some(wanted);
                Ok(())
            }
            Err(error) => Err(self.failed(&error, cluster.clock().mono())),
        }
    }

    async fn read_claims(&mut self, cluster: &Cluster, managed: &Managed) -> Result<(), String> {
        let now = cluster.clock().now();
        if self.claims_fresh.is_some_and(|until| now.mono < until) {
            return Ok(());
        }
        self.may_read(cluster.clock().mono())?;
        let scope = Scope { resource: Resource::Claims, selector: None, ..self.scope.clone() };
        match cluster.list_metadata::<ClaimMeta>(&scope).await {
            Ok(listed) => {
                let named = listed.items.into_iter().filter(|claim| claim.named_after(&managed.workload));
                self.claims = named.map(Claim::from).collect();
                self.claims_read = Some(now.wall);
                self.claims_fresh = Some(now.mono + CLAIMS_AGE);
                Ok(())
            }
            Err(error) => Err(self.failed(&error, cluster.clock().mono())),
        }
    }

    async fn read_autoscaler(&mut self, cluster: &Cluster, managed: &Managed) -> Result<(), String> {
        let now = cluster.clock().mono();
        if self.autoscaler_fresh.is_some_and(|until| now < until) {
            return Ok(());
        }
        self.may_read(cluster.clock().mono())?;
        let scope =
            Scope { resource: Resource::HorizontalPodAutoscalers, selector: None, ..self.scope.clone() };
        let found = match cluster.list::<autoscalers::Autoscaler>(&scope).await {
            Ok(listed) => listed
                .items
                .into_iter()
                .find(|autoscaler| autoscaler.scales(&managed.workload))
                .map_or(Autoscaler::Absent, |autoscaler| Autoscaler::Present(autoscaler.into_name())),
            Err(error) if error.is_forbidden() => Autoscaler::Unknown(error.to_string()),
            Err(error) => return Err(self.failed(&error, cluster.clock().mono())),
        };
        self.autoscaler = Some(found);
        self.autoscaler_fresh = Some(now + AUTOSCALER_AGE);
        Ok(())
    }

    async fn ask_for_right(&mut self, cluster: &Cluster, namespace: &str) -> Result<(), String> {
        let now = cluster.clock().mono();
        if self.right_fresh.is_some_and(|until| now < until) {
            return Ok(());
        }
        self.may_read(cluster.clock().mono())?;
        match cluster.may_delete_claims(namespace).await {
            Ok(allowed) => {
                self.may_delete_claims = allowed;
                self.right_fresh = Some(now + RIGHT_AGE);
                Ok(())
            }
            Err(error) => Err(self.failed(&error, cluster.clock().mono())),
        }
    }

    /// `Err` with the reason during the pause after a read that failed.
    fn may_read(&self, now: Instant) -> Result<(), String> {
        match &self.missing {
            Some(missing) if now < self.not_before => Err(missing.why.clone()),
            _ => Ok(()),
        }
    }

    fn failed(&mut self, error: &crate::cluster::Error, now: Instant) -> String {
        tracing::warn!(%error, "the observation is incomplete");
        self.not_before = now + RETRY;
        error.to_string()
    }
}

fn apply(pods: &mut Option<Pods>, change: Change<OwnedPod>, owner: &Uid) {
    match change {
        Change::All(all) => {
            let ours = all.into_iter().filter(|seen| seen.owned_by(owner));
            *pods = Some(Arc::new(ours.map(|seen| (seen.pod.uid.clone(), seen.pod)).collect()));
        }
        Change::Put(seen) => {
            let pods = Arc::make_mut(pods.get_or_insert_default());
            if seen.owned_by(owner) {
                pods.insert(seen.pod.uid.clone(), seen.pod);
            } else {
                pods.remove(&seen.pod.uid);
            }
        }
        Change::Gone(seen) => {
            Arc::make_mut(pods.get_or_insert_default()).remove(&seen.pod.uid);
        }
    }
}

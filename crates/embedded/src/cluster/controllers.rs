//! Doing what the controllers want.

use super::{Cluster, Precondition, Refusal, Refused, queue::Task, trace::Verb};
use crate::{
    model::{
        claims, endpoints, garbage,
        statefulset::{self, Action, NewPod, NewRevision},
    },
    object::{
        Claim, ClaimPhase, ControllerRevision, EndpointSlice, Kind, Metadata, Name, Owner, Pod, PodStatus,
        Service, StatefulSet, Uid,
    },
};

const STATEFULSET: &str = "statefulset-controller";
const VOLUMES: &str = "volume-controller";
const ENDPOINTS: &str = "endpointslice-controller";
const GARBAGE: &str = "garbage-collector";

impl Cluster {
    /// One pass of the StatefulSet controller. After a refused write those on pods that follow are left out, and
    /// the pass is tried again after 5 ms, then twice as long each time.
    pub(super) fn sync_statefulset(&mut self, name: &Name) {
        let Some(set) = self.sets.get(name).filter(|_| !self.faults.controller_stopped) else {
            return;
        };
        let view = statefulset::View {
            set,
            pods: self.pods.iter().collect(),
            revisions: self.revisions.iter().collect(),
            claims: self.claims.iter().collect(),
        };
        let actions = statefulset::sync(&view, self.now);
        let mut failed = false;
        for action in actions {
            if failed && action.is_on_pods() {
                continue;
            }
            match action {
                Action::Retry => failed = true,
                Action::SyncAgainAt(at) => self.queue.ask(Task::StatefulSet(name.clone()), at),
                action => failed |= self.act(name, action).is_err(),
            }
        }
        if failed {
            let failures = self.failures.entry(name.clone()).or_default();
            let wait = 5_u64 << (*failures).min(17);
            *failures += 1;
            self.queue.ask(Task::StatefulSet(name.clone()), self.now + wait);
        } else {
            self.failures.remove(name);
        }
    }

    fn act(&mut self, set: &Name, action: Action) -> Result<(), Refused> {
        match action {
            Action::CreateRevision(new) => self.create(STATEFULSET, revision(new)).map(drop),
            Action::RenumberRevision { name, number } => {
                let revision = self.read::<ControllerRevision>(&name, Precondition::NONE)?;
                self.put(STATEFULSET, Verb::Update, ControllerRevision { number, ..revision });
                Ok(())
            }
            Action::AdoptRevision { name, uid, owner } => {
                let mut revision = self.read::<ControllerRevision>(&name, Precondition::uid(uid))?;
                revision.metadata.owners.push(owner);
                self.put(STATEFULSET, Verb::Update, revision);
                Ok(())
            }
            Action::DeleteRevision { name } => {
                self.remove::<ControllerRevision>(STATEFULSET, &name);
                Ok(())
            }
            Action::AdoptPod { name, uid, owner } => {
                let mut pod = self.read::<Pod>(&name, Precondition::uid(uid))?;
                pod.metadata.owners.push(owner);
                self.put(STATEFULSET, Verb::Update, pod);
                Ok(())
            }
            Action::ReleasePod { name, uid, owner } => {
                self.disown::<Pod>(STATEFULSET, &name, uid, &[owner]);
                Ok(())
            }
            Action::CreateClaim { name, labels } => {
                let metadata = Metadata { labels, ..Metadata::named(name) };
                self.create(STATEFULSET, Claim { metadata, phase: ClaimPhase::Pending }).map(drop)
            }
            Action::SetClaimOwners { name, owners } => {
                let mut claim = self.read::<Claim>(&name, Precondition::NONE)?;
                claim.metadata.owners = owners;
                self.put(STATEFULSET, Verb::Update, claim);
                Ok(())
            }
            Action::CreatePod(new) => {
                self.make_pod(new).inspect_err(|refused| self.note_refusal(set, refused))
            }
            Action::DeletePod { name } => match self.delete_pod(STATEFULSET, &name, Precondition::NONE, None)
            {
                Err(Refused::NotFound { .. }) | Ok(()) => Ok(()),
                refused => refused,
            },
            Action::Refuse { message, .. } => {
                self.note_refusal(set, &Refused::Forbidden(message));
                Ok(())
            }
            Action::UpdateStatus(status) => {
                self.update_status(STATEFULSET, set, Precondition::NONE, |old| *old = status)
            }
            Action::Retry | Action::SyncAgainAt(_) => Ok(()),
        }
    }

    fn make_pod(&mut self, new: NewPod) -> Result<(), Refused> {
        if self.faults.pod_quota.is_some_and(|quota| self.pods.len() >= quota) {
            return Err(Refused::Forbidden(format!("pods \"{}\" is forbidden: exceeded quota", new.name)));
        }
        let metadata = Metadata { labels: new.labels, owners: vec![new.owner], ..Metadata::named(new.name) };
        let claims = new.volumes.into_iter().map(|(_, claim)| claim).collect();
        let pod = Pod { metadata, template: new.template, claims, status: PodStatus::default() };
        self.admission.pod(&pod).map_err(Refused::Forbidden)?;
        self.create(STATEFULSET, pod).map(drop)
    }

    fn note_refusal(&mut self, set: &Name, refused: &Refused) {
        let (at, message) = (self.now, refused.to_string());
        let refusals = self.refusals.entry(set.clone()).or_default();
        match refusals.iter_mut().find(|refusal| refusal.message == message) {
            Some(refusal) => refusal.at = at,
            None => refusals.push(Refusal { at, message }),
        }
    }

    pub(super) fn sync_claims(&mut self) {
        let view = claims::View {
            claims: self.claims.iter().collect(),
            pods: self.pods.iter().collect(),
            provisioning: self.faults.provisioning,
        };
        for action in claims::sync(&view, self.now) {
            match action {
                claims::Action::Bind { name, uid } => {
                    if let Ok(claim) = self.read::<Claim>(&name, Precondition::uid(uid)) {
                        self.put(VOLUMES, Verb::UpdateStatus, Claim { phase: ClaimPhase::Bound, ..claim });
                    }
                }
                claims::Action::Remove { name, uid } => {
                    self.remove::<Claim>(VOLUMES, &name);
                    self.nodes.forget_data(uid);
                }
                claims::Action::SyncAgainAt(at) => self.queue.ask(Task::Claims, at),
            }
        }
    }

    pub(super) fn sync_endpoints(&mut self, service: &Name) {
        let Some(found) = self.services.get(service) else {
            self.remove::<EndpointSlice>(ENDPOINTS, service);
            return;
        };
        let slice = self.slices.get(service).cloned();
        let view =
            endpoints::View { service: found, pods: self.pods.iter().collect(), slice: slice.as_deref() };
        let Some(endpoints) = endpoints::sync(&view) else { return };
        let owner =
            Owner { kind: Kind::Service, name: service.clone(), uid: found.metadata.uid, controller: true };
        if let Some(slice) = slice {
            let slice = EndpointSlice { endpoints, ..(*slice).clone() };
            self.put(ENDPOINTS, Verb::Update, slice);
        } else {
            let metadata = Metadata { owners: vec![owner], ..Metadata::named(service.clone()) };
            // There was none a moment ago.
            let _created = self.create(ENDPOINTS, EndpointSlice { metadata, endpoints });
        }
    }

    pub(super) fn sync_garbage(&mut self) {
        let mut objects: Vec<(Kind, &Metadata)> = Vec::new();
        objects.extend(self.sets.iter().map(|object| (Kind::StatefulSet, &object.metadata)));
        objects.extend(self.revisions.iter().map(|object| (Kind::ControllerRevision, &object.metadata)));
        objects.extend(self.pods.iter().map(|object| (Kind::Pod, &object.metadata)));
        objects.extend(self.claims.iter().map(|object| (Kind::Claim, &object.metadata)));
        objects.extend(self.services.iter().map(|object| (Kind::Service, &object.metadata)));
        objects.extend(self.slices.iter().map(|object| (Kind::EndpointSlice, &object.metadata)));
        for action in garbage::sync(&garbage::View { objects }) {
            match action {
                garbage::Action::Delete { kind, name, uid } => self.collect(kind, &name, uid),
                garbage::Action::Disown { kind: Kind::Pod, name, uid, owners } => {
                    self.disown::<Pod>(GARBAGE, &name, uid, &owners);
                }
                garbage::Action::Disown { kind: Kind::ControllerRevision, name, uid, owners } => {
                    self.disown::<ControllerRevision>(GARBAGE, &name, uid, &owners);
                }
                garbage::Action::Disown { kind: Kind::Claim, name, uid, owners } => {
                    self.disown::<Claim>(GARBAGE, &name, uid, &owners);
                }
                // Nothing here owns a StatefulSet or a Service, and a slice has one owner.
                garbage::Action::Disown { .. } => {}
                garbage::Action::Finalize { name, uid, finalizer, .. } => {
                    self.finalize(&name, uid, finalizer);
                }
            }
        }
    }

    fn collect(&mut self, kind: Kind, name: &Name, uid: Uid) {
        let this = Precondition::uid(uid);
        // One that is gone or replaced meanwhile needs no collecting.
        let _ = match kind {
            Kind::Pod => self.delete_pod(GARBAGE, name, this, None),
            Kind::Claim => self.delete_claim(GARBAGE, name, this),
            Kind::ControllerRevision => {
                self.read::<ControllerRevision>(name, this).map(|object| self.end(GARBAGE, object, 0))
            }
            Kind::EndpointSlice => {
                self.read::<EndpointSlice>(name, this).map(|object| self.end(GARBAGE, object, 0))
            }
            Kind::Service => self.read::<Service>(name, this).map(|object| self.end(GARBAGE, object, 0)),
            Kind::StatefulSet => {
                self.read::<StatefulSet>(name, this).map(|object| self.end(GARBAGE, object, 0))
            }
            // The store has no others.
            Kind::Other => Ok(()),
        };
    }

    fn disown<T: super::writes::Stored>(&mut self, actor: &str, name: &Name, uid: Uid, owners: &[Uid]) {
        if let Ok(mut object) = self.read::<T>(name, Precondition::uid(uid)) {
            object.metadata_mut().owners.retain(|owner| !owners.contains(&owner.uid));
            self.put(actor, Verb::Update, object);
        }
    }

    fn finalize(&mut self, name: &Name, uid: Uid, finalizer: &str) {
        if let Ok(mut set) = self.read::<StatefulSet>(name, Precondition::uid(uid)) {
            set.metadata.finalizers.retain(|held| &**held != finalizer);
            let done = set.metadata.finalizers.is_empty();
            self.put(GARBAGE, Verb::Update, set);
            if done {
                self.remove::<StatefulSet>(GARBAGE, name);
            }
        }
    }
}

fn revision(new: NewRevision) -> ControllerRevision {
    let NewRevision { name, number, template, labels, annotations, owner } = new;
    let metadata = Metadata { labels, annotations, owners: vec![owner], ..Metadata::named(name) };
    ControllerRevision { metadata, number, template }
}

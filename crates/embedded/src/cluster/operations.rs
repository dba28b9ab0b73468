//! What people and programs do to a cluster.

use super::{Cluster, Precondition, Refused, trace::Verb, writes::Stored};
use crate::{
    Millis,
    model::garbage,
    object::{
        Claim, ControllerRevision, Deletion, Labels, Metadata, Name, Pod, Service, StatefulSet,
        StatefulSetSpec, StatefulSetStatus, Template, Uid, UpdateStrategy,
    },
};

/// What becomes of the objects that a deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cascade {
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

impl Cluster {
    /// Makes a StatefulSet.
    pub fn create_statefulset(
        &mut self,
        user: &str,
        name: &str,
        spec: StatefulSetSpec,
    ) -> Result<Uid, Refused> {
        let set = StatefulSet { metadata: Metadata::named(name), spec, status: StatefulSetStatus::default() };
        self.create_statefulset_with(user, set)
    }

    /// Makes a StatefulSet with metadata of its own; its status is not taken.
    pub fn create_statefulset_with(&mut self, user: &str, mut set: StatefulSet) -> Result<Uid, Refused> {
        set.status = StatefulSetStatus::default();
        let admission = self.admission.clone();
        admission.statefulset(user, None, &mut set).map_err(Refused::Forbidden)?;
        let name = set.metadata.name.clone();
        let uid = self.create(user, set)?;
        self.scaled_by.insert(name, user.into());
        Ok(uid)
    }

    /// Changes a StatefulSet's spec, labels and annotations in one write. Changes of its status, and of metadata
    /// that isn't the user's, are dropped; without a change nothing is written. `generation` rises with the spec.
    pub fn update_statefulset(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut StatefulSet),
    ) -> Result<(), Refused> {
        let old = self.read::<StatefulSet>(name, precondition)?;
        let mut new = old.clone();
        change(&mut new);
        let admission = self.admission.clone();
        admission.statefulset(user, Some(&old), &mut new).map_err(Refused::Forbidden)?;
        let Metadata { labels, annotations, .. } = new.metadata;
        new.metadata = Metadata { labels, annotations, ..old.metadata.clone() };
        new.status = old.status.clone();
        if new == old {
            return Ok(());
        }
        validate(&old.spec, &new.spec)?;
        new.metadata.generation += i64::from(new.spec != old.spec);
        if new.spec.replicas != old.spec.replicas {
            self.scaled_by.insert(name.into(), user.into());
        }
        self.put(user, Verb::Update, new);
        Ok(())
    }

    /// Writes another template.
    pub fn set_template(&mut self, user: &str, name: &str, template: Template) -> Result<(), Refused> {
        self.update_statefulset(user, name, Precondition::NONE, |set| set.spec.template = template)
    }

    /// Scales.
    pub fn set_replicas(&mut self, user: &str, name: &str, replicas: u32) -> Result<(), Refused> {
        self.update_statefulset(user, name, Precondition::NONE, |set| set.spec.replicas = replicas)
    }

    /// Writes the partition; the type is `RollingUpdate` then.
    pub fn set_partition(&mut self, user: &str, name: &str, partition: u32) -> Result<(), Refused> {
        let strategy = UpdateStrategy::RollingUpdate { partition: Some(partition) };
        self.update_statefulset(user, name, Precondition::NONE, |set| set.spec.update_strategy = strategy)
    }

    /// Writes an annotation of a StatefulSet, or removes it.
    pub fn annotate_statefulset(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        annotation: (&str, Option<&str>),
    ) -> Result<(), Refused> {
        self.update_statefulset(user, name, precondition, |set| {
            annotate(&mut set.metadata.annotations, annotation);
        })
    }

    /// Writes a StatefulSet's status, through its subresource.
    pub fn update_status(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut StatefulSetStatus),
    ) -> Result<(), Refused> {
        let old = self.read::<StatefulSet>(name, precondition)?;
        let mut status = old.status.clone();
        change(&mut status);
        let admission = self.admission.clone();
        admission.status(&old, &mut status).map_err(Refused::Forbidden)?;
        let counts =
            [status.replicas, status.ready_replicas, status.current_replicas, status.updated_replicas];
        if counts.into_iter().any(i64::is_negative) {
            return Err(Refused::Invalid("status: a count must be greater than or equal to 0".to_owned()));
        }
        if status != old.status {
            self.put(user, Verb::UpdateStatus, StatefulSet { status, ..old });
        }
        Ok(())
    }

    /// Deletes a StatefulSet.
    pub fn delete_statefulset(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        cascade: Cascade,
    ) -> Result<(), Refused> {
        let mut set = self.read::<StatefulSet>(name, precondition)?;
        let finalizer = match cascade {
            Cascade::Background => None,
            Cascade::Foreground => Some(garbage::FOREGROUND),
            Cascade::Orphan => Some(garbage::ORPHAN),
        };
        set.metadata.finalizers.extend(finalizer.map(Name::from));
        self.end(user, set, 0);
        Ok(())
    }

    /// Deletes a pod, with the grace period of its template or this one; 0 removes the object at once.
    pub fn delete_pod(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        grace: Option<Millis>,
    ) -> Result<(), Refused> {
        self.send_traffic();
        let pod = self.read::<Pod>(name, precondition)?;
        // A pod that no node has taken has nothing to end.
        let begun = pod.status.has_ip || pod.status.container.is_some();
        let grace = grace.unwrap_or(if begun { pod.template.grace() } else { 0 });
        self.end(user, pod, grace);
        Ok(())
    }

    /// Changes a pod's labels or annotations.
    pub fn update_pod(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut Labels, &mut Labels),
    ) -> Result<(), Refused> {
        self.relabel::<Pod>(user, name, precondition, change)
    }

    /// Changes a `ControllerRevision`'s labels or annotations.
    pub fn update_revision(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut Labels, &mut Labels),
    ) -> Result<(), Refused> {
        self.relabel::<ControllerRevision>(user, name, precondition, change)
    }

    /// Deletes a claim. It stays while a pod uses it.
    pub fn delete_claim(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
    ) -> Result<(), Refused> {
        let mut claim = self.read::<Claim>(name, precondition)?;
        if !claim.metadata.terminating() {
            claim.metadata.deletion = Some(Deletion { requested: self.now, at: self.now });
            self.put(user, Verb::Delete, claim);
        }
        Ok(())
    }

    /// Makes a Service.
    pub fn create_service(&mut self, user: &str, name: &str, selector: Labels) -> Result<Uid, Refused> {
        self.create(user, Service { metadata: Metadata::named(name), selector, publish_not_ready: false })
    }

    /// Changes a Service.
    pub fn update_service(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut Service),
    ) -> Result<(), Refused> {
        let old = self.read::<Service>(name, precondition)?;
        let mut new = old.clone();
        change(&mut new);
        if new != old {
            self.put(user, Verb::Update, new);
        }
        Ok(())
    }

    /// Reads an object to write it.
    pub(super) fn read<T: Stored>(&mut self, name: &str, precondition: Precondition) -> Result<T, Refused> {
        let object = T::store(self).get(name).cloned();
        let object = object.ok_or_else(|| Refused::NotFound { kind: T::KIND, name: name.into() })?;
        precondition.check(T::KIND, object.metadata())?;
        Ok((*object).clone())
    }

    /// Asks for the end of an object. A second deletion can only shorten the grace period.
    pub(super) fn end<T: Stored>(&mut self, user: &str, mut object: T, grace: Millis) {
        let at = self.now + grace;
        let metadata = object.metadata_mut();
        let earlier = metadata.deletion;
        let name = metadata.name.clone();
        if earlier.is_none_or(|earlier| at < earlier.at) {
            let requested = earlier.map_or(self.now, |earlier| earlier.requested);
            metadata.deletion = Some(Deletion { requested, at });
            let held = !metadata.finalizers.is_empty();
            if held || grace > 0 {
                self.put(user, Verb::Delete, object);
            } else {
                self.remove::<T>(user, &name);
            }
        }
    }

    fn relabel<T: Stored + PartialEq>(
        &mut self,
        user: &str,
        name: &str,
        precondition: Precondition,
        change: impl FnOnce(&mut Labels, &mut Labels),
    ) -> Result<(), Refused> {
        let old = self.read::<T>(name, precondition)?;
        let mut new = old.clone();
        let Metadata { labels, annotations, .. } = new.metadata_mut();
        change(labels, annotations);
        if new != old {
            self.put(user, Verb::Update, new);
        }
        Ok(())
    }
}

/// Writes one label or annotation, or removes it.
pub fn annotate(annotations: &mut Labels, (key, value): (&str, Option<&str>)) {
    let mut changed = (**annotations).clone();
    match value {
        Some(value) => changed.insert(key.to_owned(), value.to_owned()),
        None => changed.remove(key),
    };
    *annotations = Labels::new(changed);
}

/// What a StatefulSet may not change (422 in Kubernetes).
fn validate(old: &StatefulSetSpec, new: &StatefulSetSpec) -> Result<(), Refused> {
    let fixed = old.selector == new.selector
        && old.claim_templates == new.claim_templates
        && old.service_name == new.service_name
        && old.pod_management == new.pod_management;
    if !fixed {
        return Err(Refused::Invalid(
            "spec: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
             'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
                .to_owned(),
        ));
    }
    Ok(())
}

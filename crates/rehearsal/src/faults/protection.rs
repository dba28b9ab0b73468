//! The admission policies of a story: park, hold, and the pod guard with its list.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use siskin_core::{
    decision::Write,
    facts::{Guard, PARKED, Revision},
};
use siskin_embedded::{
    cluster::Admission,
    object::{Pod, StatefulSet, StatefulSetStatus, UpdateStrategy},
};

use crate::wire::ACTOR;

/// Which of them are there.
#[derive(Clone, Debug)]
pub struct Protection {
    /// Only Siskin lowers a partition, and a new template parks.
    pub park: bool,
    /// `currentRevision` stays what `siskin.dev/stable` names.
    pub hold: bool,
    /// Pods are made of released revisions only.
    pub guard: Option<List>,
}

/// The list of released revisions, which both the pod guard and the daemon see.
#[derive(Clone, Debug, Default)]
pub struct List(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    guard: Guard,
    writes: u64,
}

impl List {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it is now.
    pub fn fact(&self) -> Guard {
        self.kept().guard.clone()
    }

    /// Carries out a write of it; false: it is another one than the writer thinks.
    pub fn write(&self, write: &Write) -> bool {
        let mut kept = self.kept();
        match write {
            Write::Guard { resource_version, allowed }
                if *resource_version == kept.guard.resource_version =>
            {
                kept.put(allowed.clone());
                true
            }
            Write::DeleteGuard { resource_version }
                if kept.guard.resource_version.as_ref() == Some(resource_version) =>
            {
                kept.guard = Guard::default();
                true
            }
            _ => false,
        }
    }

    /// Somebody edits it, if it is there.
    pub fn edit(&self, change: impl FnOnce(&mut BTreeSet<Revision>)) {
        let mut kept = self.kept();
        if kept.guard.resource_version.is_some() {
            let mut allowed = kept.guard.allowed.clone();
            change(&mut allowed);
            kept.put(allowed);
        }
    }

    /// Somebody deletes it.
    pub fn delete(&self) {
        self.kept().guard = Guard::default();
    }
}

impl Kept {
    fn put(&mut self, allowed: BTreeSet<Revision>) {
        self.writes += 1;
        self.guard = Guard { resource_version: Some(self.writes.to_string()), allowed };
    }
}

fn annotation<'a>(set: &'a StatefulSet, name: &str) -> Option<&'a str> {
    set.metadata.annotations.get(name).map(String::as_str)
}

impl Admission for Protection {
    fn statefulset(
        &self,
        user: &str,
        old: Option<&StatefulSet>,
        new: &mut StatefulSet,
    ) -> Result<(), String> {
        if !self.park || user == ACTOR || annotation(new, "siskin.dev/policy").is_none() {
            return Ok(());
        }
        let UpdateStrategy::RollingUpdate { partition } = &mut new.spec.update_strategy else {
            return Ok(());
        };
        let wanted = partition.unwrap_or(0);
        *partition = Some(match old {
            Some(old) if old.spec.template == new.spec.template => {
                wanted.max(old.spec.update_strategy.partition())
            }
            _ => PARKED,
        });
        Ok(())
    }

    fn status(&self, old: &StatefulSet, new: &mut StatefulSetStatus) -> Result<(), String> {
        let stable =
            annotation(old, "siskin.dev/stable").filter(|_| annotation(old, "siskin.dev/policy").is_some());
        if let Some(stable) = stable.filter(|_| self.hold) {
            new.current_revision = stable.into();
        }
        Ok(())
    }

    fn pod(&self, new: &Pod) -> Result<(), String> {
        let Some(list) = &self.guard else { return Ok(()) };
        let Guard { resource_version, allowed } = &list.kept().guard;
        let revision = new.revision();
        if resource_version.is_none() || allowed.iter().any(|released| released.0 == revision) {
            return Ok(());
        }
        Err(format!("Siskin has not released revision {revision}"))
    }
}

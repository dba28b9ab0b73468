//! The admission policies of a story: park, and hold.

use siskin_core::facts::PARKED;
use siskin_embedded::{
    cluster::Admission,
    object::{StatefulSet, StatefulSetStatus, UpdateStrategy},
};

use crate::wire::ACTOR;

/// Which of them are there.
#[derive(Clone, Copy, Debug)]
pub struct Protection {
    /// Only Siskin lowers a partition, and a new template parks.
    pub park: bool,
    /// `currentRevision` stays what `siskin.dev/stable` names.
    pub hold: bool,
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
}

//! What all workers know of each other, for those that take turns.
//!
//! A worker decides and takes its place under one lock, before it writes: no two start because each saw the other
//! idle. The table is no state of its own; it is made from the workloads' states when they are listed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use siskin_core::{
    decision::Decision,
    group::{MaxParallelRollouts, MemberFacts, Standing},
    state::{Record, State},
};
use tokio::sync::watch;

use crate::watch::statefulsets::{Key, Managed, StatefulSet};

/// Where each workload stands.
pub struct Members {
    /// Without limits nothing is kept.
    limited: bool,
    /// By the workload's name.
    table: Mutex<BTreeMap<String, Standing>>,
    changed: watch::Sender<()>,
}

impl Members {
    /// Nothing is known yet of the workloads in these scopes.
    pub fn new(limits: MaxParallelRollouts, scopes: &[Option<String>]) -> Self {
        let unknown = scopes.iter().flatten().map(|namespace| (unlisted(namespace), Standing::Unknown));
        Self {
            limited: !limits.is_unlimited(),
            table: Mutex::new(unknown.collect()),
            changed: watch::Sender::new(()),
        }
    }

    /// Tells when a workload's standing has changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes over the states of all workloads of a scope, before any of them is worked on.
    pub fn listed(&self, namespace: Option<&str>, all: &[StatefulSet]) {
        if !self.limited {
            return;
        }
        let mut table = self.table();
        let covered = |workload: &str| {
            namespace.is_none_or(|namespace| workload.split_once('/').is_some_and(|(of, _)| of == namespace))
        };
        table.retain(|workload, _| !covered(workload));
        table.extend(all.iter().filter_map(|set| Some(read(&set.key, set.managed.as_ref()?))));
        drop(table);
        self.changed.send_replace(());
    }

    /// Takes over the states of these workloads, which another process has worked on until now.
    pub fn known<'a>(&self, workloads: impl Iterator<Item = (&'a Key, Arc<Managed>)>) {
        if self.limited {
            self.table().extend(workloads.map(|(key, managed)| read(key, &managed)));
            self.changed.send_replace(());
        }
    }

    /// Lets a worker decide by what the others do, and takes over what it decides before anybody else looks.
    pub fn decide(&self, key: &Key, decide: impl FnOnce(&[MemberFacts]) -> Decision) -> Decision {
        if !self.limited {
            return decide(&[]);
        }
        let mut table = self.table();
        let members: Vec<MemberFacts> = table
            .iter()
            .filter(|(_, standing)| **standing != Standing::Resting)
            .map(|(workload, &standing)| MemberFacts { workload: workload.clone(), standing })
            .collect();
        let decision = decide(&members);
        let changed = put(&mut table, key, standing(&decision.state));
        drop(table);
        self.tell(changed);
        decision
    }

    /// The write of a decision was refused: who waited lets others go ahead until it decides again.
    pub fn gave_up(&self, key: &Key, state: &State) {
        let standing = match standing(state) {
            Standing::Waiting { .. } => Standing::Resting,
            standing => standing,
        };
        let changed = self.limited && put(&mut self.table(), key, standing);
        self.tell(changed);
    }

    /// The workload is nobody's business any more.
    pub fn left(&self, key: &Key) {
        let known = self.table().remove(&key.to_string());
        self.tell(known.is_some_and(|standing| standing != Standing::Resting));
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Standing>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, changed: bool) {
        if changed {
            self.changed.send_replace(());
        }
    }
}

/// What a state means to others.
pub fn standing(state: &State) -> Standing {
    state.record.as_ref().map_or(Standing::Resting, Record::standing)
}

/// The entry of a workload as its state says.
fn read(key: &Key, managed: &Managed) -> (String, Standing) {
    let record = Record::read(&managed.workload).ok().flatten();
    (key.to_string(), record.map_or(Standing::Resting, |record| record.standing()))
}

/// The entry for all workloads of a namespace that isn't listed yet.
fn unlisted(namespace: &str) -> String {
    format!("{namespace}/*")
}

/// True if it stood differently before.
fn put(table: &mut BTreeMap<String, Standing>, key: &Key, standing: Standing) -> bool {
    table.insert(key.to_string(), standing) != Some(standing)
}

#[cfg(test)]
mod tests {
    use siskin_core::{group::Admission, group::admit, state::Phase, time::Wall};

    use super::*;

    fn limits() -> MaxParallelRollouts {
        MaxParallelRollouts { total: Some(1), per_namespace: None }
    }

    fn key(name: &str) -> Key {
        Key { namespace: "a".into(), name: name.into() }
    }

    fn state(phase: Phase) -> State {
        let json = serde_json::json!({
            "version": 1, "workloadUID": "u", "seq": 1, "userReplicas": 1, "userPartition": 0, "phase": phase,
        });
        State { record: Some(serde_json::from_value(json).unwrap()), ..State::default() }
    }

    /// Starts if it may; whether it did.
    fn start(members: &Members, name: &str) -> bool {
        let key = key(name);
        let decision = members.decide(&key, |members| {
            let may = admit(&key.to_string(), Wall(0), members, limits()) == Admission::MayStart;
            let state = state(if may { Phase::Opening } else { Phase::Idle });
            Decision { state, ..Decision::default() }
        });
        standing(&decision.state) == Standing::Rolling
    }

    #[test]
    fn the_second_sees_that_the_first_has_started_before_anything_is_written() {
        let members = Members::new(limits(), &[None]);
        assert!(start(&members, "x") && !start(&members, "y"));
        members.left(&key("x"));
        assert!(start(&members, "y"));
    }

    #[test]
    fn many_at_once_start_one() {
        let members = Members::new(limits(), &[None]);
        let started = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let members = &members;
                    scope.spawn(move || start(members, &n.to_string()))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|s| *s).count()
        });
        assert_eq!(started, 1);
    }

    #[test]
    fn a_start_that_was_refused_gives_its_place_back() {
        let members = Members::new(limits(), &[None]);
        assert!(start(&members, "x"));
        members.gave_up(&key("x"), &state(Phase::Idle));
        assert!(start(&members, "y"));
        members.gave_up(&key("y"), &state(Phase::Baking));
        assert!(!start(&members, "x"), "what was refused is a later write of an open rollout");
    }

    #[test]
    fn a_new_process_lists_what_rolls_before_anybody_starts() {
        let members = Members::new(limits(), &[Some("a".into()), Some("b".into())]);
        members.listed(Some("a"), &[]);
        assert!(!start(&members, "x"), "nobody knows what rolls in b");
        members.listed(Some("b"), &[]);
        assert!(start(&members, "x"));
        members.listed(Some("a"), &[]);
        assert!(start(&members, "y"), "x is gone from the list");
    }

    #[test]
    fn only_a_change_wakes_those_who_wait() {
        let members = Members::new(limits(), &[None]);
        let mut changes = members.changes();
        assert!(start(&members, "x") && changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert!(start(&members, "x") && !changes.has_changed().unwrap());
        assert!(!start(&members, "z") && changes.has_changed().unwrap());
    }
}

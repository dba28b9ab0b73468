//! Kubernetes in the small world: pods that start and end, and the StatefulSet controller as far as the engine depends
//! on it (pkg/controller/statefulset of Kubernetes 1.35).

use std::collections::BTreeSet;

use super::{SimPod, World};
use crate::facts::{Phase as PodPhase, Pod, Revision, RevisionFact, Uid};

impl World {
    pub(super) fn kubelet(&mut self) {
        let at = self.at;
        self.pods.retain(|sim| sim.gone_at.is_none_or(|gone| gone > at));
        let wall = self.wall();
        for sim in &mut self.pods {
            let broken = self.broken.contains(sim.pod.revision.as_ref().unwrap().0.trim_start_matches("db-"));
            if !sim.pod.terminating
                && !sim.pod.ready
                && !broken
                && sim.pod.unschedulable.is_none()
                && at >= sim.born + 500
            {
                sim.pod.ready = true;
                sim.pod.phase = PodPhase::Running;
                sim.pod.ready_since = Some(wall);
            }
        }
        let pods: Vec<u32> = self.pods.iter().map(|sim| sim.pod.ordinal).collect();
        self.claims.retain(|claim| {
            let ordinal: u32 = claim.name.rsplit('-').next().unwrap().parse().unwrap();
            !claim.terminating || pods.contains(&ordinal)
        });
    }

    /// One sync.
    pub(super) fn controller(&mut self) {
        if !self.at.is_multiple_of(100) {
            return;
        }
        let update = self.revision_of_template();
        self.sts.observed_generation = self.sts.generation;
        self.sts.update_revision = Some(update.clone());
        let current = self.sts.current_revision.get_or_insert_with(|| update.clone()).clone();
        let replicas = self.sts.replicas;
        let partition = self.sts.partition;
        self.manage(&update, &current, replicas, partition);
        let counted = self.pods.len();
        let ready = self.pods.iter().filter(|sim| sim.pod.ready).count();
        let on = |revision: &Revision| {
            let live = self.pods.iter().filter(|sim| !sim.pod.terminating);
            live.filter(|sim| sim.pod.revision.as_ref() == Some(revision)).count()
        };
        let updated = on(&update);
        self.sts.current_pods = u32::try_from(on(&current)).unwrap();
        self.sts.pods = u32::try_from(counted).unwrap();
        self.sts.ready_pods = u32::try_from(ready).unwrap();
        self.sts.updated_pods = u32::try_from(updated).unwrap();
        let held = self.is_held() && self.annotation("stable") == Some(current.0.as_str());
        if !held && updated == ready && ready == counted && counted == replicas as usize && current != update
        {
            self.sts.current_revision = Some(update);
            self.sts.current_pods = self.sts.updated_pods;
            self.bump();
        }
        self.truncate_history();
    }

    /// The admission policies act only on workloads that are opted in.
    pub(super) fn is_held(&self) -> bool {
        self.hold && self.annotation("policy").is_some()
    }

    /// Revisions that nothing uses, beyond the limit, oldest first.
    fn truncate_history(&mut self) {
        let mut used: BTreeSet<Revision> =
            self.sts.current_revision.iter().chain(&self.sts.update_revision).cloned().collect();
        used.extend(self.pods.iter().filter_map(|sim| sim.pod.revision.clone()));
        let mut unused: Vec<(i64, Revision)> = self
            .revisions
            .iter()
            .filter(|revision| !used.contains(&revision.name))
            .map(|revision| (revision.number, revision.name.clone()))
            .collect();
        unused.sort();
        let excess = unused.len().saturating_sub(self.sts.revision_history_limit as usize);
        for (_, name) in unused.into_iter().take(excess) {
            self.revisions.retain(|revision| revision.name != name);
        }
    }

    fn manage(&mut self, update: &Revision, current: &Revision, replicas: u32, partition: u32) {
        let start = self.sts.ordinals_start;
        for index in 0..replicas {
            let ordinal = start + index;
            match self.pods.iter().find(|sim| sim.pod.ordinal == ordinal) {
                None => {
                    let revision = if index < partition { current } else { update };
                    self.create(ordinal, revision.clone());
                    if !self.sts.parallel {
                        return;
                    }
                }
                Some(sim) if !self.sts.parallel && (sim.pod.terminating || !sim.pod.ready) => return,
                Some(_) => {}
            }
        }
        let at = self.at;
        let mut condemned: Vec<usize> =
            (0..self.pods.len()).filter(|&sim| self.pods[sim].pod.ordinal >= start + replicas).collect();
        condemned.sort_by_key(|&sim| std::cmp::Reverse(self.pods[sim].pod.ordinal));
        let lowest_broken = condemned.iter().copied().rfind(|&sim| !self.pods[sim].pod.ready);
        for sim in condemned {
            let pod = &self.pods[sim].pod;
            if pod.terminating {
                if self.sts.parallel {
                    continue;
                }
                return;
            }
            if !self.sts.parallel && !pod.ready && lowest_broken != Some(sim) {
                return;
            }
            self.pods[sim].pod.terminating = true;
            self.pods[sim].gone_at = Some(at + 300);
            if !self.sts.parallel {
                return;
            }
        }
        for index in (partition.min(replicas)..replicas).rev() {
            let Some(sim) = self.pods.iter_mut().find(|sim| sim.pod.ordinal == start + index) else {
                continue;
            };
            if sim.pod.revision.as_ref() != Some(update) && !sim.pod.terminating {
                sim.pod.terminating = true;
                sim.gone_at = Some(at + 300);
                return;
            }
            if sim.pod.terminating || !sim.pod.ready {
                return;
            }
        }
    }

    /// Pods that waited for room get it.
    pub fn let_nodes_take_pods(&mut self) {
        self.pods.iter_mut().for_each(|sim| sim.pod.unschedulable = None);
    }

    fn create(&mut self, ordinal: u32, revision: Revision) {
        if self.list.as_ref().is_some_and(|list| !list.allowed.contains(&revision)) {
            return;
        }
        self.check_birth(&revision);
        let claim = format!("data-db-{ordinal}");
        if self.claims.iter().any(|known| known.name == claim && known.terminating) {
            return;
        }
        if !self.claims.iter().any(|known| known.name == claim) {
            self.claim(&claim);
        }
        if self.quota.is_some_and(|quota| self.pods.len() >= quota) {
            return;
        }
        let full = self.room.is_some_and(|room| self.pods.len() >= room);
        self.uids += 1;
        let pod = Pod {
            unschedulable: full.then(|| "0/1 nodes are available".to_owned()),
            name: format!("db-{ordinal}"),
            uid: Uid(format!("pod-{}", self.uids)),
            ordinal,
            created: self.wall(),
            revision: Some(revision),
            ip: Some("10.0.0.1".to_owned()),
            ..Pod::default()
        };
        self.pods.push(SimPod { pod, born: self.at, gone_at: None });
    }

    fn revision_of_template(&mut self) -> Revision {
        let again =
            if self.sts.template.get("securityContext").is_some() || self.rehashed { "b" } else { "" };
        let name = Revision(format!("db-{}{again}", self.sts.template["image"].as_str().unwrap()));
        let number = self.revisions.iter().map(|revision| revision.number).max().unwrap_or(0) + 1;
        match self.revisions.iter_mut().find(|revision| revision.name == name) {
            Some(known) if self.sts.update_revision.as_ref() != Some(&name) => known.number = number,
            Some(_) => {}
            None => self.revisions.push(RevisionFact {
                name: name.clone(),
                resource_version: "1".to_owned(),
                created: self.wall(),
                number,
                template: self.sts.template.clone(),
                verdict: None,
                rollout: None,
            }),
        }
        name
    }
}
